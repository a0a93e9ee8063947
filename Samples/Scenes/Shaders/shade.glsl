// For stages that shade: fog and the look-up in the shadow map.

layout(set = 0, binding = 1) uniform sampler2D shadowMap;

vec3 inFog(vec3 colour, float metres) {
    float share = 1.0 - 1.0 / (1.0 + scene.tuning.z * metres * (1.0 + scene.tuning.z * metres));
    return mix(colour, scene.horizon.xyz, share);
}

// 1 in the light, 0 in shadow. Points outside the map's square have nothing above them.
float lit(vec3 p) {
    if (scene.tuning.y < 0.5)
        return 1.0;
    vec2 at = vec2(dot(scene.shadowX.xyz, p) + scene.shadowX.w, dot(scene.shadowY.xyz, p) + scene.shadowY.w);
    if (any(lessThan(at, vec2(0.0))) || any(greaterThanEqual(at, vec2(1.0))))
        return 1.0;
    float nearest = texelFetch(shadowMap, ivec2(at * vec2(textureSize(shadowMap, 0))), 0).x;
    return nearest < 1.0 && nearest < dot(scene.shadowZ.xyz, p) + scene.shadowZ.w ? 0.0 : 1.0;
}
