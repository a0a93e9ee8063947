// MATMUL and CONV2D: products whose second factor is not a weight known beforehand; its panels are packed into scratch.
#pragma once

#include "tile.h"

namespace vlmk::VLMK_ISA_NAMESPACE {
namespace {

int32_t matmul(Run& run, const vlmk_op& op) {
    const int64_t m = op.dims[0], k = op.dims[1], n = op.dims[2];
    const int64_t *shape = op.dims + 3, *stride_a = shape + VLMK_RANK, *stride_b = stride_a + VLMK_RANK;
    int64_t batch = 1;
    for (int i = 0; i < VLMK_RANK; i++)
        batch *= shape[i];
    constexpr int64_t kBlock = 96;
    const int64_t panels = ceiling(n, kPanel), blocks = ceiling(m, kBlock);
    parallel(run, batch * panels * blocks, batch * m * n * most(1, k), [&](int64_t task) {
        const int64_t row = task % blocks * kBlock, rows = least(kBlock, m - row);
        const int64_t column = task / blocks % panels * kPanel, columns = least(kPanel, n - column);
        int64_t index = task / blocks / panels, at_a = 0, at_b = 0;
        float* y = result(op) + index * m * n + row * n + column;
        for (int i = VLMK_RANK - 1; i >= 0; i--) {
            at_a += index % shape[i] * stride_a[i];
            at_b += index % shape[i] * stride_b[i];
            index /= shape[i];
        }
        const float* a = floats(op, 0) + at_a * m * k + row * k;
        const float* b = floats(op, 1) + at_b * k * n + column;
        // A few rows do not repay the packing; the panel's edge always needs it, because tiles read 32 columns.
        const bool pack = columns < kPanel || rows >= 8;
        int64_t start = 0;
        do {
            const int64_t depth = least(k - start, kDepth);
            const float* panel = b + start * n;
            if (pack) {
                float* strip = scratch(0, kDepth * kPanel);
                for (int64_t j = 0; j < depth; j++)
                    for (int half = 0; half < 2; half++) {
                        const int some = static_cast<int>(most(0, least(kLanes, columns - half * kLanes)));
                        store(strip + j * kPanel + half * kLanes, load_some(b + (start + j) * n + half * kLanes, some));
                    }
                panel = strip;
            }
            tiles(rows, a + start, k, 1, panel, pack ? kPanel : n, depth, y, n, columns, Finish{start == 0, nullptr, nullptr});
            start += kDepth;
        } while (start < k);
    });
    return VLMK_OK;
}

struct Conv {
    int64_t batch, channels, height, width, outputs, kh, kw, oh, ow, stride, padding, groups;
};

// Pixels of one output row that lie side by side in a panel.
struct PixelRun {
    int64_t target, oy, ox, length;
};

// One row of the unfolded picture: input channel plane shifted by (ky, kx), for the pixels of one run.
inline void unfold(const Conv& c, const float* plane, int64_t ky, int64_t kx, const PixelRun& run, float* target) {
    const int64_t iy = run.oy * c.stride - c.padding + ky, ix = run.ox * c.stride - c.padding + kx;
    int64_t j = 0;
    if (iy < 0 || iy >= c.height) {
        for (; j < run.length; j++)
            target[j] = 0;
        return;
    }
    const float* source = plane + iy * c.width;
    for (; j < run.length && ix + j * c.stride < 0; j++)
        target[j] = 0;
    const int64_t inside = ix >= c.width ? 0 : least(run.length, (c.width - 1 - ix) / c.stride + 1);
    if (c.stride == 1) {
        for (; j + kLanes <= inside; j += kLanes)
            store(target + j, load(source + ix + j));
        if (j < inside) {
            const int n = static_cast<int>(inside - j);
            store_some(target + j, load_some(source + ix + j, n), n);
            j = inside;
        }
    } else {
        for (; j < inside; j++)
            target[j] = source[ix + j * c.stride];
    }
    for (; j < run.length; j++)
        target[j] = 0;
}

int32_t conv2d(Run& run, const vlmk_op& op) {
    Conv c;
    std::memcpy(&c, op.dims, sizeof(c));
    constexpr int64_t kStrip = 2 * kPanel;
    const int64_t pixels = c.oh * c.ow, strips = ceiling(pixels, kStrip);
    const int64_t channels = c.channels / c.groups, outputs = c.outputs / c.groups, area = c.kh * c.kw, depth = channels * area;
    const float *x = floats(op, 0), *weight = floats(op, 1), *bias = floats(op, 2);
    parallel(run, c.batch * c.groups * strips, c.batch * c.outputs * pixels * most(1, depth), [&](int64_t task) {
        const int64_t first = task % strips * kStrip, group = task / strips % c.groups, b = task / strips / c.groups;
        const int64_t count = least(kStrip, pixels - first), panels = ceiling(count, kPanel);
        PixelRun runs[kStrip];
        int length = 0;
        for (int64_t p = 0; p < count;) {
            const int64_t oy = (first + p) / c.ow, ox = (first + p) % c.ow;
            const int64_t n = least(least(c.ow - ox, count - p), kPanel - p % kPanel);
            runs[length++] = {p / kPanel * kDepth * kPanel + p % kPanel, oy, ox, n};
            p += n;
        }
        float* strip = scratch(0, kStrip * kDepth);
        const int64_t edge = count % kPanel;
        if (edge != 0)
            for (int64_t k = 0; k < kDepth; k++)
                for (int64_t j = edge; j < kPanel; j++)
                    strip[((panels - 1) * kDepth + k) * kPanel + j] = 0;
        const float* source = x + (b * c.channels + group * channels) * c.height * c.width;
        const float* rows = weight + group * outputs * depth;
        float* target = result(op) + (b * c.outputs + group * outputs) * pixels + first;
        int64_t start = 0;
        do {
            const int64_t end = least(depth, start + kDepth);
            for (int64_t k = start; k < end; k++) {
                const float* plane = source + k / area * c.height * c.width;
                for (int i = 0; i < length; i++)
                    unfold(c, plane, k % area / c.kw, k % c.kw, runs[i], strip + runs[i].target + (k - start) * kPanel);
            }
            for (int64_t o = 0; o < outputs; o += kTileRows) {
                Finish finish{start == 0, nullptr, end == depth && bias ? bias + group * outputs + o : nullptr};
                for (int64_t p = 0; p < panels; p++)
                    tiles(least(kTileRows, outputs - o), rows + o * depth + start, depth, 1, strip + p * kDepth * kPanel, kPanel, end - start,
                          target + o * pixels + p * kPanel, pixels, least(kPanel, count - p * kPanel), finish);
            }
            start = end;
        } while (start < depth);
    });
    return VLMK_OK;
}

int32_t average_pool(Run& run, const vlmk_op& op) {
    const int64_t planes = op.dims[0], height = op.dims[1], width = op.dims[2], oh = op.dims[3], ow = op.dims[4], size = op.dims[5], stride = op.dims[6];
    parallel(run, planes, planes * oh * ow * size * size, [&](int64_t plane) {
        const float* x = floats(op, 0) + plane * height * width;
        float* y = result(op) + plane * oh * ow;
        for (int64_t oy = 0; oy < oh; oy++)
            for (int64_t ox = 0; ox < ow; ox++) {
                double total = 0;
                for (int64_t ky = 0; ky < size; ky++)
                    for (int64_t kx = 0; kx < size; kx++)
                        total += x[(oy * stride + ky) * width + ox * stride + kx];
                y[oy * ow + ox] = static_cast<float>(total / static_cast<double>(size * size));
            }
    });
    return VLMK_OK;
}

}  // namespace
}  // namespace vlmk::VLMK_ISA_NAMESPACE
