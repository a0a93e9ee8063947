#include "vec.h"

#define VLMK_ISA_NAMESPACE scalar
#include "body/all.h"
