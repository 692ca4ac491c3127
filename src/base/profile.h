// Where the time of running a model goes, stage by stage, as the calling thread sees it. Nothing is measured, and nothing
// costs time, but where a Profiling lives.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace gremium {

enum class Stage : uint8_t { projections, attention, state_space, router, dispatch, experts, combine, dense, head };
inline constexpr std::array<std::string_view, 9> stage_names{
    "projections", "attention", "state_space", "router", "dispatch", "experts", "combine", "dense", "head"};

// Seconds since it was made.
struct Profile {
    std::array<double, stage_names.size()> stages{};
    double waiting = 0;  // of these: a thread's mean time without work while products ran on all threads
    double& operator[](Stage stage) { return stages[static_cast<size_t>(stage)]; }
};

// While it lives, what its thread computes is measured into a profile (null: not at all).
class Profiling {
  public:
    explicit Profiling(Profile* into) : before_(std::exchange(current_, into)) {}
    ~Profiling() { current_ = before_; }
    Profiling(const Profiling&) = delete;
    Profiling& operator=(const Profiling&) = delete;

    static Profile* current() { return current_; }

  private:
    static inline thread_local Profile* current_ = nullptr;
    Profile* before_;
};

// Adds the time until its end, or until it enters another stage, to a stage.
class Timed {
  public:
    explicit Timed(Stage stage) : profile_(Profiling::current()), stage_(stage) {
        if (profile_) start_ = Clock::now();
    }
    ~Timed() { enter(stage_); }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;

    void enter(Stage stage) {
        if (!profile_) return;
        const Clock::time_point now = Clock::now();
        (*profile_)[stage_] += std::chrono::duration<double>(now - start_).count();
        start_ = now;
        stage_ = stage;
    }

  private:
    using Clock = std::chrono::steady_clock;
    Profile* profile_;
    Stage stage_;
    Clock::time_point start_;
};

}  // namespace gremium
