#include "cpu.h"

#include <cstdio>
#include <set>
#include <thread>
#include <utility>

#if defined(__linux__)
#include <sched.h>
#endif

namespace vlmk {

bool isa_available(int32_t isa) {
    switch (isa) {
    case VLMK_ISA_BEST:
    case VLMK_ISA_SCALAR:
        return true;
#if defined(__x86_64__)
    // The builtins also ask the operating system (XGETBV) whether it saves the wide registers.
    case VLMK_ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case VLMK_ISA_AVX512:
        return isa_available(VLMK_ISA_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
    default:
        return false;
    }
}

int32_t best_isa() {
    for (int32_t isa : {VLMK_ISA_AVX512, VLMK_ISA_AVX2})
        if (isa_available(isa))
            return isa;
    return VLMK_ISA_SCALAR;
}

const char* isa_name(int32_t isa) {
    switch (isa) {
    case VLMK_ISA_BEST: return "best";
    case VLMK_ISA_SCALAR: return "scalar";
    case VLMK_ISA_AVX2: return "avx2";
    case VLMK_ISA_AVX512: return "avx512";
    default: return "unknown";
    }
}

int32_t default_threads() {
#if defined(__linux__)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) {
        std::set<std::pair<int, int>> cores;
        int logical = 0;
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            if (!CPU_ISSET(cpu, &allowed))
                continue;
            logical++;
            std::pair<int, int> place{0, -1 - cpu};
            for (bool package : {true, false}) {
                char path[96];
                std::snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, package ? "physical_package_id" : "core_id");
                if (std::FILE* file = std::fopen(path, "r")) {
                    int value;
                    if (std::fscanf(file, "%d", &value) == 1)
                        (package ? place.first : place.second) = value;
                    std::fclose(file);
                }
            }
            cores.insert(place);
        }
        if (logical > 0)
            return static_cast<int32_t>(cores.size());
    }
#endif
    const unsigned hardware = std::thread::hardware_concurrency();
    return hardware == 0 ? 1 : static_cast<int32_t>(hardware);
}

}  // namespace vlmk
