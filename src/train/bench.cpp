#include "train/bench.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/random.h"

namespace gremium::train {
namespace {

ModelSpec spec_of(const BenchShape& shape) {
    ModelConfig config{.architecture = "mixtral", .name = "bench"};
    config.dim = shape.dim;
    config.layers = shape.layers;
    config.context = static_cast<int>(shape.sequence);
    config.heads = config.kv_heads = shape.heads;
    config.head_dim = shape.dim / shape.heads;
    config.tied_head = false;
    config.experts = shape.experts;
    config.top_k = shape.top_k;
    config.expert_hidden = shape.hidden;
    return model_spec(config, shape.vocab);
}

double total(const Phases& phases) { return phases.forward + phases.backward + phases.update; }

}  // namespace

BenchShape parse_bench_shape(const std::string& text) {
    std::array<int64_t, 9> values{};
    const char *at = text.data(), *end = at + text.size();
    for (size_t i = 0; i < values.size(); ++i) {
        const auto [rest, bad] = std::from_chars(at, end, values[i]);
        const bool follows = i + 1 < values.size() ? rest != end && *rest == ',' : rest == end;
        if (bad != std::errc{} || !follows || values[i] < 1 || values[i] > (1 << 24)) {
            fail("--shape {}: nine positive integers D,L,H,E,K,F,V,B,T expected", text);
        }
        at = rest + 1;
    }
    const auto small = [&](size_t i) { return static_cast<int>(values[i]); };
    const BenchShape shape{small(0), small(1), small(2),  small(3), small(4),
                           small(5), small(6), values[7], values[8]};
    if (shape.dim % shape.heads != 0 || shape.dim / shape.heads % 2 != 0) {
        fail("--shape {}: D = {} must be an even multiple of H = {}", text, shape.dim, shape.heads);
    }
    return shape;
}

std::string to_string(const BenchShape& s) {
    return fmt::format("{},{},{},{},{},{},{},{},{}", s.dim, s.layers, s.heads, s.experts, s.top_k, s.hidden,
                       s.vocab, s.batch, s.sequence);
}

TrainBench run_train_bench(const BenchShape& shape, DType compute, int steps, int64_t micro_batch) {
    const ModelSpec spec = spec_of(shape);
    validate(spec, "--shape");
    if (micro_batch == 0) micro_batch = shape.batch;
    if (micro_batch < 1 || shape.batch % micro_batch != 0) {
        fail("--shape: a batch of {} is not a multiple of {} sequences", shape.batch, micro_batch);
    }
    TrainingConfig config;
    config.sequence = shape.sequence;
    config.batch_tokens = shape.batch * shape.sequence;
    config.micro_batch = micro_batch;
    config.compute = compute;
    config.z_coef = 0;  // as in the PyTorch program this is compared with
    Learner learner(spec, config);

    Random random(1);
    std::vector<int32_t> inputs(static_cast<size_t>(config.batch_tokens)), targets(inputs.size());
    for (int32_t& id : inputs) id = static_cast<int32_t>(random.below(static_cast<uint64_t>(shape.vocab)));
    std::copy(inputs.begin() + 1, inputs.end(), targets.begin());
    targets.back() = inputs.front();

    TrainBench bench;
    std::vector<Phases> timed;
    for (int step = 0; step <= steps; ++step) {
        bench.loss = learner.step(inputs, targets, step, 3e-4).losses.cross_entropy;
        if (step > 0) timed.push_back(learner.phases());
    }
    std::sort(timed.begin(), timed.end(),
              [](const Phases& a, const Phases& b) { return total(a) < total(b); });
    bench.phases = timed.empty() ? learner.phases() : timed[timed.size() / 2];
    bench.tokens_per_second = static_cast<double>(config.batch_tokens) / total(bench.phases);
    bench.parameters = learner.parameters().count();
    bench.flops_per_token = 3 * size_of(spec).flops_per_token;
    return bench;
}

}  // namespace gremium::train
