#include "train/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "data/permutation.h"

namespace gremium::train {
namespace {

constexpr uint64_t golden_ratio = 0x9E3779B97F4A7C15ull;  // 2^64 / φ

int64_t windows(const Source& source, int64_t length) {
    if (const auto* cut = std::get_if<const data::Windows*>(&source.tokens)) return std::ssize(**cut);
    return (std::get<const data::TokenFile*>(source.tokens)->tokens() - 1) / length;
}

// The window at a position of an epoch.
int64_t in_turn(int64_t count, int64_t position, Random& random) {
    const data::Permutation order(static_cast<uint64_t>(count), random.bits());
    return static_cast<int64_t>(order(static_cast<uint64_t>(position)));
}

void check(const Source& source, int64_t length) {
    if (const auto* file = std::get_if<const data::TokenFile*>(&source.tokens)) {
        if (windows(source, length) < 1)
            fail("{}: {} tokens, at least one sequence of {} + 1 expected", (*file)->path().string(), (*file)->tokens(),
                 length);
        return;
    }
    const data::Windows& cut = *std::get<const data::Windows*>(source.tokens);
    if (cut.empty()) fail("no text to train on");
    for (const std::vector<int32_t>& window : cut)
        if (std::ssize(window) != length + 1) fail("windows of one length expected");
}

}  // namespace

SequenceSampler::SequenceSampler(std::vector<Source> sources, int64_t length, uint64_t seed)
    : sources_(std::move(sources)),
      drawn_(sources_.size(), 0),
      length_(length),
      seed_(seed),
      window_(static_cast<size_t>(length + 1)) {
    double total = 0, sum = 0;
    for (const Source& source : sources_) {
        total += source.weight;
        check(source, length);
    }
    for (const Source& source : sources_) {
        sum += source.weight;
        bounds_.push_back(static_cast<uint64_t>(std::min(sum / total, 1 - 0x1p-53) * 0x1p64));
    }
    bounds_.back() = ~uint64_t{0};
}

size_t SequenceSampler::source_of(int64_t n) const {
    const uint64_t point = mix64(seed_) + golden_ratio * static_cast<uint64_t>(n);
    return static_cast<size_t>(std::upper_bound(bounds_.begin(), bounds_.end() - 1, point) - bounds_.begin());
}

void SequenceSampler::seek(int64_t n) {
    std::fill(drawn_.begin(), drawn_.end(), 0);
    for (next_ = 0; next_ < n; ++next_) ++drawn_[source_of(next_)];
}

void SequenceSampler::sequence(int64_t n, std::span<int32_t> inputs, std::span<int32_t> targets) {
    if (n != next_) seek(n);
    const size_t which = source_of(next_++);
    const Source& source = sources_[which];
    const int64_t count = windows(source, length_);
    const int64_t epoch = drawn_[which] / count, position = drawn_[which] % count;
    ++drawn_[which];

    Random random(seed_, mix64(which) + static_cast<uint64_t>(epoch));
    if (const auto* file = std::get_if<const data::TokenFile*>(&source.tokens)) {
        // The tokens left over by the windows are used to shift them, so that epochs cut the text at different places.
        const int64_t slack = (*file)->tokens() - 1 - count * length_;
        const auto shift = static_cast<int64_t>(random.below(static_cast<uint64_t>(slack) + 1));
        (*file)->read(shift + in_turn(count, position, random) * length_, window_);
    } else {
        window_ =
            (*std::get<const data::Windows*>(source.tokens))[static_cast<size_t>(in_turn(count, position, random))];
    }
    std::copy(window_.begin(), window_.end() - 1, inputs.begin());
    std::copy(window_.begin() + 1, window_.end(), targets.begin());
}

double SequenceSampler::epochs(size_t source) const {
    return static_cast<double>(drawn_[source]) / static_cast<double>(windows(sources_[source], length_));
}

}  // namespace gremium::train
