#include "base/parallel.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/usable_cpus.h"

namespace gremium {
namespace {

using namespace std::chrono_literals;

// Sets the number of threads while it lives.
class Threads {
  public:
    explicit Threads(int count) { set_threads(count); }
    ~Threads() { set_threads(before_); }
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

  private:
    int before_ = threads();
};

// Whether it came true within half a minute.
bool comes(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (!done()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

// Loops over two pieces of which each waits until the other one has begun: two threads take part.
bool two_threads_meet() {
    std::atomic<int> begun{0};
    std::atomic<bool> met{true};
    parallel_for(2, [&](int64_t) {
        ++begun;
        if (!comes([&] { return begun == 2; })) met = false;
    });
    return met;
}

cpu_set_t cpus_of(pid_t thread) {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(thread, sizeof(set), &set);
    return set;
}

// Whether a thread may run wherever this one may, but for one CPU, or has ended.
bool may_help(pid_t thread) {
    const cpu_set_t mine = cpus_of(0), its = cpus_of(thread);
    cpu_set_t both;
    CPU_AND(&both, &mine, &its);
    return CPU_COUNT(&its) == 0 || (CPU_EQUAL(&both, &its) && CPU_COUNT(&its) >= std::max(1, CPU_COUNT(&mine) - 1));
}

TEST(Parallel, CallsEachIndexOnceForAnyThreads) {
    for (const int n : {1, 2, 3, 5}) {
        const Threads some(n);
        std::vector<int> calls(1000);
        parallel_for(1000, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
        EXPECT_EQ(calls, std::vector<int>(1000, 1));
    }
}

TEST(Parallel, ChunksCoverTheRangeIndependentOfThreads) {
    const Threads three(3);
    std::vector<int64_t> ends(4);
    parallel_chunks(10, 3, [&](int64_t begin, int64_t end) { ends[static_cast<size_t>(begin / 3)] = end; });
    EXPECT_EQ(ends, (std::vector<int64_t>{3, 6, 9, 10}));
}

TEST(Parallel, ManyShortLoopsLoseNothing) {
    const Threads four(4);
    std::vector<int64_t> calls(7);
    for (int loop = 0; loop < 20'000; ++loop)
        parallel_for(loop % 8, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
    EXPECT_EQ(calls, (std::vector<int64_t>{17'500, 15'000, 12'500, 10'000, 7'500, 5'000, 2'500}));
}

TEST(Parallel, RethrowsAnErrorAndLeavesOutWhatHasNotBegun) {
    const Threads two(2);
    for (int loop = 0; loop < 100; ++loop) {
        std::atomic<int64_t> begun{0};
        EXPECT_THROW(parallel_for(1'000'000,
                                  [&](int64_t i) {
                                      ++begun;
                                      if (i == 7) fail("seven");
                                  }),
                     Error);
        EXPECT_LT(begun, 1'000'000);
    }
    EXPECT_TRUE(two_threads_meet());
}

TEST(Parallel, ALoopWithinALoopStaysOnItsThread) {
    const Threads three(3);
    std::vector<int> calls(100);
    parallel_for(10, [&](int64_t i) {
        const auto here = std::this_thread::get_id();
        EXPECT_TRUE(parallel::alone());
        parallel_for(10, [&](int64_t j) {
            EXPECT_EQ(std::this_thread::get_id(), here);
            ++calls[static_cast<size_t>(10 * i + j)];
        });
    });
    EXPECT_EQ(calls, std::vector<int>(100, 1));
    EXPECT_FALSE(parallel::alone());
}

TEST(Parallel, AnErrorWithinALoopWithinALoopComesThrough) {
    const Threads two(2);
    EXPECT_THROW(parallel_for(4, [](int64_t) { parallel_for(4, [](int64_t) { fail("inner"); }); }), Error);
    EXPECT_FALSE(parallel::alone());
}

TEST(Parallel, WaitsForNoHelperThatHasNotBegun) {
    constexpr int all = 12;  // and not fewer than in other tests
    const Threads many(all);
    std::atomic<int> begun{0};
    std::atomic<bool> done{false};
    std::thread other([&] {
        parallel_for(all, [&](int64_t) {
            ++begun;
            comes([&] { return done.load(); });
        });
    });
    ASSERT_TRUE(comes([&] { return begun == all; }));  // all helpers are held fast
    int64_t calls = 0;
    for (int loop = 0; loop < 100; ++loop) parallel_for(10, [&](int64_t) { ++calls; });
    EXPECT_EQ(calls, 1000);
    done = true;
    other.join();
}

TEST(Parallel, ShortLoopsStayOnTheirThread) {
    const Threads two(2);
    EXPECT_TRUE(parallel::alone(Work::of(1000, 1000)));
    EXPECT_FALSE(parallel::alone(Work::of(1'000'000'000, 0)));
    EXPECT_FALSE(parallel::alone(Work::of(0, 1'000'000'000)));
    const auto here = std::this_thread::get_id();
    parallel_for(1000, [&](int64_t) { EXPECT_EQ(std::this_thread::get_id(), here); }, {.nanoseconds = 1000});
}

TEST(Parallel, CallersOnThreadsOfTheirOwnDoNotMeet) {
    const Threads three(3);
    std::vector<std::thread> callers;
    for (int c = 0; c < 12; ++c) {
        callers.emplace_back([c] {
            for (int loop = 0; loop < 1000; ++loop) {
                std::vector<int> calls(static_cast<size_t>(2 + (loop + c) % 30));
                const bool fails = loop % 100 == c;
                try {
                    parallel_for(std::ssize(calls), [&](int64_t i) {
                        ++calls[static_cast<size_t>(i)];
                        if (fails && i == 1) fail("caller {}", c);
                    });
                    EXPECT_FALSE(fails);
                    EXPECT_EQ(calls, std::vector<int>(calls.size(), 1));
                } catch (const Error& error) {
                    EXPECT_TRUE(fails);
                    EXPECT_EQ(error.what(), "caller " + std::to_string(c));
                }
            }
        });
    }
    for (std::thread& caller : callers) caller.join();
}

TEST(Parallel, AForkedChildHasThreadsOfItsOwn) {
    const Threads two(2);
    ASSERT_TRUE(two_threads_meet());
    std::atomic<bool> stop{false};
    std::thread other([&] {
        while (!stop) parallel_for(100, [](int64_t) {});
    });
    for (int i = 0; i < 20; ++i) {
        const pid_t child = ::fork();
        if (child == 0) ::_exit(two_threads_meet() ? 42 : 1);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 42) << status;
    }
    stop = true;
    other.join();
    EXPECT_TRUE(two_threads_meet());
}

TEST(Parallel, HelpersWithoutWorkSleep) {
    const Threads four(4);
    ASSERT_TRUE(two_threads_meet());
    const auto spent = [] {
        timespec time{};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
        return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
    };
    const auto before = spent();
    std::this_thread::sleep_for(200ms);
    EXPECT_LT(spent() - before, 20ms);
}

TEST(Parallel, SignalsAreForTheProgramsOwnThreads) {
    const Threads two(2);
    const auto caller = std::this_thread::get_id();
    std::atomic<int> begun{0};
    parallel_for(2, [&](int64_t) {
        ++begun;
        EXPECT_TRUE(comes([&] { return begun == 2; }));
        sigset_t blocked;
        pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
        const bool helper = std::this_thread::get_id() != caller;
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) EXPECT_EQ(sigismember(&blocked, signal), helper);
        EXPECT_FALSE(sigismember(&blocked, SIGSEGV));
    });
}

// Runs a loop whose helper has no CPU, here because it sleeps, until it has been brought to its caller's.
pid_t helper_without_cpu() {
    const cpu_set_t mine = cpus_of(0);
    const auto caller = std::this_thread::get_id();
    std::atomic<int> begun{0};
    std::atomic<pid_t> helper{0};
    parallel_for(2, [&](int64_t) {
        ++begun;
        EXPECT_TRUE(comes([&] { return begun == 2; }));
        if (std::this_thread::get_id() == caller) return;
        helper = gettid();
        sched_setaffinity(0, sizeof(mine), &mine);
        EXPECT_TRUE(comes([] {
            const cpu_set_t set = cpus_of(0);
            return CPU_COUNT(&set) == 1;
        }));
    });
    return helper;
}

TEST(Parallel, AHelperWithoutACpuComesToItsCallers) {
    if (usable_cpus() < 2) GTEST_SKIP() << "needs two CPUs";
    const Threads two(2);
    EXPECT_TRUE(comes([helper = helper_without_cpu()] { return may_help(helper); }));
}

TEST(Parallel, LoopsThatAreNotLongShunHelpersWithoutACpuForAWhile) {
    if (usable_cpus() < 2) GTEST_SKIP() << "needs two CPUs";
    const Threads two(2);
    constexpr Work medium{.nanoseconds = 50'000};
    bool shunned = false;
    for (int i = 0; i < 20 && !shunned; ++i) {  // this thread may itself be off its CPU for that while
        helper_without_cpu();
        shunned = parallel::alone(medium);
    }
    EXPECT_TRUE(shunned);
    EXPECT_FALSE(parallel::alone());
    EXPECT_TRUE(comes([&] { return !parallel::alone(medium); }));
}

TEST(Parallel, ThreadsThatWereMovedAboutMayRunEverywhereAgain) {
    const Threads three(3);
    std::atomic<bool> stop{false};
    std::vector<std::thread> neighbours;
    for (int i = 0; i < std::min(usable_cpus(), 8); ++i) {
        neighbours.emplace_back([&] {
            while (!stop) {
            }
        });
    }
    const auto end = std::chrono::steady_clock::now() + 500ms;
    std::atomic<uint64_t> sum{0};
    while (std::chrono::steady_clock::now() < end) {
        parallel_for(8, [&](int64_t i) {
            uint64_t x = static_cast<uint64_t>(i);
            for (int k = 0; k < 20'000; ++k) x = x * 6364136223846793005u + 1442695040888963407u;
            sum += x;
        });
    }
    stop = true;
    for (std::thread& neighbour : neighbours) neighbour.join();
    const auto all_free = [&] {
        for (const auto& task : std::filesystem::directory_iterator("/proc/self/task"))
            if (!may_help(std::stoi(task.path().filename().string()))) return false;
        return true;
    };
    EXPECT_TRUE(comes(all_free));
}

TEST(Parallel, UsersGetNoMoreThreadsThanCpus) {
    const Threads before(1);
    allow_threads(1000);
    EXPECT_EQ(threads(), usable_cpus());
    allow_threads(1);
    EXPECT_EQ(threads(), 1);
    allow_threads(0);
    EXPECT_EQ(threads(), usable_cpus());
}

}  // namespace
}  // namespace gremium
