#include "base/thread_pool.h"

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sched.h>

#include "base/futex.h"

namespace gremium {
namespace {

constexpr int most_helpers = 0xfff;

// Never destroyed: helpers may sleep in it when the process ends.
alignas(ThreadPool) std::byte pool_storage[sizeof(ThreadPool)];

ThreadPool* new_pool() { return new (pool_storage) ThreadPool; }

std::optional<cpu_set_t> cpus_of(pid_t thread) {
    cpu_set_t set;
    return sched_getaffinity(thread, sizeof(set), &set) == 0 ? std::optional(set) : std::nullopt;
}

std::chrono::nanoseconds now() { return std::chrono::steady_clock::now().time_since_epoch(); }

// Nanoseconds it has run.
int64_t time_of(pid_t thread) {
    // As clock_gettime has it: the clock of a thread's CPU time by the thread's id.
    const auto clock = static_cast<clockid_t>(~static_cast<unsigned>(thread) << 3 | 6);
    timespec time{};
    if (clock_gettime(clock, &time) != 0) return 0;
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Lets a helper (0: this thread) run where its caller may, but not on the caller's CPU, if there is another: woken
// there it would hold up the one it is to help.
void keep_off(pid_t helper, int cpu, pid_t caller) {
    auto cpus = cpus_of(caller);
    if (!cpus) return;
    if (CPU_COUNT(&*cpus) > 1) CPU_CLR(cpu, &*cpus);
    sched_setaffinity(helper, sizeof(*cpus), &*cpus);
}

}  // namespace

class ThreadPool::Rescue {
  public:
    Rescue(ThreadPool& pool, const SharedLoop& loop) : pool_(pool), loop_(loop) {}
    ~Rescue() {
        for (const pid_t helper : brought_) keep_off(helper, sched_getcpu(), 0);
    }
    Rescue(const Rescue&) = delete;
    Rescue& operator=(const Rescue&) = delete;

    // Notes what time the helpers have had.
    void look() {
        seen_.clear();
        const std::lock_guard lock(pool_.growing_);
        for (const Helper& helper : pool_.helpers_)
            if (helper.loop == &loop_) seen_.push_back({helper.thread, time_of(helper.thread)});
    }

    // Those that had none since, if any, come to this thread's CPU, where there is nothing to do but wait for them.
    void bring() {
        cpu_set_t here;
        CPU_ZERO(&here);
        CPU_SET(sched_getcpu(), &here);
        for (const Seen& seen : seen_) {
            if (time_of(seen.thread) != seen.time || std::ranges::count(brought_, seen.thread) > 0) continue;
            if (sched_setaffinity(seen.thread, sizeof(here), &here) == 0) brought_.push_back(seen.thread);
        }
    }

    bool brought_any() const { return !brought_.empty(); }

  private:
    struct Seen {
        pid_t thread;
        int64_t time;
    };
    ThreadPool& pool_;
    const SharedLoop& loop_;
    std::vector<Seen> seen_;
    std::vector<pid_t> brought_;
};

ThreadPool& ThreadPool::get() {
    static ThreadPool* const pool = new_pool();
    return *pool;
}

void ThreadPool::run(int64_t n, Piece piece, void* body, int helpers) {
    helpers = static_cast<int>(std::min<int64_t>({helpers, most_helpers, n - 1}));
    if (size_.load(std::memory_order_relaxed) < helpers) grow(helpers);
    const auto loop = std::ranges::find_if(loops_, &SharedLoop::claim);
    if (loop == loops_.end()) {
        for (int64_t i = 0; i < n; ++i) piece(body, i);
        return;
    }
    loop->open(n, piece, body, helpers);
    call(helpers);
    loop->work();
    if (!loop->close()) wait(*loop);
    loop->finish();
}

// A sleeper either is counted before calls_ is raised, and woken, or sees that it was raised.
void ThreadPool::call(int helpers) {
    calls_.fetch_add(1, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) futex_wake(calls_, helpers);
}

void ThreadPool::sleep(uint32_t seen) {
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    futex_wait(calls_, seen);
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

bool ThreadPool::crowded() const {
    const std::chrono::nanoseconds until = crowded_until_.load(std::memory_order_relaxed);
    return until.count() != 0 && now() < until;
}

void ThreadPool::wait(SharedLoop& loop) {
    const std::chrono::nanoseconds begin = now();
    Rescue rescue(*this, loop);
    do {
        rescue.look();
        if (loop.close()) break;
        rescue.bring();
    } while (!loop.sleep());
    if (!rescue.brought_any()) return;
    // Loops that gain little by helpers shall not lose more than a fiftieth by such waiting.
    const std::chrono::nanoseconds end = now(), least = std::chrono::milliseconds(20), most = std::chrono::seconds(1);
    crowded_until_ = end + std::clamp(50 * (end - begin), least, most);
}

bool ThreadPool::help(Helper& self) {
    bool helped = false;
    for (SharedLoop& loop : loops_) {
        if (!loop.has_work()) continue;
        if (sched_getcpu() == loop.cpu()) keep_off(0, loop.cpu(), loop.caller());
        self.loop = &loop;
        if (loop.join()) {
            loop.work();
            loop.leave();
            helped = true;
        }
        self.loop = nullptr;
    }
    return helped;
}

void ThreadPool::serve(Helper& self) {
    for (;;) {
        const uint32_t seen = calls_.load(std::memory_order_acquire);
        if (help(self)) continue;
        if (!watch([&] { return calls_.load(std::memory_order_relaxed) != seen; }, patience)) sleep(seen);
    }
}

// Where no more threads are to be had, loops run on fewer. Signals are for the program's own threads.
void ThreadPool::grow(int helpers) {
    const std::lock_guard lock(growing_);
    [[maybe_unused]] static const int registered = pthread_atfork(nullptr, nullptr, [] { new_pool(); });
    sigset_t signals, before;
    sigfillset(&signals);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) sigdelset(&signals, fault);
    pthread_sigmask(SIG_SETMASK, &signals, &before);
    try {
        for (; size_ < helpers; ++size_) {
            Helper& helper = helpers_.emplace_back();
            std::thread([this, &helper] {
                helper.thread = gettid();
                serve(helper);
            }).detach();
        }
    } catch (const std::system_error&) {
        helpers_.pop_back();
        size_ = most_helpers;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace gremium
