#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace gremium::engine {

namespace {

constexpr float lowest = -std::numeric_limits<float>::infinity();

}  // namespace

void check(const SamplerOptions& options) {
    if (!(options.temperature >= 0 && std::isfinite(options.temperature)))
        fail("temperature is {}, expected 0 or more", options.temperature);
    if (!(options.top_p >= 0 && options.top_p <= 1)) fail("top-p is {}, expected 0 to 1", options.top_p);
    if (!(options.min_p >= 0 && options.min_p <= 1)) fail("min-p is {}, expected 0 to 1", options.min_p);
    if (!(options.repetition_penalty > 0 && std::isfinite(options.repetition_penalty)))
        fail("the repetition penalty is {}, expected a positive number", options.repetition_penalty);
}

Sampler::Sampler(const SamplerOptions& options) : options_(options), random_(options.seed) { check(options); }

void Sampler::accept(int32_t token) {
    recent_.push_back(token);
    ++occurrences_[token];
    if (options_.repetition_window < 0 || std::ssize(recent_) <= options_.repetition_window) return;
    if (--occurrences_[recent_.front()] == 0) occurrences_.erase(recent_.front());
    recent_.pop_front();
}

int32_t Sampler::sample(std::span<const float> logits_V) {
    if (logits_V.empty()) fail("no logits to sample from");
    collect(logits_V);
    if (options_.temperature == 0) return std::ranges::min_element(candidates_, better)->token;
    keep_top_k();
    keep_top_p();
    keep_min_p();
    return draw();
}

// By logit, and equal logits by id, so that the order and with it the result is always the same.
bool Sampler::better(const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

void Sampler::collect(std::span<const float> logits_V) {
    candidates_.resize(logits_V.size());
    for (size_t i = 0; i < logits_V.size(); ++i)
        candidates_[i] = {static_cast<int32_t>(i), std::isnan(logits_V[i]) ? lowest : logits_V[i]};
    if (options_.repetition_penalty == 1) return;
    for (const auto& [token, count] : occurrences_) {
        if (token < 0 || static_cast<size_t>(token) >= candidates_.size()) continue;
        float& logit = candidates_[static_cast<size_t>(token)].logit;
        logit = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
    }
}

void Sampler::keep_top_k() {
    const auto k = static_cast<size_t>(std::max(0, options_.top_k));
    if (k == 0 || k >= candidates_.size()) {
        std::ranges::sort(candidates_, better);
        return;
    }
    std::ranges::partial_sort(candidates_, candidates_.begin() + options_.top_k, better);
    candidates_.resize(k);
}

// The fewest of the most probable tokens whose probabilities sum to top_p.
void Sampler::keep_top_p() {
    if (options_.top_p >= 1) return;
    double total = 0, sum = 0;
    const float best = candidates_.front().logit;
    for (const Candidate& c : candidates_) total += std::exp(double{c.logit} - best);
    for (size_t i = 0; i < candidates_.size(); ++i) {
        sum += std::exp(double{candidates_[i].logit} - best);
        if (sum >= double{options_.top_p} * total) {
            candidates_.resize(i + 1);
            return;
        }
    }
}

void Sampler::keep_min_p() {
    if (options_.min_p <= 0) return;
    const double least = candidates_.front().logit + std::log(double{options_.min_p});
    while (candidates_.size() > 1 && candidates_.back().logit < least) candidates_.pop_back();
}

int32_t Sampler::draw() {
    double total = 0;
    const auto weight = [&](const Candidate& c) {
        return std::exp((double{c.logit} - candidates_.front().logit) / options_.temperature);
    };
    for (const Candidate& c : candidates_) total += weight(c);
    double left = random_.uniform() * total;
    for (const Candidate& c : candidates_) {
        left -= weight(c);
        if (left < 0) return c.token;
    }
    // Reached only by rounding, or if no logit is finite.
    return candidates_.front().token;
}

}  // namespace gremium::engine
