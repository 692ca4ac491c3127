// Where the time of running a model goes, stage by stage, as the calling thread sees it. Nothing is measured, and
// nothing costs time, but where a Profiling lives.
#pragma once

#include <chrono>
#include <map>
#include <string_view>
#include <utility>

namespace gremium {

// Seconds since it was made.
struct Profile {
    // By stage, as its callers name it: names outlive the profile.
    std::map<std::string_view, double> stages;
    // Of these: a thread's mean time without work while products ran on all threads.
    double waiting = 0;
    double& operator[](std::string_view stage) { return stages[stage]; }
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
    explicit Timed(std::string_view stage) : profile_(Profiling::current()), stage_(stage) {
        if (profile_) start_ = Clock::now();
    }
    ~Timed() { enter(stage_); }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;

    void enter(std::string_view stage) {
        if (!profile_) return;
        const Clock::time_point now = Clock::now();
        (*profile_)[stage_] += std::chrono::duration<double>(now - start_).count();
        start_ = now;
        stage_ = stage;
    }

  private:
    using Clock = std::chrono::steady_clock;
    Profile* profile_;
    std::string_view stage_;
    Clock::time_point start_;
};

}  // namespace gremium
