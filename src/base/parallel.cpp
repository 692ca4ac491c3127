#include "base/parallel.h"

#include <algorithm>
#include <atomic>

#include "base/thread_pool.h"
#include "base/usable_cpus.h"

namespace gremium {
namespace {

// 0: not known yet.
std::atomic<int> chosen{0};

}  // namespace

void set_threads(int threads) { chosen = threads > 0 ? threads : usable_cpus(); }

void allow_threads(int most) { set_threads(most > 0 ? std::min(most, usable_cpus()) : 0); }

int threads() {
    if (chosen.load(std::memory_order_relaxed) == 0) set_threads(0);
    return chosen.load(std::memory_order_relaxed);
}

namespace parallel {

bool alone(Work work) {
    // In nanoseconds: what is worth a thread that is about to come anyway, and what is worth waking one for.
    constexpr int64_t helped = 20'000, waking = 300'000;
    if (threads() == 1 || ThreadPool::busy() || work.nanoseconds < helped) return true;
    return work.nanoseconds < waking && ThreadPool::get().crowded();
}

void run(int64_t n, Piece piece, void* body) { ThreadPool::get().run(n, piece, body, threads() - 1); }

}  // namespace parallel
}  // namespace gremium
