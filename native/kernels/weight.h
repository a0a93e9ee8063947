// Weights of LINEAR in the form the kernels read.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "vlm_kernels.h"

namespace vlmk {

constexpr int kPanel = 32;   // output rows side by side in a panel
constexpr int kDepth = 256;  // inputs summed before the sum joins the result: limits rounding error and fits the cache

enum class Packing { F32, F16, BF16, Code8, Code4 };

struct FreeBytes {
    void operator()(uint8_t* p) const { std::free(p); }
};
using Bytes = std::unique_ptr<uint8_t[], FreeBytes>;

}  // namespace vlmk

// A weight [rows, columns] cut into panels of 32 rows, each stored column by column, so that lanes run over rows (a
// product's outputs) and one pass over a panel is one stream of memory. Rows past the end are zero.
// Code4 keeps rows 0-15 of a panel in the low and 16-31 in the high nibbles of 16 bytes.
struct vlmk_weight {
    vlmk::Packing packing;
    int64_t rows, columns, panels, bytes;
    int sub = 0;          // columns that share a scale
    bool minimum = false;
    int offset = 0;       // subtracted from a Code4 code
    vlmk::Bytes data;     // [panels][columns][32]
    vlmk::Bytes scales;   // float [panels][columns / sub][32]
    vlmk::Bytes minima;
};

namespace vlmk {

// Throws std::bad_alloc.
std::unique_ptr<vlmk_weight> pack_weight(int32_t type, const void* data, int64_t rows, int64_t columns);

// One row as floats, the bits that the stored row expands to.
void expand_row(const vlmk_weight& w, int64_t row, float* target);

}  // namespace vlmk
