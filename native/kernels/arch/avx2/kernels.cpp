#include "vec.h"

#define VLMK_ISA_NAMESPACE avx2
#include "body/all.h"
