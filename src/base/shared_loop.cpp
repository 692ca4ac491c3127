#include <utility>

#include <sched.h>

#include "base/futex.h"
#include "base/thread_pool.h"

namespace gremium {
namespace {

pid_t this_thread() {
    thread_local const pid_t id = gettid();
    return id;
}

thread_local bool within_piece = false;

}  // namespace

bool ThreadPool::busy() { return within_piece; }

bool SharedLoop::claim() {
    uint32_t free = 0;
    return state_.load(std::memory_order_relaxed) == 0 &&
           state_.compare_exchange_strong(free, taken, std::memory_order_acquire);
}

void SharedLoop::open(int64_t n, Piece piece, void* body, int helpers) {
    piece_ = piece;
    body_ = body;
    cpu_.store(sched_getcpu(), std::memory_order_relaxed);
    caller_.store(this_thread(), std::memory_order_relaxed);
    next_.store(0, std::memory_order_relaxed);
    n_.store(n, std::memory_order_relaxed);
    state_.store(taken + room * static_cast<uint32_t>(helpers), std::memory_order_release);
}

void SharedLoop::work() {
    const bool before = std::exchange(within_piece, true);
    const int64_t n = n_.load(std::memory_order_relaxed);
    for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < n;) {
        try {
            piece_(body_, i);
        } catch (...) {
            fail();
        }
    }
    within_piece = before;
}

// What has not begun is left out.
void SharedLoop::fail() {
    if (failed_.exchange(true, std::memory_order_relaxed)) return;
    error_ = std::current_exception();
    next_.store(n_.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

bool SharedLoop::has_work() const {
    return (state_.load(std::memory_order_relaxed) & room_mask) != 0 &&
           next_.load(std::memory_order_relaxed) < n_.load(std::memory_order_relaxed);
}

bool SharedLoop::join() {
    uint32_t state = state_.load(std::memory_order_relaxed);
    while ((state & room_mask) != 0) {
        if (state_.compare_exchange_weak(state, state - room + active, std::memory_order_acquire)) return true;
    }
    return false;
}

// Until the last one has left, the place and its caller's stack hold; after that, touch nothing.
void SharedLoop::leave() {
    const uint32_t before = state_.fetch_sub(active, std::memory_order_acq_rel);
    if ((before & active_mask) == active && (before & caller_sleeps)) futex_wake(state_, 1);
}

bool SharedLoop::close() {
    const uint32_t state = state_.fetch_and(~room_mask, std::memory_order_acquire);
    return (state & active_mask) == 0 || watch([&] { return left(); }, patience);
}

bool SharedLoop::sleep() {
    constexpr timespec millisecond{.tv_sec = 0, .tv_nsec = 1'000'000};
    const uint32_t state = state_.fetch_or(caller_sleeps, std::memory_order_acquire) | caller_sleeps;
    if ((state & active_mask) != 0) futex_wait(state_, state, &millisecond);
    return left();
}

void SharedLoop::finish() {
    const std::exception_ptr error = std::exchange(error_, nullptr);
    failed_.store(false, std::memory_order_relaxed);
    state_.store(0, std::memory_order_release);
    if (error) std::rethrow_exception(error);
}

}  // namespace gremium
