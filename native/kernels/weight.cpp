#include "weight.h"

#include <cstring>
#include <new>

#include "quant.h"

namespace vlmk {

namespace {

Bytes allocate(int64_t bytes) {
    const size_t rounded = (static_cast<size_t>(bytes) + 64 + 63) / 64 * 64;
    uint8_t* p = static_cast<uint8_t*>(std::aligned_alloc(64, rounded));
    if (!p)
        throw std::bad_alloc();
    std::memset(p, 0, rounded);
    return Bytes(p);
}

template <class T>
void pack_plain(const T* source, vlmk_weight& w) {
    T* target = reinterpret_cast<T*>(w.data.get());
    for (int64_t row = 0; row < w.rows; row++) {
        T* column = target + row / kPanel * w.columns * kPanel + row % kPanel;
        for (int64_t k = 0; k < w.columns; k++)
            column[k * kPanel] = source[row * w.columns + k];
    }
}

void pack_codes(int32_t type, const uint8_t* source, const TypeInfo& info, vlmk_weight& w) {
    const int64_t blocks = w.columns / info.length, groups = w.columns / info.sub;
    float* scales = reinterpret_cast<float*>(w.scales.get());
    float* minima = reinterpret_cast<float*>(w.minima.get());
    Block block;
    for (int64_t row = 0; row < w.rows; row++) {
        const int64_t panel = row / kPanel, lane = row % kPanel;
        for (int64_t b = 0; b < blocks; b++) {
            unpack(type, source + (row * blocks + b) * info.bytes, block);
            for (int j = 0; j < info.length / info.sub; j++) {
                const int64_t at = (panel * groups + b * (info.length / info.sub) + j) * kPanel + lane;
                scales[at] = block.scales[j];
                if (info.minimum)
                    minima[at] = block.minima[j];
            }
            for (int k = 0; k < info.length; k++) {
                const int64_t column = panel * w.columns + b * info.length + k;
                if (w.packing == Packing::Code8)
                    w.data[column * kPanel + lane] = static_cast<uint8_t>(block.codes[k]);
                else
                    w.data[column * 16 + lane % 16] |= static_cast<uint8_t>((block.codes[k] + w.offset) << (lane / 16 * 4));
            }
        }
    }
}

}  // namespace

std::unique_ptr<vlmk_weight> pack_weight(int32_t type, const void* data, int64_t rows, int64_t columns) {
    const TypeInfo info = type_info(type);
    auto w = std::make_unique<vlmk_weight>();
    w->rows = rows;
    w->columns = columns;
    w->panels = (rows + kPanel - 1) / kPanel;
    const int64_t elements = w->panels * kPanel * columns;
    if (info.length == 1) {
        w->packing = type == VLMK_F32 ? Packing::F32 : type == VLMK_F16 ? Packing::F16 : Packing::BF16;
        w->bytes = elements * info.bytes;
        w->data = allocate(w->bytes);
        if (type == VLMK_F32)
            pack_plain(static_cast<const uint32_t*>(data), *w);
        else
            pack_plain(static_cast<const uint16_t*>(data), *w);
        return w;
    }
    w->packing = info.nibble >= 0 ? Packing::Code4 : Packing::Code8;
    w->sub = info.sub;
    w->minimum = info.minimum;
    w->offset = info.nibble >= 0 ? info.nibble : 0;
    const int64_t codes = w->packing == Packing::Code4 ? elements / 2 : elements, groups = elements / info.sub * 4;
    w->bytes = codes + groups * (info.minimum ? 2 : 1);
    w->data = allocate(codes);
    w->scales = allocate(groups);
    if (info.minimum)
        w->minima = allocate(groups);
    pack_codes(type, static_cast<const uint8_t*>(data), info, *w);
    return w;
}

void expand_row(const vlmk_weight& w, int64_t row, float* target) {
    const int64_t first = row / kPanel * w.columns, lane = row % kPanel;
    const float *floats = reinterpret_cast<const float*>(w.data.get()), *scales = reinterpret_cast<const float*>(w.scales.get());
    const uint16_t* halves = reinterpret_cast<const uint16_t*>(w.data.get());
    const float* minima = reinterpret_cast<const float*>(w.minima.get());
    for (int64_t column = first; column < first + w.columns; column++, target++) {
        const int64_t at = column * kPanel + lane;
        int code = 0;
        switch (w.packing) {
        case Packing::F32: *target = floats[at]; continue;
        case Packing::F16: *target = half_to_float(halves[at]); continue;
        case Packing::BF16: *target = bfloat_to_float(halves[at]); continue;
        case Packing::Code8: code = static_cast<int8_t>(w.data[at]); break;
        case Packing::Code4: code = (w.data[column * 16 + lane % 16] >> (lane / 16 * 4) & 15) - w.offset; break;
        }
        const int64_t group = column / w.sub * kPanel + lane;
        const float value = scales[group] * static_cast<float>(code);
        *target = w.minimum ? value - minima[group] : value;
    }
}

}  // namespace vlmk
