// Sixteen floats as plain loops. This is the twin that the wide instruction sets must equal bit for bit.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "quant.h"

namespace vlmk::scalar {

constexpr int kTileRows = 2;  // rows of a matrix-product tile; more would not stay in registers

constexpr int kRowPanels = 1;  // panels a product with one row takes at once

struct Vec {
    float v[16];
};

#define VLMK_LANES for (int i = 0; i < 16; i++)

inline Vec load(const float* p) { Vec r; std::memcpy(r.v, p, 64); return r; }
inline void store(float* p, Vec a) { std::memcpy(p, a.v, 64); }
inline Vec load_some(const float* p, int n) { Vec r{}; for (int i = 0; i < n; i++) r.v[i] = p[i]; return r; }
inline void store_some(float* p, Vec a, int n) { for (int i = 0; i < n; i++) p[i] = a.v[i]; }
inline Vec set(float x) { Vec r; VLMK_LANES r.v[i] = x; return r; }
inline Vec add(Vec a, Vec b) { VLMK_LANES a.v[i] += b.v[i]; return a; }
inline Vec sub(Vec a, Vec b) { VLMK_LANES a.v[i] -= b.v[i]; return a; }
inline Vec mul(Vec a, Vec b) { VLMK_LANES a.v[i] *= b.v[i]; return a; }
inline Vec div(Vec a, Vec b) { VLMK_LANES a.v[i] /= b.v[i]; return a; }
inline Vec fma(Vec a, Vec b, Vec c) { VLMK_LANES c.v[i] = std::fma(a.v[i], b.v[i], c.v[i]); return c; }
inline Vec root(Vec a) { VLMK_LANES a.v[i] = std::sqrt(a.v[i]); return a; }

// As the x86 instructions: the second operand when either is not a number or both are zero.
inline Vec larger(Vec a, Vec b) { VLMK_LANES a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i]; return a; }
inline Vec smaller(Vec a, Vec b) { VLMK_LANES a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i]; return a; }

// a < b ? yes : no, and a is not a number ? yes : no.
inline Vec if_less(Vec a, Vec b, Vec yes, Vec no) { VLMK_LANES no.v[i] = a.v[i] < b.v[i] ? yes.v[i] : no.v[i]; return no; }
inline Vec if_nan(Vec a, Vec yes, Vec no) { VLMK_LANES no.v[i] = a.v[i] != a.v[i] ? yes.v[i] : no.v[i]; return no; }

inline Vec magnitude(Vec a) { VLMK_LANES a.v[i] = std::fabs(a.v[i]); return a; }
inline Vec with_sign(Vec a, Vec sign) { VLMK_LANES a.v[i] = std::copysign(a.v[i], sign.v[i]); return a; }

// p * 2^n, where n is the integer that "shifted" holds in its low bits after adding 1.5 * 2^23. In two steps, so that
// the results may be subnormal or infinite.
inline Vec scale_by_power(Vec p, Vec shifted) {
    VLMK_LANES {
        int32_t n;
        std::memcpy(&n, &shifted.v[i], 4);
        n -= 0x4b400000;
        const int32_t half = n >> 1;
        const int32_t first = static_cast<int32_t>(static_cast<uint32_t>(half + 127) << 23);
        const int32_t second = static_cast<int32_t>(static_cast<uint32_t>(n - half + 127) << 23);
        float a, b;
        std::memcpy(&a, &first, 4);
        std::memcpy(&b, &second, 4);
        p.v[i] = p.v[i] * a * b;
    }
    return p;
}

inline float sum(Vec a) {
    for (int step = 8; step > 0; step /= 2)
        for (int i = 0; i < step; i++)
            a.v[i] += a.v[i + step];
    return a.v[0];
}

inline float largest(Vec a) {
    float r = a.v[0];
    for (int i = 1; i < 16; i++)
        r = r > a.v[i] ? r : a.v[i];
    return r;
}

inline Vec load_bytes(const int8_t* p) { Vec r; VLMK_LANES r.v[i] = p[i]; return r; }
inline void load_nibbles(const uint8_t* p, int offset, Vec& low, Vec& high) {
    VLMK_LANES {
        low.v[i] = static_cast<float>((p[i] & 15) - offset);
        high.v[i] = static_cast<float>((p[i] >> 4) - offset);
    }
}
inline Vec load_halves(const uint16_t* p) { Vec r; VLMK_LANES r.v[i] = half_to_float(p[i]); return r; }
inline Vec load_bfloats(const uint16_t* p) { Vec r; VLMK_LANES r.v[i] = bfloat_to_float(p[i]); return r; }

#undef VLMK_LANES

}  // namespace vlmk::scalar
