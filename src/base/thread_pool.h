// The threads behind parallel_for, for machines that do other work besides. A loop's pieces are taken from a counter by
// its caller and by whoever comes to help, so the caller waits for no thread but those amid a piece; whoever has
// nothing to do watches for a moment and then sleeps. A helper amid a piece that lost its CPU to another program is
// brought to the caller's, and helpers keep off their caller's CPU.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>

#include <sys/types.h>

namespace gremium {

// How long threads watch for what they wait for before they sleep: about what falling asleep and being woken takes.
// What has not happened by then waits for a thread that is not running, or for none.
constexpr std::chrono::microseconds patience{50};

using Piece = void (*)(void* body, int64_t i);

// A place for one loop at a time; places outlive the loops, so that a late helper may look into one at any time.
class alignas(64) SharedLoop {
  public:
    // False where another loop is in this place. Else it is the calling thread's until finish().
    bool claim();
    // From here on up to `helpers` threads may join.
    void open(int64_t n, Piece piece, void* body, int helpers);
    // Takes pieces until none is left.
    void work();
    // Lets nobody else join and waits a moment for those who did; false: some are still within.
    bool close();
    // Sleeps until they have left, or for a millisecond.
    bool sleep();
    // Once all have left: gives the place back and rethrows the first error.
    void finish();

    // For helpers: whether one more would find work, and be let in.
    bool has_work() const;
    bool join();
    void leave();

    // Of the caller, while the loop is open.
    int cpu() const { return cpu_.load(std::memory_order_relaxed); }
    pid_t caller() const { return caller_.load(std::memory_order_relaxed); }

  private:
    bool left() const { return (state_.load(std::memory_order_acquire) & active_mask) == 0; }
    void fail();

    // Helpers within; helpers who may still come; whether the caller sleeps; whether the place is taken.
    static constexpr uint32_t active = 1, active_mask = 0xfff, room = 0x1000, room_mask = 0xfff000,
                              caller_sleeps = 0x1000000, taken = 0x2000000;
    std::atomic<uint32_t> state_{0};
    std::atomic<int> cpu_{-1};
    std::atomic<pid_t> caller_{0};
    std::atomic<int64_t> n_{0};
    Piece piece_ = nullptr;
    void* body_ = nullptr;
    std::atomic<bool> failed_{false};
    std::exception_ptr error_;
    alignas(64) std::atomic<int64_t> next_{0};
};

class ThreadPool {
  public:
    // The process's own. A forked child, which has but one thread, begins with an empty one.
    static ThreadPool& get();

    // Calls piece(body, i) for i in [0, n) on this thread and up to `helpers` others.
    void run(int64_t n, Piece piece, void* body, int helpers);

    // Whether this thread is within a piece.
    static bool busy();
    // Whether a caller had to wait a moment ago for a helper that was not running.
    bool crowded() const;

  private:
    struct Helper {
        pid_t thread = 0;
        // Where it is, or is about to be or was just now.
        std::atomic<const SharedLoop*> loop{nullptr};
    };
    // Helpers that had no time on any CPU lately, brought to the calling thread's; at its end they leave it.
    class Rescue;

    void grow(int helpers);
    void call(int helpers);
    void wait(SharedLoop& loop);
    [[noreturn]] void serve(Helper& self);
    bool help(Helper& self);
    void sleep(uint32_t seen);

    // Loops that run at once, of callers on threads of their own; further ones have no helpers.
    std::array<SharedLoop, 8> loops_;
    // Counts opened loops; helpers without work sleep on it.
    alignas(64) std::atomic<uint32_t> calls_{0};
    std::atomic<int> sleepers_{0};
    // On the steady clock.
    std::atomic<std::chrono::nanoseconds> crowded_until_{};
    // Helpers there are; most_helpers also where no more are to be had.
    std::atomic<int> size_{0};
    std::mutex growing_;
    std::deque<Helper> helpers_;
};

}  // namespace gremium
