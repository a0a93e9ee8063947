// The C interface: checks arguments, keeps the thread's message and turns exceptions into statuses.
#include "vlm_kernels.h"

#include <cstdarg>
#include <cstdio>
#include <limits>
#include <new>
#include <system_error>

#include "cpu.h"
#include "quant.h"
#include "run.h"
#include "weight.h"

struct vlmk_context {
    vlmk::Pool pool;
    int32_t isa;
    const vlmk::Table* table;
};

namespace vlmk {

namespace {

thread_local char message[512] = "";

const Table& table_of(int32_t isa) {
#if defined(__x86_64__)
    if (isa == VLMK_ISA_AVX512)
        return avx512::table();
    if (isa == VLMK_ISA_AVX2)
        return avx2::table();
#endif
    (void)isa;
    return scalar::table();
}

template <class F>
int32_t guarded(const F& f) {
    try {
        return f();
    } catch (const std::bad_alloc&) {
        return fail(VLMK_NO_MEMORY, "Out of memory.");
    } catch (const std::system_error& e) {
        return fail(VLMK_NO_MEMORY, "The system refused a thread: %s. Ask for fewer threads.", e.what());
    } catch (...) {
        return fail(VLMK_BAD_ARGUMENT, "Unknown failure.");
    }
}

// Whether "bytes" is what count elements of a type need, in whole blocks, without overflow.
bool fits(const TypeInfo& info, int64_t bytes, int64_t count) {
    return count >= 0 && count % info.length == 0 && count / info.length <= std::numeric_limits<int64_t>::max() / info.bytes &&
           count / info.length * info.bytes == bytes;
}

}  // namespace

int32_t fail(int32_t status, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    return status;
}

}  // namespace vlmk

using namespace vlmk;

extern "C" {

int32_t vlmk_abi(void) { return VLMK_ABI; }

int64_t vlmk_op_bytes(void) { return sizeof(vlmk_op); }

const char* vlmk_last_error(void) { return message; }

int32_t vlmk_isa_available(int32_t isa) { return isa_available(isa) ? 1 : 0; }

int32_t vlmk_default_threads(void) { return default_threads(); }

int32_t vlmk_context_create(int32_t threads, int32_t isa, vlmk_context** context) {
    if (!context)
        return fail(VLMK_BAD_ARGUMENT, "No place for the context was given.");
    *context = nullptr;
    if (threads < 1 || threads > 256)
        return fail(VLMK_BAD_ARGUMENT, "%d threads were asked for; 1 to 256 are possible.", threads);
    if (!isa_available(isa))
        return fail(VLMK_UNSUPPORTED, "This processor lacks the instruction set %s (%d).", isa_name(isa), isa);
    const int32_t chosen = isa == VLMK_ISA_BEST ? best_isa() : isa;
    return guarded([&] {
        *context = new vlmk_context{Pool(threads), chosen, &table_of(chosen)};
        return VLMK_OK;
    });
}

void vlmk_context_destroy(vlmk_context* context) { delete context; }

int32_t vlmk_context_isa(const vlmk_context* context) { return context->isa; }

int32_t vlmk_weight_create(int32_t type, const void* data, int64_t bytes, int64_t rows, int64_t columns, vlmk_weight** weight) {
    if (!weight)
        return fail(VLMK_BAD_ARGUMENT, "No place for the weight was given.");
    *weight = nullptr;
    const TypeInfo info = type_info(type);
    if (info.length == 0 || type == VLMK_I32)
        return fail(VLMK_UNSUPPORTED, "Storage type %d has no kernel.", type);
    constexpr int64_t kMost = int64_t{1} << 40;
    if (rows < 0 || columns < 0 || (columns > 0 && rows > kMost / columns) || columns % info.length != 0 || !fits(info, bytes, rows * columns))
        return fail(VLMK_BAD_ARGUMENT, "%lld bytes do not hold a weight of %lld x %lld elements of type %d.", static_cast<long long>(bytes),
                    static_cast<long long>(rows), static_cast<long long>(columns), type);
    return guarded([&] {
        *weight = pack_weight(type, data, rows, columns).release();
        return VLMK_OK;
    });
}

void vlmk_weight_destroy(vlmk_weight* weight) { delete weight; }

int64_t vlmk_weight_bytes(const vlmk_weight* weight) { return weight->bytes; }

int32_t vlmk_dequantize(int32_t type, const void* data, int64_t bytes, int64_t count, float* target) {
    const TypeInfo info = type_info(type);
    if (info.length == 0 || type == VLMK_I32)
        return fail(VLMK_UNSUPPORTED, "Storage type %d cannot be expanded.", type);
    if (!fits(info, bytes, count))
        return fail(VLMK_BAD_ARGUMENT, "%lld bytes do not hold %lld elements of type %d.", static_cast<long long>(bytes), static_cast<long long>(count), type);
    dequantize(type, data, count, target);
    return VLMK_OK;
}

int32_t vlmk_run(vlmk_context* context, const vlmk_op* ops, int64_t count, const vlmk_cache* cache, int64_t* failed) {
    Run run{context->pool, cache};
    for (int64_t i = 0; i < count; i++) {
        const vlmk_op& op = ops[i];
        const int32_t status = op.kind < 0 || op.kind >= VLMK_KIND_COUNT ? fail(VLMK_UNSUPPORTED, "Unknown operation %d.", op.kind)
                                                                         : guarded([&] { return context->table->kernels[op.kind](run, op); });
        if (status != VLMK_OK) {
            if (failed)
                *failed = i;
            return status;
        }
    }
    return VLMK_OK;
}

int32_t vlmk_read_all(vlmk_context* context, const float* data, int64_t count, float* sum) {
    return guarded([&] {
        *sum = context->table->read_all(context->pool, data, count);
        return VLMK_OK;
    });
}

}  // extern "C"
