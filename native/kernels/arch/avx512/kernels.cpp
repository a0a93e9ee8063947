#include "vec.h"

#define VLMK_ISA_NAMESPACE avx512
#include "body/all.h"
