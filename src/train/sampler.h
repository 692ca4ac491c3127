// Which tokens a step sees: a function of the seed and the step alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "data/token_file.h"
#include "data/windows.h"

namespace gremium::train {

// A text, whole or cut into windows of a sequence and its last target each; it must outlive the sampler.
struct Source {
    std::variant<const data::TokenFile*, const data::Windows*> tokens;
    double weight;
};

// Sequences are windows of `length` tokens (and one more, the last target). Domains take turns by weight, evenly spread
// along a golden-ratio sequence; within a domain every window is seen once an epoch, each epoch in another order.
class SequenceSampler {
  public:
    // Throws Error when a domain is shorter than one window, or cut into others.
    SequenceSampler(std::vector<Source> sources, int64_t length, uint64_t seed);

    // Puts sequence number `n` of the run into inputs and targets (`length` each). Numbers ascend by one from the
    // position; any other number seeks.
    void sequence(int64_t n, std::span<int32_t> inputs, std::span<int32_t> targets);

    int64_t drawn(size_t source) const { return drawn_[source]; }  // sequences so far
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
