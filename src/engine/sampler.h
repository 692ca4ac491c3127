// Samples a token from logits.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/random.h"

namespace gremium::engine {

struct SamplerOptions {
    float temperature = 0.8f;      // 0: the most probable token
    int top_k = 40;                // 0 or less: all
    float top_p = 0.95f;           // 1: all; 0: the most probable token
    float min_p = 0.05f;           // keep tokens at least this share of the best one's probability; 0: all
    float repetition_penalty = 1;  // divides positive logits of recent tokens, multiplies negative ones
    int repetition_window = 64;    // below 0: all
    uint64_t seed = 0;
};

// Throws Error for what is out of its range.
void check(const SamplerOptions& options);

// Order as in llama.cpp: penalty, top-k, top-p, min-p, temperature. Deterministic given the seed.
class Sampler {
  public:
    // Throws Error as check().
    explicit Sampler(const SamplerOptions& options);
    int32_t sample(std::span<const float> logits_V);
    // Remembers a token for the repetition penalty; call it for prompt tokens too.
    void accept(int32_t token);

  private:
    struct Candidate {
        int32_t token;
        float logit;
    };
    static bool better(const Candidate& a, const Candidate& b);
    // Fills candidates_, with penalties applied.
    void collect(std::span<const float> logits_V);
    // Sorts them, best first.
    void keep_top_k();
    void keep_top_p();
    void keep_min_p();
    int32_t draw();

    SamplerOptions options_;
    Random random_;
    std::deque<int32_t> recent_;
    std::unordered_map<int32_t, int64_t> occurrences_;  // of each recent token
    std::vector<Candidate> candidates_;
};

}  // namespace gremium::engine
