// Operations along an axis: softmax, norms, reductions, argmax.
#pragma once

#include "math.h"

namespace vlmk::VLMK_ISA_NAMESPACE {
namespace {

// Calls f(start, lanes) over a row in steps of sixteen.
template <class F>
inline void each_lanes(int64_t width, const F& f) {
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes)
        f(i, static_cast<int>(kLanes));
    if (i < width)
        f(i, static_cast<int>(width - i));
}

inline Vec load_lanes(const float* p, int n) { return n == kLanes ? load(p) : load_some(p, n); }
inline void store_lanes(float* p, Vec v, int n) { n == kLanes ? store(p, v) : store_some(p, v, n); }

// Lanes from n on replaced by a number, so that they do not count.
inline Vec masked(Vec v, int n, float other) {
    if (n == kLanes)
        return v;
    alignas(64) float lanes[kLanes];
    store(lanes, v);
    for (int i = n; i < kLanes; i++)
        lanes[i] = other;
    return load(lanes);
}

inline float row_largest(const float* x, int64_t width) {
    Vec best = set(-INFINITY);
    each_lanes(width, [&](int64_t i, int n) { best = larger(best, masked(load_lanes(x + i, n), n, -INFINITY)); });
    return largest(best);
}

// Writes e^(x - max) and returns the sum; a row of minus infinities gives zeros.
inline float row_exponentials(const float* x, float max, int64_t width, float* y) {
    const Vec shift = set(max == -INFINITY ? 0.0f : max);
    Vec total = set(0.0f);
    each_lanes(width, [&](int64_t i, int n) {
        const Vec e = masked(exponential(sub(load_lanes(x + i, n), shift)), n, 0);
        total = add(total, e);
        if (y)
            store_lanes(y + i, e, n);
    });
    return sum(total);
}

inline void row_softmax(const float* x, int64_t width, float* y) {
    const float total = row_exponentials(x, row_largest(x, width), width, y);
    const Vec scale = set(total == 0 ? 0.0f : 1.0f / total);
    each_lanes(width, [&](int64_t i, int n) { store_lanes(y + i, mul(load_lanes(y + i, n), scale), n); });
}

inline void row_log_softmax(const float* x, int64_t width, float* y) {
    const float max = row_largest(x, width);
    const double log_sum = std::log(static_cast<double>(row_exponentials(x, max, width, nullptr)));
    for (int64_t i = 0; i < width; i++)
        y[i] = static_cast<float>(static_cast<double>(x[i]) - max - log_sum);
}

template <class F>
void each_row(Run& run, const vlmk_op& op, int64_t cost, const F& f) {
    const int64_t rows = op.dims[0], width = op.dims[1];
    parallel_ranges(run, rows, most(1, 4096 / most(1, width)), rows * width * cost, [&](int64_t from, int64_t to) {
        for (int64_t r = from; r < to; r++)
            f(floats(op, 0) + r * width, width, result(op) + r * width);
    });
}

int32_t softmax(Run& run, const vlmk_op& op) {
    each_row(run, op, 4, row_softmax);
    return VLMK_OK;
}

int32_t log_softmax(Run& run, const vlmk_op& op) {
    each_row(run, op, 4, row_log_softmax);
    return VLMK_OK;
}

int32_t layer_norm(Run& run, const vlmk_op& op) {
    const float *weight = floats(op, 1), *bias = floats(op, 2), epsilon = op.scalars[0];
    each_row(run, op, 2, [&](const float* x, int64_t width, float* y) {
        Vec total = set(0.0f), squares = set(0.0f);
        each_lanes(width, [&](int64_t i, int n) { total = add(total, load_lanes(x + i, n)); });
        const Vec mean = set(sum(total) / static_cast<float>(width));
        each_lanes(width, [&](int64_t i, int n) {
            const Vec d = masked(sub(load_lanes(x + i, n), mean), n, 0);
            squares = fma(d, d, squares);
        });
        const Vec scale = set(1.0f / std::sqrt(sum(squares) / static_cast<float>(width) + epsilon));
        each_lanes(width, [&](int64_t i, int n) {
            const Vec d = mul(sub(load_lanes(x + i, n), mean), scale);
            store_lanes(y + i, fma(d, load_lanes(weight + i, n), load_lanes(bias + i, n)), n);
        });
    });
    return VLMK_OK;
}

int32_t rms_norm(Run& run, const vlmk_op& op) {
    const float *weight = floats(op, 1), epsilon = op.scalars[0];
    const Vec offset = set(op.scalars[1]);
    each_row(run, op, 1, [&](const float* x, int64_t width, float* y) {
        Vec squares = set(0.0f);
        each_lanes(width, [&](int64_t i, int n) {
            const Vec v = load_lanes(x + i, n);
            squares = fma(v, v, squares);
        });
        const Vec scale = set(1.0f / std::sqrt(sum(squares) / static_cast<float>(width) + epsilon));
        each_lanes(width, [&](int64_t i, int n) {
            store_lanes(y + i, mul(mul(load_lanes(x + i, n), scale), add(load_lanes(weight + i, n), offset)), n);
        });
    });
    return VLMK_OK;
}

// Sums run in double, sixteen at a time: reductions are rare, and long ones would lose digits in float.
int32_t reduce(Run& run, const vlmk_op& op) {
    const int64_t outer = op.dims[0], size = op.dims[1], inner = op.dims[2];
    const bool maximum = op.mode == 2;
    const double divisor = op.mode == 1 ? static_cast<double>(size) : 1;
    parallel(run, outer, outer * size * inner, [&](int64_t o) {
        const float* x = floats(op, 0) + o * size * inner;
        float* y = result(op) + o * inner;
        for (int64_t i = 0; i < inner; i += kLanes) {
            const int64_t n = inner == 1 ? kLanes : least(kLanes, inner - i);
            double sums[kLanes];
            for (int64_t j = 0; j < n; j++)
                sums[j] = maximum ? -INFINITY : 0;
            // With inner 1 the lanes share the axis itself and are joined at the end.
            for (int64_t a = 0; a < size; a += inner == 1 ? kLanes : 1) {
                const int64_t some = inner == 1 ? least(n, size - a) : n;
                for (int64_t j = 0; j < some; j++) {
                    const double v = x[a * inner + i + j];
                    sums[j] = !maximum ? sums[j] + v : v > sums[j] || v != v ? v : sums[j];
                }
            }
            if (inner == 1) {
                for (int64_t j = 1; j < kLanes; j++)
                    sums[0] = !maximum ? sums[0] + sums[j] : sums[j] > sums[0] || sums[j] != sums[j] ? sums[j] : sums[0];
                y[0] = static_cast<float>(sums[0] / divisor);
            } else {
                for (int64_t j = 0; j < n; j++)
                    y[i + j] = static_cast<float>(sums[j] / divisor);
            }
        }
    });
    return VLMK_OK;
}

int32_t argmax(Run&, const vlmk_op& op) {
    const int64_t rows = op.dims[0], width = op.dims[1];
    int32_t* y = static_cast<int32_t*>(op.out);
    for (int64_t r = 0; r < rows; r++) {
        const float* x = floats(op, 0) + r * width;
        int64_t best = 0;
        for (int64_t i = 1; i < width; i++)
            if (x[i] > x[best])
                best = i;
        y[r] = static_cast<int32_t>(best);
    }
    return VLMK_OK;
}

}  // namespace
}  // namespace vlmk::VLMK_ISA_NAMESPACE
