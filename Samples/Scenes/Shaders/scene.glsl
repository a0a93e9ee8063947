// What every stage shares: the scene's data and the camera's faults. Layout std430, mirrored by SceneData.cs.

struct Solid {
    vec4 row0;      // Rotation and position: a point p of the solid lies at (dot(row0.xyz, p) + row0.w, ...).
    vec4 row1;
    vec4 row2;
    vec4 scale;     // Half extents of the base points; w: metres pushed along the normal.
    vec4 colour;    // Display RGB; w: strength of the highlight.
    vec4 rim;       // x: strength of the rim light.
};

layout(std430, set = 0, binding = 0) readonly buffer Scene {
    vec4 eye;           // xyz
    vec4 right;         // Unit axes of the camera; w of right and up: half extents of the picture at distance 1.
    vec4 up;
    vec4 forward;
    vec4 light;         // xyz towards the light; w diffuse.
    vec4 tuning;        // Ambient, shadows (0 or 1), fog per metre, noise deviation.
    vec4 zenith;        // xyz
    vec4 horizon;       // xyz
    vec4 groundFirst;   // xyz; w pattern number.
    vec4 groundSecond;  // xyz; w roughness.
    vec4 groundMap;     // cos / period, sin / period, offset.
    vec4 camera;        // xyz exposure times white balance; w gamma.
    vec4 shadowX;       // A world point p lies at dot(xyz, p) + w in the shadow map, 0..1 inside; z is depth.
    vec4 shadowY;
    vec4 shadowZ;
    uvec4 frame;        // Width, height, noise seed.
    Solid solids[32];
} scene;

uint stir(uint x) {
    x ^= x >> 16; x *= 0x7feb352du;
    x ^= x >> 15; x *= 0x846ca68bu;
    return x ^ (x >> 16);
}

// The four bytes of a hash added up: close to a bell curve, mean 510, deviation 147.8; brought to mean 0, deviation 1.
float bell(uint h) {
    uint pairs = (h & 0x00ff00ffu) + ((h >> 8) & 0x00ff00ffu);
    return (float((pairs & 0xffffu) + (pairs >> 16)) - 510.0) * (1.0 / 147.8);
}

vec3 throughCamera(vec3 colour, vec2 at) {
    colour = pow(clamp(colour * scene.camera.xyz, 0.0, 1.0), vec3(scene.camera.w));
    float sigma = scene.tuning.w;
    if (sigma > 0.0) {
        uint key = (uint(at.y) * scene.frame.x + uint(at.x)) * 3u + scene.frame.z;
        colour += sigma * vec3(bell(stir(key)), bell(stir(key + 1u)), bell(stir(key + 2u)));
    }
    return colour;
}
