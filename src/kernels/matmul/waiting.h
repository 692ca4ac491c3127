// For profiles: how long the threads of a parallel loop have nothing to do.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/parallel.h"
#include "base/profile.h"

namespace gremium::kernels {

// Lives as long as the loop. Null: measures nothing.
class Waiting {
  public:
    explicit Waiting(Profile* profile)
        : profile_(profile), threads_(profile ? static_cast<size_t>(threads()) : 0), start_(now()) {}
    ~Waiting() {
        if (!profile_) return;
        double busy = 0;
        for (const Thread& one : threads_) busy += one.end - one.begin;
        profile_->waiting += now() - start_ - busy / static_cast<double>(threads_.size());
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

    // Around each task that the loop's piece `thread` does.
    template <typename Work>
    void count(int64_t thread, Work&& work) {
        if (!profile_) return work();
        Thread& mine = threads_[static_cast<size_t>(thread)];
        if (mine.end == 0) mine.begin = now();
        work();
        mine.end = now();
    }

  private:
    struct alignas(64) Thread {
        double begin = 0, end = 0;
    };
    static double now() {
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    }
    Profile* profile_;
    std::vector<Thread> threads_;
    double start_;
};

}  // namespace gremium::kernels
