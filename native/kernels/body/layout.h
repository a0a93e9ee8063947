// Operations that move elements, and rotary positions.
#pragma once

#include "rows.h"

namespace vlmk::VLMK_ISA_NAMESPACE {
namespace {

int32_t copy2d(Run& run, const vlmk_op& op) {
    const int64_t runs = op.dims[0], bytes = op.dims[1], from = op.dims[2], to = op.dims[3];
    const char* source = static_cast<const char*>(op.in[0]);
    char* target = static_cast<char*>(op.out);
    parallel_ranges(run, runs, most(1, 65536 / most(1, bytes)), runs * bytes / 8, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; i++)
            std::memcpy(target + i * to, source + i * from, static_cast<size_t>(bytes));
    });
    return VLMK_OK;
}

int32_t permute(Run& run, const vlmk_op& op) {
    const int64_t *shape = op.dims, *strides = op.dims + VLMK_RANK;
    const int64_t inner = shape[VLMK_RANK - 1], stride = strides[VLMK_RANK - 1];
    int64_t outer = 1;
    for (int i = 0; i + 1 < VLMK_RANK; i++)
        outer *= shape[i];
    parallel_ranges(run, outer, most(1, 8192 / most(1, inner)), outer * inner, [&](int64_t first, int64_t last) {
        for (int64_t o = first; o < last; o++) {
            int64_t index = o, offset = 0;
            for (int axis = VLMK_RANK - 2; axis >= 0; axis--) {
                if (shape[axis] == 1)
                    continue;
                offset += index % shape[axis] * strides[axis];
                index /= shape[axis];
            }
            const int32_t* source = ints(op, 0) + offset;
            int32_t* target = static_cast<int32_t*>(op.out) + o * inner;
            if (stride == 1) {
                std::memcpy(target, source, static_cast<size_t>(inner) * 4);
            } else {
                for (int64_t i = 0; i < inner; i++)
                    target[i] = source[i * stride];
            }
        }
    });
    return VLMK_OK;
}

inline int32_t check_indices(const char* name, const int32_t* indices, int64_t count, int64_t rows) {
    for (int64_t i = 0; i < count; i++)
        if (indices[i] < 0 || indices[i] >= rows)
            return fail(VLMK_BAD_INDEX, "%s: index %d lies outside the table's %lld rows.", name, indices[i], static_cast<long long>(rows));
    return VLMK_OK;
}

int32_t gather(Run&, const vlmk_op& op) {
    const int64_t rows = op.dims[0], elements = op.dims[1], count = op.dims[2], bytes = op.dims[3];
    const int32_t* indices = ints(op, 1);
    if (const int32_t status = check_indices("Gather", indices, count, rows))
        return status;
    const char* table = static_cast<const char*>(op.in[0]);
    for (int64_t i = 0; i < count; i++) {
        if (op.weight)
            expand_row(*op.weight, indices[i], result(op) + i * elements);
        else if (op.mode == VLMK_F32 || op.mode == VLMK_I32)
            std::memcpy(result(op) + i * elements, table + indices[i] * bytes, static_cast<size_t>(bytes));
        else
            dequantize(op.mode, table + indices[i] * bytes, elements, result(op) + i * elements);
    }
    return VLMK_OK;
}

int32_t scatter_rows(Run&, const vlmk_op& op) {
    const int64_t rows = op.dims[0], bytes = op.dims[1], count = op.dims[2];
    const int32_t* indices = ints(op, 1);
    if (const int32_t status = check_indices("ScatterRows", indices, count, rows))
        return status;
    char* target = static_cast<char*>(op.out);
    std::memcpy(target, op.in[0], static_cast<size_t>(rows * bytes));
    for (int64_t i = 0; i < count; i++)
        std::memcpy(target + indices[i] * bytes, static_cast<const char*>(op.in[2]) + i * bytes, static_cast<size_t>(bytes));
    return VLMK_OK;
}

// Cosines and sines of all pairs of a token, one after the other. Computed once for all layers that turn by the same angles.
int32_t rope_table(Run& run, const vlmk_op& op) {
    const int64_t tokens = op.dims[0], pairs = op.dims[1];
    const float *frequencies = floats(op, 1), *factors = floats(op, 2);
    parallel(run, tokens, tokens * pairs * 100, [&](int64_t t) {
        float* y = result(op) + t * 2 * pairs;
        for (int64_t i = 0; i < pairs; i++) {
            const double angle = static_cast<double>(ints(op, 0)[t]) * frequencies[i] / (factors ? factors[i] : 1.0f);
            y[i] = static_cast<float>(std::cos(angle));
            y[pairs + i] = static_cast<float>(std::sin(angle));
        }
    });
    return VLMK_OK;
}

int32_t rope(Run& run, const vlmk_op& op) {
    const int64_t tokens = op.dims[0], heads = op.dims[1], width = op.dims[2], pairs = op.dims[3];
    const bool interleaved = op.mode == 1;
    parallel(run, tokens, tokens * heads * width, [&](int64_t t) {
        const float *cosines = floats(op, 1) + t * 2 * pairs, *sines = cosines + pairs;
        for (int64_t n = 0; n < heads; n++) {
            const float* x = floats(op, 0) + (t * heads + n) * width;
            float* y = result(op) + (t * heads + n) * width;
            std::memcpy(y + 2 * pairs, x + 2 * pairs, static_cast<size_t>(width - 2 * pairs) * 4);
            if (interleaved) {
                for (int64_t i = 0; i < pairs; i++) {
                    const float a = x[2 * i], b = x[2 * i + 1];
                    y[2 * i] = a * cosines[i] - b * sines[i];
                    y[2 * i + 1] = b * cosines[i] + a * sines[i];
                }
                continue;
            }
            each_lanes(pairs, [&](int64_t i, int some) {
                const Vec a = load_lanes(x + i, some), b = load_lanes(x + pairs + i, some);
                const Vec c = load_lanes(cosines + i, some), s = load_lanes(sines + i, some);
                store_lanes(y + i, sub(mul(a, c), mul(b, s)), some);
                store_lanes(y + pairs + i, add(mul(b, c), mul(a, s)), some);
            });
        }
    });
    return VLMK_OK;
}

}  // namespace
}  // namespace vlmk::VLMK_ISA_NAMESPACE
