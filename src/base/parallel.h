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

namespace parallel {

// Whether loops run on their caller alone: with one thread, or within another loop.
bool alone();
// Calls piece(body, i) for i in [0, n).
void run(int64_t n, void (*piece)(void* body, int64_t i), void* body);

}  // namespace parallel

// Calls body(i) for i in [0, n), each i once, in order as threads come for them; on the calling thread alone where
// parallel::alone(). The first exception is rethrown, and what has not begun by then is left out.
template <typename Body>
void parallel_for(int64_t n, Body&& body) {
    if (n < 2 || parallel::alone()) {
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
