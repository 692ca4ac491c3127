// A pseudo-random order of 0 … n−1 that needs no memory: element i is computed.
#pragma once

#include <cstdint>

#include "base/random.h"

namespace gremium::data {

// A Feistel network over the next even power of two, walked until it lands inside n (Black, Rogaway: Ciphers with
// Arbitrary Finite Domains, 2002).
class Permutation {
  public:
    Permutation(uint64_t n, uint64_t key) : n_(n), key_(key) {
        while ((uint64_t{1} << (2 * half_bits_)) < n) ++half_bits_;
    }

    uint64_t operator()(uint64_t i) const {
        do i = encrypt(i);
        while (i >= n_);
        return i;
    }

  private:
    uint64_t encrypt(uint64_t x) const {
        const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
        uint64_t left = x >> half_bits_, right = x & mask;
        for (uint64_t round = 0; round < 4; ++round) {
            const uint64_t mixed = left ^ (mix64(key_ + mix64(right + (round << 60))) & mask);
            left = right;
            right = mixed;
        }
        return left << half_bits_ | right;
    }

    uint64_t n_, key_;
    int half_bits_ = 1;
};

}  // namespace gremium::data
