#include "bench/training.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/median.h"
#include "base/random.h"
#include "bench/limits.h"
#include "model/spec/size.h"
#include "model/spec/validate.h"
#include "train/full_model.h"

namespace gremium::bench {

using train::FullModel;
using train::Learner;
using train::Phases;
using train::TrainingConfig;

namespace {

ModelSpec spec_of(const BenchShape& shape, bool dense) {
    Outline model = train::default_model();
    model.model.architecture = dense ? "llama" : "mixtral";
    model.model.name = "bench";
    model.model.dim = shape.dim;
    model.model.context = static_cast<int>(shape.sequence);
    model.model.tied_head = false;
    model.layers = shape.layers;
    model.attention.heads = model.attention.kv_heads = shape.heads;
    if (dense) {
        model.dense.hidden = shape.top_k * shape.hidden;
    } else {
        model.moe.router.experts = shape.experts;
        model.moe.router.top_k = shape.top_k;
        model.moe.hidden = shape.hidden;
    }
    const ModelSpec spec = train::model_spec(model, shape.vocab);
    validate(spec, "--shape");
    return spec;
}

double total(const Phases& phases) { return phases.forward + phases.backward + phases.update; }

TrainingConfig config_of(const BenchShape& shape, DType compute, int64_t micro_batch) {
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
    return config;
}

// One model in training, always on the same random tokens.
class Training {
  public:
    Training(const BenchShape& shape, const ModelSpec& spec, const TrainingConfig& config)
        : tokens_(config.batch_tokens), model_(spec, config), learner_(model_, config) {
        Random random(1);
        inputs_.resize(static_cast<size_t>(tokens_));
        for (int32_t& id : inputs_) id = static_cast<int32_t>(random.below(static_cast<uint64_t>(shape.vocab)));
        targets_.assign(inputs_.begin() + 1, inputs_.end());
        targets_.push_back(inputs_.front());
        bench_.flops_per_token = 3 * size_of(spec).flops_per_token;
        bench_.parameters = model_.parameters().count();
        step();  // warms up
        steps_.clear();
    }

    double step() {  // seconds
        bench_.loss = learner_.step(inputs_, targets_, done_++, 3e-4).losses.cross_entropy;
        steps_.push_back(learner_.phases());
        return total(steps_.back());
    }

    TrainBench result() {
        if (steps_.empty()) steps_.push_back(learner_.phases());
        std::ranges::sort(steps_, {}, total);
        bench_.phases = steps_[steps_.size() / 2];
        bench_.tokens_per_second = static_cast<double>(tokens_) / total(bench_.phases);
        bench_.gflops = 1e-9 * bench_.tokens_per_second * static_cast<double>(bench_.flops_per_token);
        return bench_;
    }

  private:
    int64_t tokens_, done_ = 0;
    FullModel model_;
    Learner learner_;
    std::vector<int32_t> inputs_, targets_;
    std::vector<Phases> steps_;
    TrainBench bench_;
};

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
    const BenchShape shape{small(0), small(1), small(2), small(3), small(4), small(5), small(6), values[7], values[8]};
    if (shape.dim % shape.heads != 0 || shape.dim / shape.heads % 2 != 0) {
        fail("--shape {}: D = {} must be an even multiple of H = {}", text, shape.dim, shape.heads);
    }
    return shape;
}

std::string to_string(const BenchShape& s) {
    return fmt::format("{},{},{},{},{},{},{},{},{}", s.dim, s.layers, s.heads, s.experts, s.top_k, s.hidden, s.vocab,
                       s.batch, s.sequence);
}

TrainBench run_train_bench(const BenchShape& shape, DType compute, int steps, int64_t micro_batch) {
    Training training(shape, spec_of(shape, false), config_of(shape, compute, micro_batch));
    for (int i = 0; i < steps; ++i) training.step();
    TrainBench result = training.result();
    result.peak_gflops = peak_gflops(compute);
    return result;
}

MixtureCost run_mixture_bench(const BenchShape& shape, DType compute, int steps, int64_t micro_batch) {
    const TrainingConfig config = config_of(shape, compute, micro_batch);
    Training mixture(shape, spec_of(shape, false), config), dense(shape, spec_of(shape, true), config);
    std::vector<double> ratios;
    for (int i = 0; i < steps; ++i) {
        const double mixed = mixture.step();
        ratios.push_back(dense.step() / mixed);
    }
    return {mixture.result(), dense.result(), median(ratios)};
}

}  // namespace gremium::bench
