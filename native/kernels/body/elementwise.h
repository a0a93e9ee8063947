// Elementwise operations of one, two and three arguments, with broadcasting strides.
#pragma once

#include "rows.h"

namespace vlmk::VLMK_ISA_NAMESPACE {
namespace {

constexpr int64_t kPiece = 8192;

template <class F>
void map(Run& run, const vlmk_op& op, int64_t cost, const F& f) {
    const int64_t count = op.dims[0];
    parallel_ranges(run, count, kPiece, count * cost, [&](int64_t from, int64_t to) {
        const float* x = floats(op, 0) + from;
        float* y = result(op) + from;
        each_lanes(to - from, [&](int64_t i, int n) { store_lanes(y + i, f(load_lanes(x + i, n)), n); });
    });
}

// Functions no hot path needs, in double precision one by one.
template <class F>
void map_slowly(Run& run, const vlmk_op& op, const F& f) {
    const int64_t count = op.dims[0];
    parallel_ranges(run, count, kPiece, count * 64, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; i++)
            result(op)[i] = static_cast<float>(f(static_cast<double>(floats(op, 0)[i])));
    });
}

inline Vec relu(Vec v) { return larger(set(0.0f), v); }

int32_t unary(Run& run, const vlmk_op& op) {
    switch (op.mode) {
    case VLMK_NEGATE: map(run, op, 1, [](Vec v) { return mul(v, set(-1.0f)); }); break;
    case VLMK_ABS: map(run, op, 1, magnitude); break;
    case VLMK_EXP: map(run, op, 4, exponential); break;
    case VLMK_LOG: map_slowly(run, op, [](double v) { return std::log(v); }); break;
    case VLMK_SQRT: map(run, op, 2, root); break;
    case VLMK_RSQRT: map(run, op, 4, [](Vec v) { return div(set(1.0f), root(v)); }); break;
    case VLMK_SQUARE: map(run, op, 1, [](Vec v) { return mul(v, v); }); break;
    case VLMK_TANH: map(run, op, 8, tangent); break;
    case VLMK_SIGMOID: map(run, op, 8, sigmoid); break;
    case VLMK_RELU: map(run, op, 1, relu); break;
    case VLMK_ERF: map(run, op, 8, error_function); break;
    case VLMK_SOFTPLUS: map_slowly(run, op, [](double v) { return (v < 0 ? 0 : v) + std::log1p(std::exp(-std::fabs(v))); }); break;
    case VLMK_COS: map_slowly(run, op, [](double v) { return std::cos(v); }); break;
    case VLMK_SIN: map_slowly(run, op, [](double v) { return std::sin(v); }); break;
    case VLMK_SQUARED_RELU: map(run, op, 1, [](Vec v) { return mul(relu(v), relu(v)); }); break;
    case VLMK_SILU: map(run, op, 8, silu); break;
    case VLMK_GELU: map(run, op, 8, gelu); break;
    case VLMK_GELU_TANH: map(run, op, 8, gelu_tanh); break;
    case VLMK_QUICK_GELU: map(run, op, 8, quick_gelu); break;
    default: return fail(VLMK_UNSUPPORTED, "Unknown elementwise function %d.", op.mode);
    }
    return VLMK_OK;
}

// Sixteen elements "stride" apart, or fewer.
inline Vec load_strided(const float* p, int64_t stride, int n) {
    if (stride == 1)
        return load_lanes(p, n);
    if (stride == 0)
        return set(*p);
    alignas(64) float lanes[kLanes] = {};
    for (int i = 0; i < n; i++)
        lanes[i] = p[i * stride];
    return load(lanes);
}

// Walks shape[r] and calls f(y, offsets, strides, n) for runs along the last axis. N operands, their strides at
// dims[r], dims[2r], ... The axes before the last are split over threads, or the last one when it is the only one.
template <int N, class F>
void walk(Run& run, const vlmk_op& op, const F& f) {
    const int64_t* shape = op.dims;
    int64_t outer = 1, inner = shape[VLMK_RANK - 1], strides[N];
    for (int i = 0; i + 1 < VLMK_RANK; i++)
        outer *= shape[i];
    for (int s = 0; s < N; s++)
        strides[s] = op.dims[(s + 2) * VLMK_RANK - 1];
    const int64_t pieces = ceiling(inner, kPiece), rows = most(1, kPiece / most(1, inner));
    parallel(run, ceiling(outer, rows) * pieces, outer * inner, [&](int64_t task) {
        const int64_t from = task % pieces * kPiece, n = least(kPiece, inner - from);
        for (int64_t o = task / pieces * rows, end = least(outer, o + rows); o < end; o++) {
            int64_t index = o, offsets[N];
            for (int s = 0; s < N; s++)
                offsets[s] = from * strides[s];
            for (int axis = VLMK_RANK - 2; axis >= 0; axis--) {
                if (shape[axis] == 1)
                    continue;
                for (int s = 0; s < N; s++)
                    offsets[s] += index % shape[axis] * op.dims[(s + 1) * VLMK_RANK + axis];
                index /= shape[axis];
            }
            f(o * inner + from, offsets, strides, n);
        }
    });
}

template <class F>
void map2(Run& run, const vlmk_op& op, const F& f) {
    walk<2>(run, op, [&](int64_t at, const int64_t* offsets, const int64_t* strides, int64_t count) {
        const float *a = floats(op, 0) + offsets[0], *b = floats(op, 1) + offsets[1];
        float* y = result(op) + at;
        const int64_t sa = strides[0], sb = strides[1];
        each_lanes(count, [&](int64_t i, int n) { store_lanes(y + i, f(load_strided(a + i * sa, sa, n), load_strided(b + i * sb, sb, n)), n); });
    });
}

int32_t binary(Run& run, const vlmk_op& op) {
    switch (op.mode) {
    case 0: map2(run, op, add); break;
    case 1: map2(run, op, sub); break;
    case 2: map2(run, op, mul); break;
    case 3: map2(run, op, div); break;
    case 4: map2(run, op, [](Vec a, Vec b) { return if_nan(a, a, larger(a, b)); }); break;
    case 5: map2(run, op, [](Vec a, Vec b) { return if_nan(a, a, smaller(a, b)); }); break;
    default: return fail(VLMK_UNSUPPORTED, "Unknown function of two arguments %d.", op.mode);
    }
    return VLMK_OK;
}

template <class T>
void compare_as(Run& run, const vlmk_op& op) {
    const int kind = op.mode & 15;
    walk<2>(run, op, [&](int64_t at, const int64_t* offsets, const int64_t* strides, int64_t count) {
        const T *a = static_cast<const T*>(op.in[0]) + offsets[0], *b = static_cast<const T*>(op.in[1]) + offsets[1];
        for (int64_t i = 0; i < count; i++) {
            const T x = a[i * strides[0]], y = b[i * strides[1]];
            result(op)[at + i] = (kind == 0 ? x == y : kind == 1 ? x < y : x <= y) ? 1.0f : 0.0f;
        }
    });
}

int32_t compare(Run& run, const vlmk_op& op) {
    op.mode >= 16 ? compare_as<int32_t>(run, op) : compare_as<float>(run, op);
    return VLMK_OK;
}

int32_t choose(Run& run, const vlmk_op& op) {
    walk<3>(run, op, [&](int64_t at, const int64_t* offsets, const int64_t* strides, int64_t count) {
        const float *c = floats(op, 0) + offsets[0], *a = floats(op, 1) + offsets[1], *b = floats(op, 2) + offsets[2];
        for (int64_t i = 0; i < count; i++)
            result(op)[at + i] = c[i * strides[0]] != 0 ? a[i * strides[1]] : b[i * strides[2]];
    });
    return VLMK_OK;
}

int32_t cast(Run& run, const vlmk_op& op) {
    const int64_t count = op.dims[0];
    parallel_ranges(run, count, kPiece, count, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; i++) {
            if (op.mode == 0) {
                result(op)[i] = static_cast<float>(ints(op, 0)[i]);
            } else {
                // Truncated, held inside the range, NaN becomes 0.
                const float v = floats(op, 0)[i];
                static_cast<int32_t*>(op.out)[i] = v >= 0x1p31f ? INT32_MAX : v <= -0x1p31f ? INT32_MIN : v != v ? 0 : static_cast<int32_t>(v);
            }
        }
    });
    return VLMK_OK;
}

}  // namespace
}  // namespace vlmk::VLMK_ISA_NAMESPACE
