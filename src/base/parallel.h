// Threads: a pool (thread_pool.h) behind two functions. Every parallel loop in Gremium writes disjoint outputs or
// reduces in a fixed order, so neither the number of threads nor who computes what ever changes a result.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace gremium {

// Threads used by parallel loops from now on, process-wide. 0 = one for each CPU that this process may use.
void set_threads(int threads);
int threads();
// As set_threads, but not more than CPUs: further ones would only wait for each other.
void allow_threads(int most);

// What a loop takes on one thread, about, where its caller knows. Short loops run on their callers alone, which they
// would leave before others had come; not so short ones do where the machine has had no CPU for a helper lately.
struct Work {
    // On a machine of today.
    static constexpr Work of(int64_t bytes_read, int64_t multiplications) {
        return {bytes_read / 20 + multiplications / 50};
    }
    int64_t nanoseconds = INT64_MAX;
};

namespace parallel {

// Whether a loop runs on its caller alone: by its work, with one thread, or within another loop.
bool alone(Work work = {});
// Calls piece(body, i) for i in [0, n).
void run(int64_t n, void (*piece)(void* body, int64_t i), void* body);

}  // namespace parallel

// Calls body(i) for i in [0, n), each i once, in order as threads come for them. The first exception is rethrown, and
// what has not begun by then is left out.
template <typename Body>
void parallel_for(int64_t n, Body&& body, Work work = {}) {
    if (n < 2 || parallel::alone(work)) {
        for (int64_t i = 0; i < n; ++i) body(i);
        return;
    }
    using Function = std::remove_reference_t<Body>;
    parallel::run(
        n, [](void* it, int64_t i) { (*static_cast<Function*>(it))(i); },
        const_cast<std::remove_const_t<Function>*>(std::addressof(body)));
}

// Calls body(begin, end) over [0, n) in chunks of `chunk` (the last may be shorter). The chunks do not depend on the
// number of threads: use them as the fixed order of a reduction.
template <typename Body>
void parallel_chunks(int64_t n, int64_t chunk, Body&& body) {
    const int64_t chunks = (n + chunk - 1) / chunk;
    parallel_for(chunks, [&](int64_t c) {
        const int64_t begin = c * chunk;
        body(begin, begin + chunk < n ? begin + chunk : n);
    });
}

}  // namespace gremium
