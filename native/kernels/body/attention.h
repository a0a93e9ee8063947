// ATTENTION. Long chunks: blocks of 32 queries, whose scores stand transposed [keys, 32] so that the lanes run over
// queries and both products are register tiles on keys and values as they lie. Short ones: one query at a time.
#pragma once

#include "rows.h"
#include "tile.h"

namespace vlmk::VLMK_ISA_NAMESPACE {
namespace {

struct Attention {
    int64_t batch, queries, heads, width, keys, kv_heads, bias_stride[4], window;
    // Worked out per run: tokens before the chunk, keys to look at, floats from one key to the next and from one
    // sequence to the next.
    int64_t past, visible, key_stride, batch_stride;
    const float *k, *v;
    int mask;
    float scale, soft_cap;
};

constexpr int kFull = 0, kCausal = 1, kPackedPrefix = 2, kBias = 3;

// A scaled score held inside the soft cap, if there is one.
inline Vec capped(const Attention& a, Vec v) {
    return a.soft_cap > 0 ? mul(tangent(div(v, set(a.soft_cap))), set(a.soft_cap)) : v;
}

// Keys at the beginning of a sequence that no query sees.
inline int64_t padding(const Attention& a, const vlmk_op& op, int64_t b) {
    return a.mask <= kCausal && op.in[3] ? most(0, ints(op, 3)[b]) : 0;
}

// What is added to the score of query t and key s.
inline float score_bias(const Attention& a, const vlmk_op& op, int64_t b, int64_t n, int64_t t, int64_t s) {
    switch (a.mask) {
    case kCausal:
        return s <= a.past + t && (a.window == 0 || s > a.past + t - a.window) ? 0.0f : -INFINITY;
    case kPackedPrefix: {
        const int32_t* segments = ints(op, 3) + b * a.keys;
        return segments[s] == 0 || (segments[s] == segments[t] && s <= t) ? 0.0f : -INFINITY;
    }
    case kBias:
        return floats(op, 3)[b * a.bias_stride[0] + n * a.bias_stride[1] + t * a.bias_stride[2] + s * a.bias_stride[3]];
    default:
        return 0.0f;
    }
}

void attend_block(const Attention& a, const vlmk_op& op, int64_t b, int64_t n, int64_t first) {
    const int64_t count = least(kPanel, a.queries - first), row = a.heads * a.width;
    const int64_t end = a.mask == kCausal ? least(a.visible, a.past + first + count) : a.visible;
    const int64_t begin = least(end, padding(a, op, b)), keys = end - begin;
    const int64_t start = b * a.batch_stride + begin * a.key_stride + n / (a.heads / a.kv_heads) * a.width;
    const float* q = floats(op, 0) + (b * a.queries + first) * row + n * a.width;
    float* y = result(op) + (b * a.queries + first) * row + n * a.width;
    float *turned = scratch(0, a.width * kPanel), *scores = scratch(1, (keys + 1) * kPanel);
    for (int64_t h = 0; h < a.width; h++)
        for (int64_t t = 0; t < kPanel; t++)
            turned[h * kPanel + t] = t < count ? q[t * row + h] : 0.0f;
    for (int64_t h = 0; h < a.width; h += kDepth)
        tiles(keys, a.k + start + h, a.key_stride, 1, turned + h * kPanel, kPanel, least(kDepth, a.width - h), scores, kPanel, kPanel, Finish{h == 0, nullptr, nullptr});
    const Vec scale = set(a.scale);
    Vec best[2] = {set(-INFINITY), set(-INFINITY)}, total[2] = {set(0.0f), set(0.0f)};
    for (int64_t s = 0; s < keys; s++) {
        // Without a window a causal chunk sees all of its past; only the keys of the block itself need a look.
        const bool plain = a.mask == kFull || (a.mask == kCausal && a.window == 0 && begin + s <= a.past + first);
        alignas(64) float bias[kPanel] = {};
        for (int64_t t = 0; !plain && t < count; t++)
            bias[t] = score_bias(a, op, b, n, first + t, begin + s);
        for (int half = 0; half < 2; half++) {
            float* p = scores + s * kPanel + half * kLanes;
            const Vec v = a.soft_cap > 0 ? add(capped(a, mul(load(p), scale)), load(bias + half * kLanes)) : fma(load(p), scale, load(bias + half * kLanes));
            best[half] = larger(best[half], v);
            store(p, v);
        }
    }
    for (int half = 0; half < 2; half++) {
        const Vec shift = if_less(best[half], set(-3.40282347e38f), set(0.0f), best[half]);
        for (int64_t s = 0; s < keys; s++) {
            float* p = scores + s * kPanel + half * kLanes;
            const Vec e = exponential(sub(load(p), shift));
            total[half] = add(total[half], e);
            store(p, e);
        }
        const Vec inverse = if_less(total[half], set(1e-37f), set(0.0f), div(set(1.0f), total[half]));
        for (int64_t s = 0; s < keys; s++) {
            float* p = scores + s * kPanel + half * kLanes;
            store(p, mul(load(p), inverse));
        }
    }
    for (int64_t h = 0; h < a.width; h += kPanel) {
        // Tiles read 32 columns of values; a narrower end is copied first, for it may be the end of the memory.
        const int64_t columns = least(kPanel, a.width - h);
        for (int64_t s = 0; s == 0 || s < keys; s += kDepth) {
            const int64_t depth = least(kDepth, keys - s);
            const float* v = a.v + start + s * a.key_stride + h;
            int64_t stride = a.key_stride;
            if (columns < kPanel) {
                float* strip = scratch(2, kDepth * kPanel);
                for (int64_t i = 0; i < depth; i++)
                    for (int half = 0; half < 2; half++) {
                        const int some = static_cast<int>(most(0, least(kLanes, columns - half * kLanes)));
                        store(strip + i * kPanel + half * kLanes, load_some(v + i * stride + half * kLanes, some));
                    }
                v = strip;
                stride = kPanel;
            }
            tiles(count, scores + s * kPanel, 1, kPanel, v, stride, depth, y + h, row, columns, Finish{s == 0, nullptr, nullptr});
        }
    }
}

void attend_one(const Attention& a, const vlmk_op& op, int64_t b, int64_t n, int64_t t) {
    const int64_t end = a.mask == kCausal ? least(a.visible, a.past + t + 1) : a.visible;
    const int64_t begin = least(end, most(padding(a, op, b), a.window > 0 ? end - a.window : 0)), keys = end - begin;
    const int64_t start = b * a.batch_stride + begin * a.key_stride + n / (a.heads / a.kv_heads) * a.width, at = ((b * a.queries + t) * a.heads + n) * a.width;
    const float *q = floats(op, 0) + at, *k = a.k + start, *v = a.v + start;
    float *y = result(op) + at, *scores = scratch(1, keys + kLanes);
    for (int64_t s = 0; s < keys; s++) {
        Vec dot = set(0.0f);
        each_lanes(a.width, [&](int64_t h, int some) { dot = fma(load_lanes(q + h, some), load_lanes(k + s * a.key_stride + h, some), dot); });
        scores[s] = a.scale * sum(dot);
    }
    if (a.soft_cap > 0)
        each_lanes(keys, [&](int64_t s, int some) { store_lanes(scores + s, capped(a, load_lanes(scores + s, some)), some); });
    for (int64_t s = 0; a.mask > kCausal && s < keys; s++)
        scores[s] += score_bias(a, op, b, n, t, s);
    row_softmax(scores, keys, scores);
    each_lanes(a.width, [&](int64_t h, int some) {
        Vec total = set(0.0f);
        for (int64_t first = 0; first < keys; first += kDepth) {
            Vec part = set(0.0f);
            for (int64_t s = first; s < least(keys, first + kDepth); s++)
                part = fma(set(scores[s]), load_lanes(v + s * a.key_stride + h, some), part);
            total = add(total, part);
        }
        store_lanes(y + h, total, some);
    });
}

int32_t attention(Run& run, const vlmk_op& op) {
    Attention a;
    std::memcpy(&a, op.dims, 11 * sizeof(int64_t));
    a.mask = op.mode;
    a.scale = op.scalars[0];
    a.soft_cap = op.scalars[1];
    a.past = 0;
    a.visible = a.keys;
    a.key_stride = a.kv_heads * a.width;
    a.batch_stride = a.keys * a.key_stride;
    a.k = floats(op, 1);
    a.v = floats(op, 2);
    if (op.slot >= 0) {
        const vlmk_cache* cache = run.cache;
        if (!cache || op.slot >= cache->slots || cache->past + a.keys > cache->capacity)
            return fail(VLMK_BAD_ARGUMENT, "Attention slot %d does not fit the KV cache given.", op.slot);
        a.past = cache->past;
        a.visible = a.past + a.keys;
        a.batch_stride = cache->capacity * a.key_stride;
        float *keys = cache->keys[op.slot], *values = cache->values[op.slot];
        const size_t bytes = static_cast<size_t>(a.keys * a.key_stride) * 4;
        for (int64_t b = 0; b < a.batch; b++) {
            const int64_t target = b * a.batch_stride + a.past * a.key_stride, source = b * a.keys * a.key_stride;
            std::memcpy(keys + target, a.k + source, bytes);
            std::memcpy(values + target, a.v + source, bytes);
        }
        a.k = keys;
        a.v = values;
    }
    const int64_t work = a.batch * a.heads * a.queries * a.visible * a.width * 2, pairs = a.batch * a.heads;
    if (a.queries < 8) {
        parallel(run, pairs * a.queries, work, [&](int64_t i) { attend_one(a, op, i / a.queries / a.heads, i / a.queries % a.heads, i % a.queries); });
    } else {
        const int64_t blocks = ceiling(a.queries, kPanel);
        parallel(run, pairs * blocks, work, [&](int64_t i) { attend_block(a, op, i / blocks / a.heads, i / blocks % a.heads, i % blocks * kPanel); });
    }
    return VLMK_OK;
}

}  // namespace
}  // namespace vlmk::VLMK_ISA_NAMESPACE
