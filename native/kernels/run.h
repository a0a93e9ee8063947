// What every kernel is given, and the table of kernels of one instruction set.
#pragma once

#include "pool.h"
#include "vlm_kernels.h"

namespace vlmk {

struct Run {
    Pool& pool;
    const vlmk_cache* cache;
};

// Returns a VLMK_ status; a failure has left its message.
using Kernel = int32_t (*)(Run&, const vlmk_op&);

struct Table {
    Kernel kernels[VLMK_KIND_COUNT];
    float (*read_all)(Pool&, const float*, int64_t);
};

namespace scalar { const Table& table(); }
namespace avx2 { const Table& table(); }
namespace avx512 { const Table& table(); }

// Keeps the calling thread's message and returns the status.
int32_t fail(int32_t status, const char* format, ...) __attribute__((format(printf, 2, 3)));

}  // namespace vlmk
