#version 450
#extension GL_GOOGLE_include_directive : require
#include "scene.glsl"
#include "shade.glsl"

layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) flat in uint index;
layout(location = 0) out vec4 outColour;
layout(location = 1) out uint outId;

void main() {
    vec3 n = normalize(normal);
    vec3 toEye = scene.eye.xyz - position;
    float metres = length(toEye);
    vec3 v = toEye / metres;
    vec4 colour = scene.solids[index].colour;
    float facing = max(dot(n, scene.light.xyz), 0.0);
    float open = facing > 0.0 ? lit(position + n * 0.02) : 0.0;
    // Light from the sky above is a little stronger than from the ground below, so that shaded faces still differ.
    vec3 shade = colour.xyz * (scene.tuning.x * (0.85 + 0.15 * n.y) + scene.light.w * facing * open);
    float glance = max(dot(n, normalize(v + scene.light.xyz)), 0.0);
    glance *= glance; glance *= glance; glance *= glance; glance *= glance; glance *= glance;
    float edge = 1.0 - max(dot(n, v), 0.0);
    shade += colour.w * glance * open + scene.solids[index].rim.x * edge * edge * edge * mix(vec3(0.6), scene.horizon.xyz, 0.5);
    outColour = vec4(throughCamera(inFog(shade, metres), gl_FragCoord.xy), 1.0);
    outId = index + 1u;
}
