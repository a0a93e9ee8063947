// The block-quantized storage types, reduced to one form: codes with a scale and a minimum per sub-block.
#pragma once

#include <cstdint>
#include <cstring>

#include "vlm_kernels.h"

namespace vlmk {

// value k = scale[k / sub] * code[k] - minimum[k / sub], each operation rounded to float.
struct Block {
    int8_t codes[256];
    float scales[16];
    float minima[16];
};

struct TypeInfo {
    int length;      // elements in a block; 0 for an unknown type
    int bytes;       // bytes of a block
    int sub;         // elements that share a scale
    bool minimum;    // whether the minima are used
    int nibble;      // codes fit four bits after adding this; -1 where they do not
};

TypeInfo type_info(int32_t type);

// Unpacks one block of a quantized type.
void unpack(int32_t type, const uint8_t* data, Block& block);

// Expands count elements of any storage type; whole blocks only.
void dequantize(int32_t type, const void* data, int64_t count, float* target);

static inline float half_to_float(uint16_t h) {
    const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 31, mantissa = h & 0x3ff, bits;
    if (exponent == 31) {
        bits = sign | 0x7f800000 | mantissa << 13 | (mantissa ? 0x400000 : 0);
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    } else {
        // Subnormal: mantissa * 2^-24, exact in float.
        const float value = static_cast<float>(mantissa) * 0x1p-24f;
        std::memcpy(&bits, &value, 4);
        bits |= sign;
    }
    float result;
    std::memcpy(&result, &bits, 4);
    return result;
}

static inline float bfloat_to_float(uint16_t b) {
    const uint32_t bits = static_cast<uint32_t>(b) << 16;
    float result;
    std::memcpy(&result, &bits, 4);
    return result;
}

}  // namespace vlmk
