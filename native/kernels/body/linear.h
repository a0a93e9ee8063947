// LINEAR: x [m, K] times a packed weight, transposed. One row is a pass over the weight with the codes decoded in
// registers; more rows decode each panel's depth block once into scratch and share it. Both give the same bits.
#pragma once

#include "tile.h"

namespace vlmk::VLMK_ISA_NAMESPACE {
namespace {

// Walks down the columns of one panel and yields them as floats.
template <Packing P, bool Minimum>
struct Cursor {
    const uint8_t* data = nullptr;
    const float* scales = nullptr;
    const float* minima = nullptr;
    int offset = 0;
    Vec scale[2], minimum[2];

    void seek(const vlmk_weight& w, int64_t panel, int64_t column) {
        const int64_t at = panel * w.columns + column;
        constexpr int64_t bytes = P == Packing::F32 ? 128 : P == Packing::F16 || P == Packing::BF16 ? 64 : P == Packing::Code8 ? 32 : 16;
        data = w.data.get() + at * bytes;
        if constexpr (P == Packing::Code8 || P == Packing::Code4) {
            scales = reinterpret_cast<const float*>(w.scales.get()) + at / w.sub * kPanel;
            if constexpr (Minimum)
                minima = reinterpret_cast<const float*>(w.minima.get()) + at / w.sub * kPanel;
            offset = w.offset;
        }
    }

    // To be called before the first column of each group that shares a scale.
    void next_group() {
        if constexpr (P == Packing::Code8 || P == Packing::Code4) {
            scale[0] = load(scales);
            scale[1] = load(scales + kLanes);
            scales += kPanel;
            if constexpr (Minimum) {
                minimum[0] = load(minima);
                minimum[1] = load(minima + kLanes);
                minima += kPanel;
            }
        }
    }

    void next(Vec& b0, Vec& b1) {
        if constexpr (P == Packing::F32) {
            const float* p = reinterpret_cast<const float*>(data);
            b0 = load(p);
            b1 = load(p + kLanes);
            data += 128;
        } else if constexpr (P == Packing::F16) {
            const uint16_t* p = reinterpret_cast<const uint16_t*>(data);
            b0 = load_halves(p);
            b1 = load_halves(p + kLanes);
            data += 64;
        } else if constexpr (P == Packing::BF16) {
            const uint16_t* p = reinterpret_cast<const uint16_t*>(data);
            b0 = load_bfloats(p);
            b1 = load_bfloats(p + kLanes);
            data += 64;
        } else {
            if constexpr (P == Packing::Code8) {
                const int8_t* p = reinterpret_cast<const int8_t*>(data);
                b0 = load_bytes(p);
                b1 = load_bytes(p + kLanes);
                data += 32;
            } else {
                load_nibbles(data, offset, b0, b1);
                data += 16;
            }
            b0 = mul(b0, scale[0]);
            b1 = mul(b1, scale[1]);
            if constexpr (Minimum) {
                b0 = sub(b0, minimum[0]);
                b1 = sub(b1, minimum[1]);
            }
        }
    }
};

// Columns that share a scale; for plain types a whole depth block.
inline int64_t group_size(const vlmk_weight& w) { return w.sub == 0 ? kDepth : w.sub; }

// y = x W' for one row over N panels at once: several independent chains of additions hide their latency.
template <Packing P, bool Minimum, int N>
void one_row(const vlmk_weight& w, int64_t panel, const float* x, const float* bias, float* y) {
    Vec totals[N][2];
    const int64_t group = group_size(w);
    Cursor<P, Minimum> cursors[N];
    for (int n = 0; n < N; n++)
        cursors[n].seek(w, panel + n, 0);
    for (int n = 0; n < N; n++)
        totals[n][0] = totals[n][1] = set(0.0f);
    for (int64_t start = 0; start < w.columns; start += kDepth) {
        Vec sums[N][2];
#pragma GCC unroll 4
        for (int n = 0; n < N; n++)
            sums[n][0] = sums[n][1] = set(0.0f);
        const int64_t end = least(w.columns, start + kDepth);
        for (int64_t k = start; k < end;) {
#pragma GCC unroll 4
            for (int n = 0; n < N; n++)
                cursors[n].next_group();
            for (const int64_t stop = least(end, k + group); k < stop; k++) {
                const Vec v = set(x[k]);
#pragma GCC unroll 4
                for (int n = 0; n < N; n++) {
                    Vec b0, b1;
                    cursors[n].next(b0, b1);
                    sums[n][0] = fma(v, b0, sums[n][0]);
                    sums[n][1] = fma(v, b1, sums[n][1]);
                }
            }
        }
#pragma GCC unroll 4
        for (int n = 0; n < N; n++)
            for (int half = 0; half < 2; half++)
                totals[n][half] = start == 0 ? sums[n][half] : add(totals[n][half], sums[n][half]);
    }
    for (int n = 0; n < N; n++)
        for (int half = 0; half < 2; half++) {
            const int64_t output = (panel + n) * kPanel + half * kLanes;
            const int some = static_cast<int>(least(kLanes, w.rows - output));
            if (some <= 0)
                return;
            const Vec r = bias ? add(totals[n][half], load_some(bias + output, some)) : totals[n][half];
            store_some(y + output, r, some);
        }
}

template <Packing P, bool Minimum>
void expand(const vlmk_weight& w, int64_t panel, int64_t start, int64_t end, float* target) {
    Cursor<P, Minimum> cursor;
    cursor.seek(w, panel, start);
    const int64_t group = group_size(w);
    for (int64_t k = start; k < end;) {
        cursor.next_group();
        for (const int64_t stop = least(end, k + group); k < stop; k++, target += kPanel) {
            Vec b0, b1;
            cursor.next(b0, b1);
            store(target, b0);
            store(target + kLanes, b1);
        }
    }
}

template <Packing P, bool Minimum>
void linear_with(Run& run, const vlmk_op& op) {
    const vlmk_weight& w = *op.weight;
    const float *x = floats(op, 0), *bias = floats(op, 1);
    float* y = result(op);
    const int64_t m = op.dims[0], work = m * w.columns * w.rows;
    if (m == 1) {
        // Pieces of about 32,000 weights, in pairs of panels where the instruction set has registers for two.
        const int64_t pairs = ceiling(w.panels, kRowPanels);
        const int64_t piece = most(1, 32768 / (kPanel * kRowPanels * most(1, w.columns)));
        parallel_ranges(run, pairs, piece, work, [&](int64_t from, int64_t to) {
            for (int64_t i = from; i < to; i++) {
                const int64_t panel = i * kRowPanels;
                if (panel + kRowPanels <= w.panels)
                    one_row<P, Minimum, kRowPanels>(w, panel, x, bias, y);
                else
                    for (int64_t p = panel; p < w.panels; p++)
                        one_row<P, Minimum, 1>(w, p, x, bias, y);
            }
        });
        return;
    }
    const int64_t block = P == Packing::F32 ? 96 : 240, blocks = ceiling(m, block);
    parallel(run, blocks * w.panels, work, [&](int64_t task) {
        const int64_t panel = task / blocks, row = task % blocks * block, rows = least(block, m - row);
        const int64_t column = panel * kPanel, columns = least(kPanel, w.rows - column);
        int64_t start = 0;
        do {
            const int64_t end = least(w.columns, start + kDepth);
            const float* b = reinterpret_cast<const float*>(w.data.get()) + (panel * w.columns + start) * kPanel;
            if constexpr (P != Packing::F32) {
                float* strip = scratch(0, kDepth * kPanel);
                expand<P, Minimum>(w, panel, start, end, strip);
                b = strip;
            }
            Finish finish{start == 0, end == w.columns && bias ? bias + column : nullptr, nullptr};
            tiles(rows, x + row * w.columns + start, w.columns, 1, b, kPanel, end - start, y + row * w.rows + column, w.rows, columns, finish);
            start = end;
        } while (start < w.columns);
    });
}

int32_t linear(Run& run, const vlmk_op& op) {
    const bool minimum = op.weight->minimum;
    switch (op.weight->packing) {
    case Packing::F32: linear_with<Packing::F32, false>(run, op); break;
    case Packing::F16: linear_with<Packing::F16, false>(run, op); break;
    case Packing::BF16: linear_with<Packing::BF16, false>(run, op); break;
    case Packing::Code8: minimum ? linear_with<Packing::Code8, true>(run, op) : linear_with<Packing::Code8, false>(run, op); break;
    case Packing::Code4: minimum ? linear_with<Packing::Code4, true>(run, op) : linear_with<Packing::Code4, false>(run, op); break;
    }
    return VLMK_OK;
}

}  // namespace
}  // namespace vlmk::VLMK_ISA_NAMESPACE
