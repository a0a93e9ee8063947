#version 450
#extension GL_GOOGLE_include_directive : require
#include "capture_common.glsl"

// Pass 2: shrinks or stretches the columns of Rows to the window's height, looks the levels up and writes the grid,
// letterbox bars included. One invocation makes the three numbers of one grid pixel.

#ifdef CAPTURE_FLOAT
layout(std430, binding = 2) readonly buffer Rows { float pixels[]; };
#else
layout(std430, binding = 2) readonly buffer Rows { uint pixels[]; };
#endif
layout(std430, binding = 3) writeonly buffer Grid { float numbers[]; };

#ifdef CAPTURE_FLOAT
#define LEVELS vec3
#else
#define LEVELS ivec3
#endif

LEVELS seen(ivec2 at) {
    int start = tables[rowTable + at.y] - firstRow;
    int count = tables[rowTable + window.y + at.y];
    int weights = rowTable + 2 * window.y + at.y * rowTaps;
#ifdef CAPTURE_FLOAT
    vec3 sum = vec3(0.0);
    for (int k = 0; k < count; k++) {
        int from = 3 * ((start + k) * window.x + at.x);
        sum += word(weights + k) * vec3(pixels[from], pixels[from + 1], pixels[from + 2]);
    }
    return clamp(sum, 0.0, 255.0);
#else
    ivec3 sum = ivec3(1 << 21);
    for (int k = 0; k < count; k++) {
        uint pixel = pixels[(start + k) * window.x + at.x];
        sum += tables[weights + k] * ivec3(pixel & 0xffu, pixel >> 8 & 0xffu, pixel >> 16);
    }
    return clamp(sum >> 22, 0, 255);
#endif
}

// The number of a channel's level. Between two levels float mode interpolates.
#ifdef CAPTURE_FLOAT
float number(int channel, float level) {
    int low = min(int(level), 254);
    int at = lookup + 256 * channel + low;
    return mix(word(at), word(at + 1), level - float(low));
}
#else
float number(int channel, int level) { return word(lookup + 256 * channel + level); }
#endif

void main() {
    ivec2 at = ivec2(gl_GlobalInvocationID.xy);
    if (at.x >= grid.x || at.y >= grid.y)
        return;
    ivec2 inside = at - place;
    LEVELS level = LEVELS(fill & 0xffu, fill >> 8 & 0xffu, fill >> 16);
    if (inside.x >= 0 && inside.y >= 0 && inside.x < window.x && inside.y < window.y)
        level = seen(inside);

    int target, plane;
    if (patchSide == 0) {
        plane = grid.x * grid.y;
        target = at.y * grid.x + at.x;
    } else {
        plane = patchSide * patchSide;
        int patchIndex = at.y / patchSide * (grid.x / patchSide) + at.x / patchSide;
        target = 3 * plane * patchIndex + at.y % patchSide * patchSide + at.x % patchSide;
    }
    numbers[target] = number(0, level.r);
    numbers[target + plane] = number(1, level.g);
    numbers[target + 2 * plane] = number(2, level.b);
}
