// Helpers of the kernel bodies. The files of this folder are compiled once per instruction set, inside its namespace and
// with internal linkage, on that set's Vec; so all sets run the same operations in the same order.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "quant.h"
#include "run.h"
#include "weight.h"

namespace vlmk::VLMK_ISA_NAMESPACE {
namespace {

constexpr int64_t kLanes = 16;

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t ceiling(int64_t a, int64_t b) { return (a + b - 1) / b; }

inline const float* floats(const vlmk_op& op, int i) { return static_cast<const float*>(op.in[i]); }
inline const int32_t* ints(const vlmk_op& op, int i) { return static_cast<const int32_t*>(op.in[i]); }
inline float* result(const vlmk_op& op) { return static_cast<float*>(op.out); }

// Calls f(i) for every task. "work" is the whole job in multiplications or so; a job of less than some 10 us is not worth waking a thread.
template <class F>
void parallel(Run& run, int64_t tasks, int64_t work, const F& f) {
    if (work < 400000) {
        for (int64_t i = 0; i < tasks; i++)
            f(i);
        return;
    }
    run.pool.run(tasks, [](void* p, int64_t i) { (*static_cast<const F*>(p))(i); }, const_cast<F*>(&f));
}

// Calls f(from, to) over pieces of 0..count.
template <class F>
void parallel_ranges(Run& run, int64_t count, int64_t piece, int64_t work, const F& f) {
    parallel(run, ceiling(count, piece), work, [&](int64_t i) { f(i * piece, least(count, (i + 1) * piece)); });
}

}  // namespace
}  // namespace vlmk::VLMK_ISA_NAMESPACE
