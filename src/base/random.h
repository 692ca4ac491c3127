// Counter-based random numbers: value i of a stream depends on (seed, stream, i) alone, so results do not depend on
// the number of threads and the whole state is three integers a checkpoint can hold.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace gremium {

// SplitMix64's finaliser over a counter (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
constexpr uint64_t mix64(uint64_t z) {
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

__extension__ using Uint128 = unsigned __int128;

class Random {
  public:
    explicit Random(uint64_t seed, uint64_t stream = 0) : key_(mix64(seed) ^ mix64(~stream)) {}

    uint64_t bits() { return mix64(key_ + 0xD1342543DE82EF95ull * counter_++); }
    double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }  // [0, 1)
    uint64_t below(uint64_t n) {                                              // [0, n), n > 0
        return static_cast<uint64_t>((static_cast<Uint128>(bits()) * n) >> 64);
    }
    double normal() {  // Box-Muller; one value a call keeps the stream position simple
        const double radius = std::sqrt(-2.0 * std::log1p(-uniform()));
        return radius * std::cos(2.0 * std::numbers::pi * uniform());
    }

    uint64_t position() const { return counter_; }
    void seek(uint64_t position) { counter_ = position; }

  private:
    uint64_t key_;
    uint64_t counter_ = 0;
};

}  // namespace gremium
