#include "lab/tune.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/random.h"
#include "kernels/rowwise.h"
#include "lab/find.h"
#include "lab/named_tensors.h"
#include "model/decoder.h"
#include "tensor/blocks.h"

namespace gremium::lab {
namespace {

using moe::ExpertId;
using Key = std::pair<std::string, int>;  // name, expert

Key key_of(const TensorSlot& slot) { return {slot.name, slot.expert}; }

// A tensor that is trained.
struct Parameter {
    TensorSlot slot;
    DType stored;
    OwnedTensor weight, gradient, momentum, variance;  // f32
    std::vector<bool> rows;                            // those trained; empty: all

    Parameter(const TensorSlot& s, TensorView value)
        : slot(s),
          stored(value.dtype),
          weight(DType::f32, s.shape),
          gradient(DType::f32, s.shape),
          momentum(DType::f32, s.shape),
          variance(DType::f32, s.shape) {
        std::ranges::copy(to_floats(value), weight.get().f32());
    }

    // A vector of a layer's experts has an element a row.
    void keep_rows() {
        if (rows.empty()) return;
        const int64_t width = gradient.get().count() / std::ssize(rows);
        for (size_t r = 0; r < rows.size(); ++r)
            if (!rows[r]) std::fill_n(gradient.get().f32() + static_cast<int64_t>(r) * width, width, 0.0f);
    }
    void zero() { std::fill_n(gradient.get().f32(), gradient.get().count(), 0.0f); }
};

bool is_router(const TensorSlot& slot) {
    return slot.name.ends_with("ffn_gate_inp.weight") || slot.name.ends_with("ffn_gate_inp.bias");
}

// The copy of a model that is trained: f32 masters, the rest as it is or unpacked.
class Trainee {
  public:
    Trainee(const Model& model, const TuneOptions& options) : tensors_(model) {
        for (const TensorSlot& slot : single_slots(model.spec)) {
            const TensorView value = tensors_(slot);
            if (!wanted(slot, options)) continue;
            Parameter& p = parameters_.emplace(key_of(slot), Parameter(slot, value)).first->second;
            if (options.everything || !is_router(slot)) continue;
            p.rows.resize(static_cast<size_t>(slot.shape[0]));
            for (const ExpertId id : options.experts)
                if (id.layer == slot.layer) p.rows[static_cast<size_t>(id.expert)] = true;
        }
        if (parameters_.empty()) fail("{}: nothing to train", model.source);
        model_ = bind_model(
            model.spec, [&](const TensorSlot& slot) { return weight_of(slot); }, moe::Residency::mapped);
    }

    const Model& model() const { return *model_; }
    std::map<Key, Parameter>& parameters() { return parameters_; }

  private:
    static bool wanted(const TensorSlot& slot, const TuneOptions& options) {
        if (options.everything) return slot.role != TensorRole::correction;
        if (slot.of_experts()) return options.experts.contains({slot.layer, slot.expert});
        const auto of_layer = [&](ExpertId id) { return id.layer == slot.layer; };
        return options.routers && is_router(slot) && std::ranges::any_of(options.experts, of_layer);
    }

    ops::Weight weight_of(const TensorSlot& slot) {
        if (slot.of_experts() && slot.expert < 0) return {};
        const auto trained = parameters_.find(key_of(slot));
        if (trained != parameters_.end()) return {trained->second.weight, trained->second.gradient};
        const TensorView value = tensors_(slot);
        if (value.dtype == DType::f32 || value.dtype == DType::bf16) return {value, {}};
        const Tensor copy = unpacked_.emplace_back(DType::f32, value.shape).get();
        convert(value, copy);
        return {copy, {}};
    }

    NamedTensors tensors_;
    std::map<Key, Parameter> parameters_;
    std::vector<OwnedTensor> unpacked_;
    std::shared_ptr<const Model> model_;
};

class Tuner {
  public:
    Tuner(const Model& model, const Windows& text, const Windows& replay, const TuneOptions& options)
        : options_(options), text_(text), replay_(replay), trainee_(model, options) {
        if (text.empty()) fail("no text to train on");
        const bool replays = !replay.empty() && options.replay > 0;
        if (replays && replay.front().size() != text.front().size()) fail("windows of one length expected");
        replay_share_ = replays ? options.replay : 0;
    }

    void run() {
        for (int64_t step = 0; step < options_.steps; ++step) {
            const double loss = forward_and_backward(step);
            update(step);
            if (options_.on_step) options_.on_step(step, loss);
        }
    }
    Trainee& trainee() { return trainee_; }

  private:
    double forward_and_backward(int64_t step) {
        Random random(options_.seed, static_cast<uint64_t>(step));
        std::vector<int32_t> inputs, targets, positions;
        for (int64_t i = 0; i < options_.batch; ++i) {
            const Windows& from = random.uniform() < replay_share_ ? replay_ : text_;
            const std::vector<int32_t>& window = from[random.below(from.size())];
            inputs.insert(inputs.end(), window.begin(), window.end() - 1);
            targets.insert(targets.end(), window.begin() + 1, window.end());
            for (size_t t = 0; t + 1 < window.size(); ++t) positions.push_back(static_cast<int32_t>(t));
        }
        for (auto& [key, p] : trainee_.parameters()) p.zero();
        const Model& model = trainee_.model();
        const Forward out = forward(graph_, model,
                                    {.tokens = inputs,
                                     .positions = positions,
                                     .sequences = {},
                                     .sequence_length = std::ssize(text_.front()) - 1});
        const ops::Var loss = ops::cross_entropy(graph_, out.hidden_TD, model.weights.head, targets,
                                                 {.bias = model.weights.head_bias});
        const double value = *loss->value.f32();
        graph_.backward(loss);
        graph_.clear();
        arena_.clear();
        return value;
    }

    void update(int64_t step) {
        double square = 0;
        for (auto& [key, p] : trainee_.parameters()) {
            p.keep_rows();
            square += kernels::sum_of_squares(p.gradient);
        }
        const double norm = std::sqrt(square), n = static_cast<double>(step + 1);
        if (!std::isfinite(norm))
            fail("step {}: the gradient is not finite; a lower learning rate may help", step);
        const double steps = static_cast<double>(options_.steps), warm = std::max(1.0, steps / 10);
        const double rate = options_.lr * std::min(n / warm, (steps - n + 1) / std::max(1.0, steps - warm));
        const kernels::AdamW adamw{.lr = static_cast<float>(rate),
                                   .grad_scale = static_cast<float>(norm > 1 ? 1 / norm : 1),
                                   .correction_m = static_cast<float>(1 - std::pow(0.9, n)),
                                   .correction_v = static_cast<float>(1 - std::pow(0.95, n))};
        for (auto& [key, p] : trainee_.parameters())
            kernels::adamw(p.weight, p.momentum, p.variance, p.gradient, {}, adamw);
    }

    const TuneOptions& options_;
    const Windows &text_, &replay_;
    double replay_share_;
    Trainee trainee_;
    Arena arena_;
    ops::Graph graph_{arena_, {.record = true, .compute = DType::bf16, .activation = DType::bf16}};
};

// The old model with the trained tensors in their old types.
std::shared_ptr<const Model> with_trained(const std::shared_ptr<const Model>& base,
                                          std::map<Key, Parameter>& trained) {
    struct Storage {
        std::shared_ptr<const Model> base;
        std::vector<OwnedTensor> tensors;
    };
    const auto storage = std::make_shared<Storage>(Storage{base, {}});
    const NamedTensors tensors(*base);
    const auto find = [&](const TensorSlot& slot) -> ops::Weight {
        const auto found = trained.find(key_of(slot));
        if (found == trained.end()) return {tensors(slot), {}};
        const Tensor rounded = storage->tensors.emplace_back(found->second.stored, slot.shape).get();
        convert(found->second.weight, rounded);
        return {rounded, {}};
    };
    const std::shared_ptr<Model> model = bind_model(base->spec, find, moe::Residency::mapped);
    model->tokenizer = base->tokenizer;
    model->tokenizer_error = base->tokenizer_error;
    model->source = base->source + ", tuned";
    model->storage = storage;
    return model;
}

}  // namespace

Tuned tune(std::shared_ptr<const Model> model, const Windows& text, const Windows& replay,
           const TuneOptions& options) {
    for (const ExpertId id : options.experts) {
        if (!model->experts) fail("{} has no experts", model->source);
        model->experts->peek(id);
    }
    Tuner tuner(*model, text, replay, options);
    tuner.run();
    Tuned result;
    for (const auto& [key, p] : tuner.trainee().parameters()) {
        const auto rows = std::ranges::count(p.rows, true);
        result.trained.push_back(name_of(p.slot) + (rows ? fmt::format(", {} rows", rows) : ""));
    }
    result.model = with_trained(model, tuner.trainee().parameters());
    return result;
}

std::set<ExpertId> experts_for(const Model& model, const Windows& text, double share) {
    std::map<int, std::vector<std::pair<double, int>>> layers;
    for (const ExpertUse& use : measure_use(model, text))
        layers[use.id.layer].push_back({-use.gate(), use.id.expert});
    std::set<ExpertId> chosen;
    for (auto& [layer, experts] : layers) {
        std::ranges::sort(experts);
        const auto most = static_cast<size_t>(share * static_cast<double>(experts.size()));
        for (size_t i = 0; i < std::max<size_t>(1, most); ++i) chosen.insert({layer, experts[i].second});
    }
    return chosen;
}

std::vector<std::string> differing_tensors(const Model& a, const Model& b) {
    if (a.spec != b.spec) fail("{} and {} are not of one shape", a.source, b.source);
    const NamedTensors ours(a), theirs(b);
    std::vector<std::string> names;
    for (const TensorSlot& slot : single_slots(a.spec)) {
        const TensorView x = ours(slot), y = theirs(slot);
        const bool same =
            x.dtype == y.dtype && std::memcmp(x.data, y.data, static_cast<size_t>(x.bytes())) == 0;
        if (!same) names.push_back(name_of(slot));
    }
    return names;
}

}  // namespace gremium::lab
