/*
 * CPU kernels of a vision-language runtime, as a C interface.
 *
 * A caller creates one context (a thread pool and an instruction set), prepares weights, describes its operations as an
 * array of vlmk_op with all addresses filled in, and runs ranges of that array. Functions return a VLMK_ status; after a
 * failure vlmk_last_error() gives the calling thread's message. Nothing here throws.
 *
 * Numbers: every kernel gives the same bits on every instruction set and with every thread count. Work is split by
 * output elements only, lanes are always 16 wide in the same order, and fused multiply-add is explicit.
 *
 * Threading: a context may be used from several threads at once; when its pool is busy a call runs on its own thread.
 * Prepared weights are immutable. Tensors are dense, row-major, 4-byte elements (float or int32).
 */
#ifndef VLM_KERNELS_H
#define VLM_KERNELS_H

#include <stdint.h>

#if defined(_WIN32)
#define VLMK_API __declspec(dllexport)
#else
#define VLMK_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with every change of this header that an older caller would misread. */
#define VLMK_ABI 2

enum vlmk_status {
    VLMK_OK = 0,
    VLMK_BAD_ARGUMENT = 1,
    VLMK_BAD_INDEX = 2,     /* a gather or scatter index lies outside its table */
    VLMK_NO_MEMORY = 3,
    VLMK_UNSUPPORTED = 4    /* an instruction set this processor lacks, or an unknown type or operation */
};

enum vlmk_isa { VLMK_ISA_BEST = 0, VLMK_ISA_SCALAR = 1, VLMK_ISA_AVX2 = 2, VLMK_ISA_AVX512 = 3 };

/* Storage types, by their GGUF numbers. */
enum vlmk_type {
    VLMK_F32 = 0, VLMK_F16 = 1, VLMK_Q4_0 = 2, VLMK_Q4_1 = 3, VLMK_Q5_0 = 6, VLMK_Q5_1 = 7, VLMK_Q8_0 = 8,
    VLMK_Q2_K = 10, VLMK_Q3_K = 11, VLMK_Q4_K = 12, VLMK_Q5_K = 13, VLMK_Q6_K = 14, VLMK_IQ4_NL = 20, VLMK_IQ4_XS = 23,
    VLMK_I32 = 26, VLMK_BF16 = 30
};

/* Operations. "dims" lists vlmk_op.dims in order; [r] stands for VLMK_RANK numbers, unused ones 1 (shapes) or 0 (strides). */
enum vlmk_kind {
    VLMK_COPY2D,        /* runs of bytes; dims: runs, bytes, source step, target step */
    VLMK_PERMUTE,       /* dims: shape[r], source strides[r] */
    VLMK_GATHER,        /* in: table, indices; mode: table type; dims: table rows, row elements, indices, row bytes */
    VLMK_SCATTER_ROWS,  /* in: base, indices, rows; dims: base rows, row bytes, indices */
    VLMK_LINEAR,        /* in: x, bias or null; weight; dims: x rows */
    VLMK_MATMUL,        /* dims: m, k, n, batch shape[r], a strides[r], b strides[r], the strides in matrices */
    VLMK_CONV2D,        /* in: x, weight, bias or null; dims: batch, C, H, W, O, KH, KW, OH, OW, stride, padding, groups */
    VLMK_AVERAGE_POOL,  /* dims: planes, H, W, OH, OW, size, stride */
    VLMK_UNARY,         /* mode: vlmk_unary; dims: elements */
    VLMK_BINARY,        /* mode: add, subtract, multiply, divide, maximum, minimum; dims: shape[r], strides a[r], b[r] */
    VLMK_COMPARE,       /* mode: equal, less, less or equal, plus 16 for int32; dims as BINARY */
    VLMK_SELECT,        /* in: condition, a, b; dims: shape[r], strides condition[r], a[r], b[r] */
    VLMK_REDUCE,        /* mode: sum, mean, maximum; dims: outer, axis, inner */
    VLMK_SOFTMAX,       /* dims: rows, width */
    VLMK_LOG_SOFTMAX,   /* dims: rows, width */
    VLMK_ARGMAX,        /* dims: rows, width */
    VLMK_CAST,          /* mode: 0 int32 to float, 1 float to int32; dims: elements */
    VLMK_LAYER_NORM,    /* in: x, weight, bias; scalars: epsilon; dims: rows, width */
    VLMK_RMS_NORM,      /* in: x, weight; scalars: epsilon, offset; dims: rows, width */
    VLMK_ROPE_TABLE,    /* in: positions, frequencies, factors or null; dims: tokens, pairs; out: per token cosines, sines */
    VLMK_ROPE,          /* in: x, table; mode: 0 half split, 1 interleaved; dims: tokens, heads, head width, pairs */
    VLMK_ATTENTION,     /* in: q, k, v, mask input (for full and causal: keys hidden at each sequence's beginning, or null);
                           mode: full, causal, packed prefix, bias; slot; scalars: scale, soft cap or 0; dims: batch, T, N, H, S, K, bias strides (batch, head, query, key), causal window or 0 */
    VLMK_KIND_COUNT
};

enum vlmk_unary {
    VLMK_NEGATE, VLMK_ABS, VLMK_EXP, VLMK_LOG, VLMK_SQRT, VLMK_RSQRT, VLMK_SQUARE, VLMK_TANH, VLMK_SIGMOID, VLMK_RELU,
    VLMK_ERF, VLMK_SOFTPLUS, VLMK_COS, VLMK_SIN,
    VLMK_SQUARED_RELU, VLMK_SILU, VLMK_GELU, VLMK_GELU_TANH, VLMK_QUICK_GELU, VLMK_UNARY_COUNT
};

#define VLMK_RANK 8
#define VLMK_DIMS 36

typedef struct vlmk_context vlmk_context;
typedef struct vlmk_weight vlmk_weight;

typedef struct vlmk_op {
    int32_t kind;
    int32_t mode;
    int32_t slot;               /* KV cache slot of an attention, or -1 */
    int32_t reserved;
    const void* in[4];
    void* out;
    const vlmk_weight* weight;  /* of LINEAR; of GATHER when its table is packed */
    int64_t dims[VLMK_DIMS];
    float scalars[2];
} vlmk_op;

/* KV cache of a run: per slot keys and values [batch, capacity, K, H], of which the first "past" tokens are filled. */
typedef struct vlmk_cache {
    float* const* keys;
    float* const* values;
    int64_t slots;
    int64_t past;
    int64_t capacity;
} vlmk_cache;

VLMK_API int32_t vlmk_abi(void);
VLMK_API int64_t vlmk_op_bytes(void);

/* Message of the calling thread's last failure, UTF-8, valid until its next call. */
VLMK_API const char* vlmk_last_error(void);

/* 1 when this library and this processor have the instruction set. */
VLMK_API int32_t vlmk_isa_available(int32_t isa);

/* Physical cores this process may use. */
VLMK_API int32_t vlmk_default_threads(void);

/* threads counts the caller's; 1..256. The pool's threads sleep when idle. */
VLMK_API int32_t vlmk_context_create(int32_t threads, int32_t isa, vlmk_context** context);
VLMK_API void vlmk_context_destroy(vlmk_context* context);
VLMK_API int32_t vlmk_context_isa(const vlmk_context* context);

/* Packs a weight [rows, columns] of any storage type for LINEAR; the data may go afterwards. */
VLMK_API int32_t vlmk_weight_create(int32_t type, const void* data, int64_t bytes, int64_t rows, int64_t columns, vlmk_weight** weight);
VLMK_API void vlmk_weight_destroy(vlmk_weight* weight);
VLMK_API int64_t vlmk_weight_bytes(const vlmk_weight* weight);

/* Expands count elements (whole blocks) to floats. */
VLMK_API int32_t vlmk_dequantize(int32_t type, const void* data, int64_t bytes, int64_t count, float* target);

/* Runs operations in order; cache may be null when no operation has a slot. On failure *failed is the operation's index. */
VLMK_API int32_t vlmk_run(vlmk_context* context, const vlmk_op* ops, int64_t count, const vlmk_cache* cache, int64_t* failed);

/* Sum of an array of floats by plain streaming loads on all threads: measures the read bandwidth. */
VLMK_API int32_t vlmk_read_all(vlmk_context* context, const float* data, int64_t count, float* sum);

#ifdef __cplusplus
}
#endif

#endif
