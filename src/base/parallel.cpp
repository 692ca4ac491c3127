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

bool alone() { return threads() == 1 || ThreadPool::busy(); }

void run(int64_t n, Piece piece, void* body) { ThreadPool::get().run(n, piece, body, threads() - 1); }

}  // namespace parallel
}  // namespace gremium
