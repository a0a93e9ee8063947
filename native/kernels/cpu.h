// Which instruction sets and cores this machine offers.
#pragma once

#include "vlm_kernels.h"

namespace vlmk {

bool isa_available(int32_t isa);
int32_t best_isa();
const char* isa_name(int32_t isa);
int32_t default_threads();

}  // namespace vlmk
