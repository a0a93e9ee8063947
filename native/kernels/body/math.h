// Elementary functions on sixteen lanes, to about one unit in the last place. The polynomials are Chebyshev fits made
// for this file; their own errors are below 5e-9.
#pragma once

#include "common.h"

namespace vlmk::VLMK_ISA_NAMESPACE {
namespace {

template <int N>
inline Vec polynomial(Vec x, const float (&c)[N]) {
    Vec r = set(c[N - 1]);
#pragma GCC unroll 16
    for (int i = N - 2; i >= 0; i--)
        r = fma(r, x, set(c[i]));
    return r;
}

// e^x as 2^n e^r with |r| <= ln(2) / 2. NaN stays NaN because the clamps return their second operand for it.
inline Vec exponential(Vec x) {
    static const float c[] = {1.0f, 1.000000040e+00f, 5.000000050e-01f, 1.666640530e-01f, 4.166634014e-02f, 8.375968226e-03f, 1.394215983e-03f};
    x = smaller(set(89.0f), larger(set(-104.0f), x));
    const Vec shift = set(12582912.0f);
    const Vec shifted = fma(x, set(1.44269504f), shift), n = sub(shifted, shift);
    Vec r = fma(n, set(-0.693359375f), x);   // ln 2 in two parts, the first with few bits so that n times it is exact
    r = fma(n, set(2.12194440e-4f), r);
    return scale_by_power(polynomial(r, c), shifted);
}

// From e^-|x|, which cannot overflow, so that far negative x still give their tiny values.
inline Vec sigmoid(Vec x) {
    const Vec e = exponential(sub(set(0.0f), magnitude(x)));
    const Vec positive = div(set(1.0f), add(set(1.0f), e));
    return if_less(x, set(0.0f), mul(e, positive), positive);
}

inline Vec tangent(Vec x) {
    static const float c[] = {9.999999955e-01f, -3.333325145e-01f, 1.333091717e-01f, -5.370427744e-02f, 2.053697201e-02f, -5.599785051e-03f};
    const Vec a = magnitude(x), square = mul(x, x);
    const Vec small = mul(x, polynomial(square, c));
    const Vec large = sub(set(1.0f), div(set(2.0f), add(exponential(add(a, a)), set(1.0f))));
    return if_less(square, set(0.4f), small, with_sign(large, x));
}

// erf on |x| <= 1.
inline Vec erf_small(Vec x) {
    static const float c[] = {1.128379167e+00f, -3.761263847e-01f, 1.128378250e-01f, -2.686543073e-02f,
                              5.221031809e-03f, -8.484080445e-04f, 1.126595940e-04f, -9.667045788e-06f};
    return mul(x, polynomial(mul(x, x), c));
}

// 1 - erf(a) for a >= 1: e^(-a^2) times a polynomial in (a - 2.5) / (a + 2.5), over (a + 2.5).
inline Vec erf_complement(Vec a) {
    static const float c[] = {1.054031820e+00f, -8.046518554e-01f, 4.539141044e-01f, -1.712507698e-01f, 2.836175470e-02f,
                              8.386412227e-03f, -4.817453987e-03f, -3.942792619e-04f, 6.712448713e-04f, -4.903146596e-05f};
    a = smaller(set(10.5f), a);
    const Vec high = mul(a, a), low = fma(a, a, sub(set(0.0f), high));
    const Vec decay = mul(exponential(sub(set(0.0f), high)), sub(set(1.0f), low));
    const Vec right = add(a, set(2.5f));
    return mul(decay, div(polynomial(div(sub(a, set(2.5f)), right), c), right));
}

inline Vec error_function(Vec x) {
    const Vec a = magnitude(x);
    const Vec large = with_sign(sub(set(1.0f), erf_complement(a)), x);
    return if_nan(x, x, if_less(a, set(1.0f), erf_small(x), large));
}

// 1 + erf(x) without cancellation for negative x.
inline Vec one_plus_erf(Vec x) {
    const Vec a = magnitude(x), tail = erf_complement(a);
    const Vec outer = if_less(x, set(0.0f), tail, sub(set(2.0f), tail));
    return if_nan(x, x, if_less(a, set(1.0f), add(set(1.0f), erf_small(x)), outer));
}

inline Vec silu(Vec x) { return mul(x, sigmoid(x)); }

inline Vec gelu(Vec x) { return mul(mul(set(0.5f), x), one_plus_erf(mul(x, set(0.70710678f)))); }

// x / 2 (1 + tanh u) is x sigmoid(2u), which does not cancel.
inline Vec gelu_tanh(Vec x) {
    const Vec inner = fma(mul(mul(x, x), x), set(0.044715f), x);
    return mul(x, sigmoid(mul(inner, set(1.59576912f))));
}

inline Vec quick_gelu(Vec x) { return mul(x, sigmoid(mul(x, set(1.702f)))); }

}  // namespace
}  // namespace vlmk::VLMK_ISA_NAMESPACE
