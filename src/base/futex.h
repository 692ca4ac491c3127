// Waiting for a number in memory to change: a moment by watching it, longer asleep.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gremium {

// Sleeps while the word is `expected`, until woken or for `limit` (null: for ever); it may also return for no reason.
inline void futex_wait(const std::atomic<uint32_t>& word, uint32_t expected, const timespec* limit = nullptr) {
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, limit, nullptr, 0);
}

inline void futex_wake(const std::atomic<uint32_t>& word, int threads) {
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, threads, nullptr, nullptr, 0);
}

// Whether done() became true in time.
template <typename Done>
bool watch(Done&& done, std::chrono::nanoseconds limit) {
    const auto start = std::chrono::steady_clock::now();
    do {
        for (int i = 0; i < 32; ++i) {
            if (done()) return true;
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            asm volatile("yield");
#endif
        }
    } while (std::chrono::steady_clock::now() - start < limit);
    return done();
}

}  // namespace gremium
