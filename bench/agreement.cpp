// What the arithmetic of one kernel variant changes in a model's predictions, beside another's, by how far into the
// text they are: bench_agreement MODEL TEXT_FILE VARIANT OTHER [TOKENS]. For attention's products of bf16 behind 1024
// keys: avx512 (where there is bf16) and avx2. avx2 and sse4 round alike and show what the order of sums does;
// reference rounds nothing.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"
#include "engine/session.h"
#include "kernels/simd/variant.h"
#include "model/files/load.h"
#include "model/model.h"

using namespace gremium;

namespace {

constexpr int64_t chunk = 512;

// Natural-log probabilities of a chunk, [chunk, V].
std::vector<double> log_probabilities(engine::Session& session, std::string_view variant,
                                      std::span<const int32_t> tokens) {
    kernels::force(variant);
    std::vector<double> rows;
    session.evaluate_all(tokens, [&](int64_t, std::span<const float> logits) {
        const double top = *std::ranges::max_element(logits);
        double sum = 0;
        for (const float x : logits) sum += std::exp(x - top);
        for (const float x : logits) rows.push_back(x - top - std::log(sum));
    });
    return rows;
}

struct Agreement {
    int64_t tokens = 0, same_best = 0;
    double nats = 0, other_nats = 0, divergence = 0, worst = 0;

    void add(std::span<const double> p, std::span<const double> q, size_t next) {
        double kl = 0;
        for (size_t i = 0; i < p.size(); ++i) kl += std::exp(p[i]) * (p[i] - q[i]);
        ++tokens;
        same_best += std::ranges::max_element(p) - p.begin() == std::ranges::max_element(q) - q.begin();
        nats -= p[next];
        other_nats -= q[next];
        divergence += kl;
        worst = std::max(worst, kl);
    }
};

void measure(const std::shared_ptr<const Model>& model, std::span<const int32_t> tokens, std::string_view variant,
             std::string_view other) {
    const engine::SessionOptions options{.context = std::ssize(tokens), .prefill_chunk = chunk};
    engine::Session mine(model, options), theirs(model, options);
    const size_t V = static_cast<size_t>(model->spec.vocab);
    std::map<int64_t, Agreement> by_distance;  // positions below the key, from half of it on
    for (size_t first = 0; first + 1 < tokens.size(); first += chunk) {
        const auto part = tokens.subspan(first, std::min<size_t>(chunk, tokens.size() - 1 - first));
        const auto p = log_probabilities(mine, variant, part), q = log_probabilities(theirs, other, part);
        for (size_t i = 0; i < part.size(); ++i)
            by_distance[std::bit_ceil(std::max<size_t>(chunk, first + i + 1))].add(
                std::span(p).subspan(i * V, V), std::span(q).subspan(i * V, V),
                static_cast<size_t>(tokens[first + i + 1]));
    }
    fmt::print("{:>14} {:>8} {:>11} {:>11} {:>10} {:>10} {:>10}\n", "positions", "tokens", "nats/token", "difference",
               "mean KL", "worst KL", "same best");
    for (const auto& [end, a] : by_distance) {
        const double n = static_cast<double>(a.tokens);
        fmt::print("{:>14} {:>8} {:>11.4f} {:>+11.1e} {:>10.1e} {:>10.1e} {:>9.2f}%\n", fmt::format("below {}", end),
                   a.tokens, a.other_nats / n, (a.nats - a.other_nats) / n, a.divergence / n, a.worst,
                   100 * static_cast<double>(a.same_best) / n);
    }
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 5 && argc != 6) fail("usage: bench_agreement MODEL TEXT_FILE VARIANT OTHER [TOKENS]");
    const auto model = load_model(argv[1]);
    if (!model->tokenizer) fail("{}: holds no tokenizer", argv[1]);
    std::vector<int32_t> ids = model->tokenizer->encode(read_text_file(argv[2]));
    const size_t most = argc == 6 ? std::stoul(argv[5]) : static_cast<size_t>(model->spec.context);
    ids.resize(std::min(ids.size(), most));
    measure(model, ids, argv[3], argv[4]);
} catch (const std::exception& error) {
    fmt::print(stderr, "bench_agreement: {}\n", error.what());
    return 1;
}
