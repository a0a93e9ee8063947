#version 450
#extension GL_EXT_samplerless_texture_functions : require
#extension GL_GOOGLE_include_directive : require
#include "capture_common.glsl"

// Pass 1: shrinks or stretches every needed source row to the window's width.
// One invocation makes one pixel of Rows: x is the window column, y the row counted from firstRow.

layout(binding = 0) uniform texture2D source;
#ifdef CAPTURE_FLOAT
layout(std430, binding = 2) writeonly buffer Rows { float pixels[]; };
#else
layout(std430, binding = 2) writeonly buffer Rows { uint pixels[]; };
#endif

// Linear light 0..1 to sRGB. Not-a-number and negative light are black, more than 1 is white.
float encoded(float light) {
    light = light > 0.0 ? min(light, 1.0) : 0.0;
    return light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1.0 / 2.4) - 0.055;
}

// A source pixel as display-encoded levels 0..255. UNORM formats need no clamp: 8-bit levels come back as they are,
// 10-bit ones are rescaled.
#ifdef CAPTURE_FLOAT
vec3 levels(ivec2 at) {
    vec3 c = texelFetch(source, at, 0).rgb;
    if (encode != 0)
        c = vec3(encoded(exposure * c.r), encoded(exposure * c.g), encoded(exposure * c.b));
    return 255.0 * c;
}
#else
// The level of linear light. Devices round a power each in its way, but by far less than the quarter of a level by which
// the guess is too low at most; one comparison with a threshold decides what the level is, alike on every device.
int level(float light) {
    int guess = int(255.0 * encoded(exposure * light) + 0.25);
    float finite = light > 0.0 ? min(light, 65536.0) : 0.0; // not-a-number passes no threshold, infinity none out of reach
    return finite >= word(lookup + 3 * 256 + guess) ? guess + 1 : guess;
}

ivec3 levels(ivec2 at) {
    vec3 c = texelFetch(source, at, 0).rgb;
    return encode != 0 ? ivec3(level(c.r), level(c.g), level(c.b)) : ivec3(255.0 * c + 0.5);
}
#endif

void main() {
    ivec2 at = ivec2(gl_GlobalInvocationID.xy);
    if (at.x >= window.x || at.y >= rowCount)
        return;
    int start = tables[columnTable + at.x];
    int count = tables[columnTable + window.x + at.x];
    int weights = columnTable + 2 * window.x + at.x * columnTaps;
    int y = firstRow + at.y;
    int target = at.y * window.x + at.x;
#ifdef CAPTURE_FLOAT
    vec3 sum = vec3(0.0);
    for (int k = 0; k < count; k++)
        sum += word(weights + k) * levels(ivec2(start + k, y));
    pixels[3 * target] = sum.r;
    pixels[3 * target + 1] = sum.g;
    pixels[3 * target + 2] = sum.b;
#else
    // Sums stay below 2^31: weights add up to about 2^22 and their absolute values to less than twice that, times 255.
    ivec3 sum = ivec3(1 << 21);
    for (int k = 0; k < count; k++)
        sum += tables[weights + k] * levels(ivec2(start + k, y));
    uvec3 bytes = uvec3(clamp(sum >> 22, 0, 255));
    pixels[target] = bytes.r | bytes.g << 8 | bytes.b << 16;
#endif
}
