#include "quant.h"

namespace vlmk {

namespace {

constexpr int8_t kIq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

float half_at(const uint8_t* p) {
    uint16_t bits;
    std::memcpy(&bits, p, 2);
    return half_to_float(bits);
}

// Blocks of 32 whose low nibbles are values 0-15 and high nibbles 16-31.
void nibbles32(const uint8_t* q, int offset, int8_t* codes) {
    for (int k = 0; k < 16; k++) {
        codes[k] = static_cast<int8_t>((q[k] & 15) - offset);
        codes[k + 16] = static_cast<int8_t>((q[k] >> 4) - offset);
    }
}

void five_bits32(const uint8_t* high, const uint8_t* q, int offset, int8_t* codes) {
    uint32_t bits;
    std::memcpy(&bits, high, 4);
    for (int k = 0; k < 32; k++) {
        const int low = k < 16 ? q[k] & 15 : q[k - 16] >> 4;
        codes[k] = static_cast<int8_t>((low | (bits >> k & 1) << 4) - offset);
    }
}

// The 6-bit scales and minima that Q4_K and Q5_K pack into 12 bytes.
void scales_k(const uint8_t* s, float d, float dmin, Block& block) {
    for (int j = 0; j < 8; j++) {
        const int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        const int minimum = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
        block.scales[j] = d * static_cast<float>(scale);
        block.minima[j] = dmin * static_cast<float>(minimum);
    }
}

void q2_k(const uint8_t* p, Block& block) {
    const float d = half_at(p + 80), dmin = half_at(p + 82);
    for (int j = 0; j < 16; j++) {
        block.scales[j] = d * static_cast<float>(p[j] & 15);
        block.minima[j] = dmin * static_cast<float>(p[j] >> 4);
    }
    for (int k = 0; k < 256; k++)
        block.codes[k] = p[16 + 32 * (k / 128) + k % 32] >> 2 * (k % 128 / 32) & 3;
}

void q3_k(const uint8_t* p, Block& block) {
    const uint8_t *mask = p, *q = p + 32, *s = p + 96;
    const float d = half_at(p + 108);
    for (int j = 0; j < 16; j++) {
        const int scale = ((s[j % 8] >> 4 * (j / 8) & 15) | (s[8 + j % 4] >> 2 * (j / 4) & 3) << 4) - 32;
        block.scales[j] = d * static_cast<float>(scale);
    }
    for (int k = 0; k < 256; k++) {
        const int low = q[32 * (k / 128) + k % 32] >> 2 * (k % 128 / 32) & 3;
        block.codes[k] = static_cast<int8_t>(low - ((mask[k % 32] >> k / 32 & 1) ? 0 : 4));
    }
}

void q4_k(const uint8_t* p, Block& block) {
    scales_k(p + 4, half_at(p), half_at(p + 2), block);
    for (int k = 0; k < 256; k++)
        block.codes[k] = p[16 + 32 * (k / 64) + k % 32] >> 4 * (k / 32 % 2) & 15;
}

void q5_k(const uint8_t* p, Block& block) {
    scales_k(p + 4, half_at(p), half_at(p + 2), block);
    for (int k = 0; k < 256; k++) {
        const int low = p[48 + 32 * (k / 64) + k % 32] >> 4 * (k / 32 % 2) & 15;
        block.codes[k] = static_cast<int8_t>(low | (p[16 + k % 32] >> k / 32 & 1) << 4);
    }
}

void q6_k(const uint8_t* p, Block& block) {
    const uint8_t *low = p, *high = p + 128;
    const float d = half_at(p + 208);
    for (int j = 0; j < 16; j++)
        block.scales[j] = d * static_cast<float>(static_cast<int8_t>(p[192 + j]));
    for (int k = 0; k < 256; k++) {
        const int c = k / 128, r = k % 128;
        const int q = (low[64 * c + r % 64] >> 4 * (r / 64) & 15) | (high[32 * c + r % 32] >> 2 * (r / 32) & 3) << 4;
        block.codes[k] = static_cast<int8_t>(q - 32);
    }
}

void iq4_xs(const uint8_t* p, Block& block) {
    const float d = half_at(p);
    uint16_t high;
    std::memcpy(&high, p + 2, 2);
    for (int j = 0; j < 8; j++) {
        const int scale = ((p[4 + j / 2] >> 4 * (j % 2) & 15) | (high >> 2 * j & 3) << 4) - 32;
        block.scales[j] = d * static_cast<float>(scale);
        for (int k = 0; k < 32; k++)
            block.codes[32 * j + k] = kIq4[p[8 + 16 * j + k % 16] >> 4 * (k / 16) & 15];
    }
}

}  // namespace

TypeInfo type_info(int32_t type) {
    switch (type) {
    case VLMK_F32:
    case VLMK_I32: return {1, 4, 0, false, -1};
    case VLMK_F16:
    case VLMK_BF16: return {1, 2, 0, false, -1};
    case VLMK_Q4_0: return {32, 18, 32, false, 8};
    case VLMK_Q4_1: return {32, 20, 32, true, 0};
    case VLMK_Q5_0: return {32, 22, 32, false, -1};
    case VLMK_Q5_1: return {32, 24, 32, true, -1};
    case VLMK_Q8_0: return {32, 34, 32, false, -1};
    case VLMK_IQ4_NL: return {32, 18, 32, false, -1};
    case VLMK_Q2_K: return {256, 84, 16, true, 0};
    case VLMK_Q3_K: return {256, 110, 16, false, 4};
    case VLMK_Q4_K: return {256, 144, 32, true, 0};
    case VLMK_Q5_K: return {256, 176, 32, true, -1};
    case VLMK_Q6_K: return {256, 210, 16, false, -1};
    case VLMK_IQ4_XS: return {256, 136, 32, false, -1};
    default: return {0, 0, 0, false, -1};
    }
}

void unpack(int32_t type, const uint8_t* p, Block& block) {
    switch (type) {
    case VLMK_Q4_0:
        block.scales[0] = half_at(p);
        nibbles32(p + 2, 8, block.codes);
        break;
    case VLMK_Q4_1:
        block.scales[0] = half_at(p);
        block.minima[0] = -half_at(p + 2);
        nibbles32(p + 4, 0, block.codes);
        break;
    case VLMK_Q5_0:
        block.scales[0] = half_at(p);
        five_bits32(p + 2, p + 6, 16, block.codes);
        break;
    case VLMK_Q5_1:
        block.scales[0] = half_at(p);
        block.minima[0] = -half_at(p + 2);
        five_bits32(p + 4, p + 8, 0, block.codes);
        break;
    case VLMK_Q8_0:
        block.scales[0] = half_at(p);
        std::memcpy(block.codes, p + 2, 32);
        break;
    case VLMK_IQ4_NL:
        block.scales[0] = half_at(p);
        for (int k = 0; k < 32; k++)
            block.codes[k] = kIq4[p[2 + k % 16] >> 4 * (k / 16) & 15];
        break;
    case VLMK_Q2_K: q2_k(p, block); break;
    case VLMK_Q3_K: q3_k(p, block); break;
    case VLMK_Q4_K: q4_k(p, block); break;
    case VLMK_Q5_K: q5_k(p, block); break;
    case VLMK_Q6_K: q6_k(p, block); break;
    case VLMK_IQ4_XS: iq4_xs(p, block); break;
    default: break;
    }
}

void dequantize(int32_t type, const void* data, int64_t count, float* target) {
    const TypeInfo info = type_info(type);
    if (type == VLMK_F32) {
        std::memcpy(target, data, static_cast<size_t>(count) * 4);
    } else if (info.length == 1) {
        const uint8_t* p = static_cast<const uint8_t*>(data);
        for (int64_t i = 0; i < count; i++) {
            uint16_t bits;
            std::memcpy(&bits, p + 2 * i, 2);
            target[i] = type == VLMK_F16 ? half_to_float(bits) : bfloat_to_float(bits);
        }
    } else {
        const uint8_t* p = static_cast<const uint8_t*>(data);
        Block block;
        for (int64_t start = 0; start < count; start += info.length, p += info.bytes) {
            unpack(type, p, block);
            for (int k = 0; k < info.length; k++) {
                const float value = block.scales[k / info.sub] * static_cast<float>(block.codes[k]);
                target[start + k] = info.minimum ? value - block.minima[k / info.sub] : value;
            }
        }
    }
}

}  // namespace vlmk
