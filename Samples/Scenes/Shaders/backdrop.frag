#version 450
#extension GL_GOOGLE_include_directive : require
#include "scene.glsl"
#include "shade.glsl"

layout(location = 0) out vec4 outColour;
layout(location = 1) out uint outId;

float lattice(ivec2 at) {
    return float(stir(uint(at.x) * 73856093u ^ uint(at.y) * 19349663u) >> 8) * (1.0 / 16777216.0);
}

float smoothNoise(vec2 at) {
    vec2 cell = floor(at);
    vec2 f = at - cell;
    f = f * f * (3.0 - 2.0 * f);
    ivec2 c = ivec2(cell);
    return mix(mix(lattice(c), lattice(c + ivec2(1, 0)), f.x), mix(lattice(c + ivec2(0, 1)), lattice(c + ivec2(1, 1)), f.x), f.y);
}

vec3 ground(vec3 p, float metres) {
    vec2 at = vec2(
        p.x * scene.groundMap.x - p.z * scene.groundMap.y, p.x * scene.groundMap.y + p.z * scene.groundMap.x) + scene.groundMap.zw;
    // Cells that a pixel covers, lengthwise: the pattern fades to its mean where it would flicker.
    float footprint = metres * metres / max(scene.eye.y, 0.1) * (2.0 * scene.right.w / float(scene.frame.x))
        * length(scene.groundMap.xy);
    float blend = 0.0;
    int pattern = int(scene.groundFirst.w);
    if (pattern == 1) {
        ivec2 cell = ivec2(floor(at));
        blend = float((cell.x + cell.y) & 1);
    } else if (pattern == 2) {
        blend = float(int(floor(at.x)) & 1);
    } else if (pattern == 3) {
        blend = smoothNoise(at * 3.0);
    }
    if (pattern != 0)
        blend = mix(blend, 0.5, clamp(footprint * 1.5 - 0.3, 0.0, 1.0));
    vec3 colour = mix(scene.groundFirst.xyz, scene.groundSecond.xyz, blend);
    float grain = scene.groundSecond.w > 0.02 ? smoothNoise(at * 13.0) - 0.5 : 0.0;
    colour *= 1.0 + 2.0 * scene.groundSecond.w * grain * (1.0 - clamp(footprint * 6.0 - 0.5, 0.0, 1.0));
    return colour * (scene.tuning.x + scene.light.w * scene.light.y * lit(p));
}

void main() {
    vec2 at = gl_FragCoord.xy / vec2(scene.frame.xy) * 2.0 - 1.0;
    vec3 ray = scene.forward.xyz + scene.right.xyz * (at.x * scene.right.w) - scene.up.xyz * (at.y * scene.up.w);
    float speed = length(ray);
    vec3 colour;
    if (ray.y < -0.002) {
        float t = scene.eye.y / -ray.y;
        float metres = t * speed;
        colour = inFog(ground(scene.eye.xyz + ray * t, metres), metres);
        // The last few hundred metres melt into the horizon.
        colour = mix(colour, scene.horizon.xyz, clamp(metres * 0.004 - 0.2, 0.0, 1.0));
    } else {
        colour = mix(scene.horizon.xyz, scene.zenith.xyz, clamp(ray.y / speed * 2.2, 0.0, 1.0));
    }
    outColour = vec4(throughCamera(colour, gl_FragCoord.xy), 1.0);
    outId = 0u;
}
