// Threads: OpenMP behind two functions. Every parallel loop in Gremium writes disjoint outputs or reduces in a fixed
// order, so the number of threads never changes a result.
#pragma once

#include <cstdint>
#include <exception>

#include <omp.h>

namespace gremium {

// Threads used by parallel loops from now on, process-wide (as OpenMP's own setting is). 0 = all cores.
void set_threads(int threads);
int threads();

// Calls body(i) for i in [0, n), each i once, dynamically scheduled in order. The first exception is rethrown.
// Runs inline when n < 2, with one thread, or inside another parallel loop.
template <typename Body>
void parallel_for(int64_t n, Body&& body) {
    if (n < 2 || threads() == 1 || omp_in_parallel()) {
        for (int64_t i = 0; i < n; ++i) body(i);
        return;
    }
    std::exception_ptr error;
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t i = 0; i < n; ++i) {
        try {
            body(i);
        } catch (...) {
#pragma omp critical(gremium_parallel_for)
            if (!error) error = std::current_exception();
        }
    }
    if (error) std::rethrow_exception(error);
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
