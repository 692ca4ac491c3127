// Chooses the training sequences of each step, depending only on the seed and the step.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "data/token_file.h"
#include "data/windows.h"

namespace gremium::train {

// A text, whole or cut into windows of one sequence and its last target. It must outlive the sampler.
struct Source {
    std::variant<const data::TokenFile*, const data::Windows*> tokens;
    double weight;
};

// Sequences are windows of `length` tokens (plus one, the last target). Domains take turns by weight, spread evenly by
// a golden-ratio sequence; within a domain every window is seen once per epoch, in a different order each epoch.
class SequenceSampler {
  public:
    // Throws Error if a domain is shorter than one window, or is cut into windows of another length.
    SequenceSampler(std::vector<Source> sources, int64_t length, uint64_t seed);

    // Writes sequence number `n` of the run to inputs and targets (`length` each). Consecutive numbers are fast; any
    // other number seeks.
    void sequence(int64_t n, std::span<int32_t> inputs, std::span<int32_t> targets);

    // The number of sequences drawn from a source so far.
    int64_t drawn(size_t source) const { return drawn_[source]; }
    double epochs(size_t source) const;

  private:
    size_t source_of(int64_t n) const;
    void seek(int64_t n);

    std::vector<Source> sources_;
    std::vector<uint64_t> bounds_;  // cumulative weights as fractions of 2^64
    std::vector<int64_t> drawn_;
    int64_t length_, next_ = 0;
    uint64_t seed_;
    std::vector<int32_t> window_;
};

}  // namespace gremium::train
