#include "pool.h"

#include <cstdlib>
#include <new>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace vlmk {

namespace {

// About 30 us: long enough to bridge the gap between two operations, short enough to leave the core to others.
constexpr int kSpins = 1000;

void pause() {
#if defined(__x86_64__)
    _mm_pause();
#else
    std::this_thread::yield();
#endif
}

struct ScratchBlock {
    float* data = nullptr;
    int64_t floats = 0;
    ~ScratchBlock() { std::free(data); }
};

}  // namespace

float* scratch(int slot, int64_t floats) {
    thread_local ScratchBlock blocks[kScratchSlots];
    ScratchBlock& block = blocks[slot];
    if (block.floats < floats) {
        std::free(block.data);
        block.floats = 0;
        const size_t bytes = (static_cast<size_t>(floats) * sizeof(float) + 63) / 64 * 64;
        block.data = static_cast<float*>(std::aligned_alloc(64, bytes));
        if (!block.data)
            throw std::bad_alloc();
        block.floats = floats;
    }
    return block.data;
}

Pool::Pool(int threads) {
    workers_.reserve(static_cast<size_t>(threads - 1));
    try {
        for (int i = 1; i < threads; i++)
            workers_.emplace_back([this] { work(); });
    } catch (...) {
        stop_ = true;
        ticket_.fetch_add(uint64_t{1} << 32);
        ticket_.notify_all();
        for (std::thread& worker : workers_)
            worker.join();
        throw;
    }
}

Pool::~Pool() {
    stop_ = true;
    ticket_.fetch_add(uint64_t{1} << 32);
    ticket_.notify_all();
    for (std::thread& worker : workers_)
        worker.join();
}

void Pool::run(int64_t tasks, void (*function)(void*, int64_t), void* argument) {
    std::unique_lock<std::mutex> lock(busy_, std::defer_lock);
    if (tasks <= 1 || workers_.empty() || !lock.try_lock()) {
        for (int64_t i = 0; i < tasks; i++)
            function(argument, i);
        return;
    }
    function_ = function;
    argument_ = argument;
    constexpr int64_t kMost = 1 << 30;
    for (base_ = 0; base_ < tasks; base_ += kMost)
        run_range(static_cast<uint32_t>(tasks - base_ < kMost ? tasks - base_ : kMost));
    if (failed_.exchange(false))
        throw std::bad_alloc();
}

void Pool::run_range(uint32_t tasks) {
    total_ = tasks;
    done_.store(0, std::memory_order_relaxed);
    const uint64_t job = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
    ticket_.store(job << 32 | tasks, std::memory_order_release);
    ticket_.notify_all();
    while (claim_and_run(ticket_.load(std::memory_order_acquire))) {
    }
    for (int spins = 0; done_.load(std::memory_order_acquire) != tasks; spins++) {
        if (spins < kSpins)
            pause();
        else
            std::this_thread::yield();
    }
}

// Claims one task of the job seen and runs it; false when none is left. A failed swap means that another thread was
// faster, which counts as progress.
bool Pool::claim_and_run(uint64_t seen) {
    const uint32_t left = static_cast<uint32_t>(seen);
    if (left == 0)
        return false;
    if (!ticket_.compare_exchange_strong(seen, seen - 1, std::memory_order_acq_rel))
        return true;
    // The job cannot end before this task does, so its description is stable from here on.
    try {
        function_(argument_, base_ + (total_ - left));
    } catch (...) {
        failed_ = true;
    }
    done_.fetch_add(1, std::memory_order_release);
    return true;
}

void Pool::work() {
    int idle = 0;
    while (!stop_.load(std::memory_order_relaxed)) {
        const uint64_t seen = ticket_.load(std::memory_order_acquire);
        if (claim_and_run(seen)) {
            idle = 0;
        } else if (++idle < kSpins) {
            pause();
        } else {
            ticket_.wait(seen, std::memory_order_acquire);
            idle = 0;
        }
    }
}

}  // namespace vlmk
