// Every kernel of one instruction set, and their table.
#pragma once

#include "attention.h"
#include "elementwise.h"
#include "layout.h"
#include "linear.h"
#include "matmul.h"

namespace vlmk::VLMK_ISA_NAMESPACE {
namespace {

float read_all(Pool& pool, const float* data, int64_t count) {
    Run run{pool, nullptr};
    constexpr int64_t kBlock = 1 << 18;
    float* partial = scratch(2, ceiling(count, kBlock));
    parallel_ranges(run, count, kBlock, count, [&](int64_t from, int64_t to) {
        Vec sums[8];
        for (Vec& s : sums)
            s = set(0.0f);
        int64_t i = from;
        for (; i + 8 * kLanes <= to; i += 8 * kLanes)
#pragma GCC unroll 8
            for (int j = 0; j < 8; j++)
                sums[j] = add(sums[j], load(data + i + j * kLanes));
        float total = 0;
        for (; i < to; i++)
            total += data[i];
        for (Vec& s : sums)
            total += sum(s);
        partial[from / kBlock] = total;
    });
    float total = 0;
    for (int64_t i = 0; i < ceiling(count, kBlock); i++)
        total += partial[i];
    return total;
}

}  // namespace

const Table& table() {
    // In the order of vlmk_kind.
    static const Table all = {
        {copy2d, permute, gather, scatter_rows, linear, matmul, conv2d, average_pool, unary, binary, compare, choose, reduce, softmax,
         log_softmax, argmax, cast, layer_norm, rms_norm, rope_table, rope, attention},
        read_all};
    return all;
}

}  // namespace vlmk::VLMK_ISA_NAMESPACE
