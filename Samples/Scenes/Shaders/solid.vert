#version 450
#extension GL_GOOGLE_include_directive : require
#include "scene.glsl"

layout(location = 0) in vec3 base;
layout(location = 1) in vec3 normal;
layout(location = 0) out vec3 outPosition;
layout(location = 1) out vec3 outNormal;
layout(location = 2) flat out uint outSolid;

const float nearPlane = 0.05;
const float farPlane = 60.0;

void main() {
    Solid solid = scene.solids[gl_InstanceIndex];
    vec3 local = base * solid.scale.xyz + normal * solid.scale.w;
    // Round solids keep the mesh's normals; flat ones are stretched, and their normals against it.
    vec3 turned = solid.scale.w > 0.0 ? normal : normalize(normal / solid.scale.xyz);
    outPosition = vec3(dot(solid.row0, vec4(local, 1.0)), dot(solid.row1, vec4(local, 1.0)), dot(solid.row2, vec4(local, 1.0)));
    outNormal = vec3(dot(solid.row0.xyz, turned), dot(solid.row1.xyz, turned), dot(solid.row2.xyz, turned));
    outSolid = uint(gl_InstanceIndex);
    vec3 seen = outPosition - scene.eye.xyz;
    float depth = dot(scene.forward.xyz, seen);
    gl_Position = vec4(
        dot(scene.right.xyz, seen) / scene.right.w, -dot(scene.up.xyz, seen) / scene.up.w,
        (depth - nearPlane) * (farPlane / (farPlane - nearPlane)), depth);
}
