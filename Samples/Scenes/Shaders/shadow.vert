#version 450
#extension GL_GOOGLE_include_directive : require
#include "scene.glsl"

layout(location = 0) in vec3 base;
layout(location = 1) in vec3 normal;

void main() {
    Solid solid = scene.solids[gl_InstanceIndex];
    vec4 local = vec4(base * solid.scale.xyz + normal * solid.scale.w, 1.0);
    vec4 p = vec4(dot(solid.row0, local), dot(solid.row1, local), dot(solid.row2, local), 1.0);
    gl_Position = vec4(dot(scene.shadowX, p) * 2.0 - 1.0, dot(scene.shadowY, p) * 2.0 - 1.0, dot(scene.shadowZ, p), 1.0);
}
