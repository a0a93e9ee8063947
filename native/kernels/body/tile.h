// The heart of every matrix product: a tile of a few rows by 32 columns, kept in registers over one depth block.
#pragma once

#include "common.h"

namespace vlmk::VLMK_ISA_NAMESPACE {
namespace {

// How a tile meets the result: sums of later depth blocks are added to what is there; the bias comes after the last one.
struct Finish {
    bool first = true;
    const float* column_bias = nullptr;  // one number per column
    const float* row_bias = nullptr;     // one number per row
};

// c[M, columns] (+)= a[M, depth] x b[depth, 32]. Each lane is one output whose products are added in order of depth, so
// its bits depend on neither M nor the instruction set. a's rows are "row" apart and its columns "step".
// Rows are reached from one pointer per three rows, which keeps all addresses in registers.
template <int M>
__attribute__((noinline)) void tile(const float* a, int64_t row, int64_t step, const float* b, int64_t ldb, int64_t depth,
          float* c, int64_t ldc, int64_t columns, const Finish& finish) {
    constexpr int kGroups = (M + 2) / 3;
    Vec sums[M][2];
    const float* rows[kGroups];
#pragma GCC unroll 16
    for (int i = 0; i < M; i++)
        sums[i][0] = sums[i][1] = set(0.0f);
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; g++)
        rows[g] = a + 3 * g * row;
    for (int64_t k = 0; k < depth; k++) {
        const Vec b0 = load(b), b1 = load(b + kLanes);
#pragma GCC unroll 16
        for (int i = 0; i < M; i++) {
            const Vec x = set(rows[i / 3][i % 3 * row]);
            sums[i][0] = fma(x, b0, sums[i][0]);
            sums[i][1] = fma(x, b1, sums[i][1]);
        }
#pragma GCC unroll 8
        for (int g = 0; g < kGroups; g++)
            rows[g] += step;
        b += ldb;
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        const int64_t start = half * kLanes;
        const int n = static_cast<int>(least(kLanes, columns - start));
        if (n <= 0)
            break;
        const Vec bias = finish.column_bias ? load_some(finish.column_bias + start, n) : set(0.0f);
#pragma GCC unroll 16
        for (int i = 0; i < M; i++) {
            float* target = c + i * ldc + start;
            Vec r = sums[i][half];
            if (!finish.first)
                r = add(load_some(target, n), r);
            if (finish.column_bias)
                r = add(r, bias);
            if (finish.row_bias)
                r = add(r, set(finish.row_bias[i]));
            if (n == kLanes)
                store(target, r);
            else
                store_some(target, r, n);
        }
    }
}

template <int M>
void remaining(int64_t rows, const float* a, int64_t row, int64_t step, const float* b, int64_t ldb, int64_t depth,
               float* c, int64_t ldc, int64_t columns, const Finish& finish) {
    if constexpr (M > 0) {
        if (rows == M)
            tile<M>(a, row, step, b, ldb, depth, c, ldc, columns, finish);
        else
            remaining<M - 1>(rows, a, row, step, b, ldb, depth, c, ldc, columns, finish);
    }
}

// The same for any number of rows.
inline void tiles(int64_t rows, const float* a, int64_t row, int64_t step, const float* b, int64_t ldb, int64_t depth,
                  float* c, int64_t ldc, int64_t columns, Finish finish) {
    while (rows >= kTileRows) {
        tile<kTileRows>(a, row, step, b, ldb, depth, c, ldc, columns, finish);
        rows -= kTileRows;
        a += kTileRows * row;
        c += kTileRows * ldc;
        if (finish.row_bias)
            finish.row_bias += kTileRows;
    }
    remaining<kTileRows - 1>(rows, a, row, step, b, ldb, depth, c, ldc, columns, finish);
}

}  // namespace
}  // namespace vlmk::VLMK_ISA_NAMESPACE
