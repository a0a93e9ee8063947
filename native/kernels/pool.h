// A small persistent thread pool: one job at a time, split into numbered tasks that threads claim one by one.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace vlmk {

class Pool {
public:
    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    int threads() const { return static_cast<int>(workers_.size()) + 1; }

    // Calls function(argument, i) once for every i below tasks, on the caller's thread and idle workers, and returns when
    // all are done. When another caller has the pool, the caller does all tasks itself. Throws std::bad_alloc when a task did.
    void run(int64_t tasks, void (*function)(void*, int64_t), void* argument);

private:
    void work();
    bool claim_and_run(uint64_t seen);
    void run_range(uint32_t tasks);

    // Upper half: number of the job. Lower half: tasks nobody has claimed yet. One word, so that a claim is one compare
    // and swap and a thread that comes late cannot take a task of a job it has not seen.
    std::atomic<uint64_t> ticket_{0};
    std::atomic<uint32_t> done_{0};
    std::atomic<bool> failed_{false};
    std::atomic<bool> stop_{false};
    void (*function_)(void*, int64_t) = nullptr;
    void* argument_ = nullptr;
    int64_t base_ = 0;
    uint32_t total_ = 0;
    std::mutex busy_;
    std::vector<std::thread> workers_;
};

// Scratch memory of the calling thread, 64-byte aligned, kept for its next call; each slot is separate.
// Throws std::bad_alloc.
float* scratch(int slot, int64_t floats);
constexpr int kScratchSlots = 3;

}  // namespace vlmk
