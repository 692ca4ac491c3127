// What several tests of this room use.
#pragma once

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/session.h"
#include "tests/source_directory.h"

namespace gremium {

// A file of ../shared/fixtures without its ending, or an empty path where that is absent.
inline std::filesystem::path shared_fixture(const std::string& name) {
    const char* named = std::getenv("GREMIUM_SHARED");
    const std::filesystem::path shared = named ? named : test::source_directory() / "../shared";
    const std::filesystem::path path = shared / "fixtures" / name;
    return std::filesystem::exists(path.string() + ".gguf") ? path : std::filesystem::path{};
}

inline std::vector<double> log_softmax(std::span<const float> logits) {
    double best = logits[0], sum = 0;
    for (float l : logits) best = std::max(best, double{l});
    for (float l : logits) sum += std::exp(l - best);
    std::vector<double> result;
    for (float l : logits) result.push_back(l - best - std::log(sum));
    return result;
}

// Log-probabilities after each token, given to a fresh session `step` tokens at a time.
inline std::vector<std::vector<double>> all_logprobs(std::shared_ptr<const Model> model,
                                                     std::span<const int32_t> tokens,
                                                     const engine::SessionOptions& options = {},
                                                     size_t step = SIZE_MAX) {
    engine::Session session(std::move(model), options);
    std::vector<std::vector<double>> rows;
    for (size_t begin = 0; begin < tokens.size(); begin += std::min(step, tokens.size()))
        session.evaluate_all(tokens.subspan(begin, std::min(step, tokens.size() - begin)),
                             [&](int64_t, std::span<const float> logits) { rows.push_back(log_softmax(logits)); });
    return rows;
}

}  // namespace gremium
