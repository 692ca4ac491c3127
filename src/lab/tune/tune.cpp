#include "lab/tune/tune.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/random.h"
#include "data/permutation.h"
#include "lab/edit/trainable.h"
#include "lab/find/find.h"
#include "model/decoder.h"
#include "model/files/bind.h"
#include "tensor/quantised/blocks.h"
#include "versions/hash.h"
#include "versions/named_tensors.h"

namespace gremium::lab {
namespace {

using moe::ExpertId;
using Key = std::pair<std::string, int>;  // name, expert

Key key_of(const TensorSlot& slot) { return {slot.name, slot.expert}; }

// The rows that training moves; corrections of the selection are not learned by gradients.
bool is_router(const TensorSlot& slot) { return slot.of_router() && slot.role != TensorRole::correction; }

bool wanted(const TensorSlot& slot, const TuneOptions& options) {
    if (options.everything) return slot.role != TensorRole::correction;
    if (slot.role == TensorRole::expert_bias && options.rank > 0) return false;
    if (slot.of_experts()) return options.experts.contains({slot.layer, slot.expert});
    const auto of_layer = [&](ExpertId id) { return id.layer == slot.layer; };
    return options.routers && is_router(slot) && std::ranges::any_of(options.experts, of_layer);
}

// The copy of a model that is trained: f32 masters, the rest as it is or unpacked.
class Trainee {
  public:
    Trainee(const Model& model, const TuneOptions& options) : tensors_(model) {
        for (const TensorSlot& slot : trained_slots(model, options)) {
            Trainable& t = trained_.emplace(key_of(slot), Trainable(slot, tensors_(slot))).first->second;
            if (options.rank > 0 && slot.role == TensorRole::expert)
                t.make_low_rank(options.rank, static_cast<float>(options.alpha / options.rank),
                                mix64(options.seed) + trained_.size());
            if (options.everything || !is_router(slot)) continue;
            std::vector<bool> rows(static_cast<size_t>(slot.shape[0]));
            for (const ExpertId id : options.experts)
                if (id.layer == slot.layer) rows[static_cast<size_t>(id.expert)] = true;
            t.keep_rows(std::move(rows));
        }
        model_ = bind_model(
            model.spec, [&](const TensorSlot& slot) { return weight_of(slot); }, moe::Residency::mapped);
    }

    const Model& model() const { return *model_; }
    std::map<Key, Trainable>& trained() { return trained_; }

  private:
    ops::Weight weight_of(const TensorSlot& slot) {
        if (slot.of_experts() && slot.expert < 0) return {};
        const auto trained = trained_.find(key_of(slot));
        if (trained != trained_.end()) return trained->second.weight();
        const TensorView value = tensors_(slot);
        if (value.dtype == DType::f32 || value.dtype == DType::bf16) return {value, {}};
        const Tensor copy = unpacked_.emplace_back(DType::f32, value.shape).get();
        convert(value, copy);
        return {copy, {}};
    }

    versions::NamedTensors tensors_;
    std::map<Key, Trainable> trained_;
    std::vector<OwnedTensor> unpacked_;
    std::shared_ptr<const Model> model_;
};

// Windows in a random order, another one each time that all have been drawn.
class Deck {
  public:
    Deck(const data::Windows& windows, uint64_t seed) : windows_(windows), seed_(seed) {}

    const std::vector<int32_t>& draw() {
        const uint64_t n = windows_.size(), i = drawn_++;
        return windows_[data::Permutation(n, mix64(seed_) + i / n)(i % n)];
    }

  private:
    const data::Windows& windows_;
    uint64_t seed_, drawn_ = 0;
};

class Tuner {
  public:
    Tuner(const Model& model, const data::Windows& text, const data::Windows& replay, const TuneOptions& options)
        : options_(options), text_(text, options.seed), replay_(replay, options.seed + 1), trainee_(model, options) {
        if (text.empty()) fail("no text to train on");
        length_ = std::ssize(text.front()) - 1;
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
            const std::vector<int32_t>& window = random.uniform() < replay_share_ ? replay_.draw() : text_.draw();
            inputs.insert(inputs.end(), window.begin(), window.end() - 1);
            targets.insert(targets.end(), window.begin() + 1, window.end());
            for (int64_t t = 0; t < length_; ++t) positions.push_back(static_cast<int32_t>(t));
        }
        for (auto& [key, t] : trainee_.trained()) t.zero_gradient();
        const Model& model = trainee_.model();
        const Forward out = forward(
            graph_, model, {.tokens = inputs, .positions = positions, .sequences = {}, .sequence_length = length_});
        const ops::Var loss =
            ops::cross_entropy(graph_, out.hidden_TD, model.weights.head, targets, {.bias = model.weights.head_bias});
        const double value = *loss->value.f32();
        graph_.backward(loss);
        graph_.clear();
        arena_.clear();
        return value;
    }

    void update(int64_t step) {
        double square = 0;
        for (auto& [key, t] : trainee_.trained()) square += t.finish_gradient();
        const double norm = std::sqrt(square), n = static_cast<double>(step + 1);
        if (!std::isfinite(norm)) fail("step {}: the gradient is not finite; a lower learning rate may help", step);
        const double steps = static_cast<double>(options_.steps), warm = std::max(1.0, steps / 10);
        const double rate = learning_rate(options_) * std::min(n / warm, (steps - n + 1) / std::max(1.0, steps - warm));
        const kernels::AdamW adamw{.lr = static_cast<float>(rate),
                                   .grad_scale = static_cast<float>(norm > 1 ? 1 / norm : 1),
                                   .correction_m = static_cast<float>(1 - std::pow(0.9, n)),
                                   .correction_v = static_cast<float>(1 - std::pow(0.95, n))};
        for (auto& [key, t] : trainee_.trained()) t.update(adamw);
    }

    const TuneOptions& options_;
    Deck text_, replay_;
    int64_t length_ = 0;
    double replay_share_ = 0;
    Trainee trainee_;
    Arena arena_;
    ops::Graph graph_{arena_, {.record = true, .compute = DType::bf16, .activation = DType::bf16}};
};

// The old model with the trained tensors in their old types.
std::shared_ptr<const Model> with_trained(const std::shared_ptr<const Model>& base,
                                          const std::map<Key, Trainable>& trained) {
    struct Storage {
        std::shared_ptr<const Model> base;
        std::vector<OwnedTensor> tensors;
    };
    const auto storage = std::make_shared<Storage>(Storage{base, {}});
    const versions::NamedTensors tensors(*base);
    const auto find = [&](const TensorSlot& slot) -> ops::Weight {
        const auto found = trained.find(key_of(slot));
        if (found == trained.end()) return {tensors(slot), {}};
        const Tensor rounded = storage->tensors.emplace_back(found->second.stored(), slot.shape).get();
        convert(found->second.weight().value, rounded);
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

double learning_rate(const TuneOptions& options) {
    if (options.lr > 0) return options.lr;
    return options.everything ? 1e-3 : options.rank > 0 ? 1e-2 : 5e-3;
}

std::vector<TensorSlot> trained_slots(const Model& model, const TuneOptions& options) {
    for (const ExpertId id : options.experts) {
        if (!model.experts) fail("{} has no experts", model.source);
        model.experts->peek(id);
    }
    std::vector<TensorSlot> slots = versions::single_slots(model.spec);
    std::erase_if(slots, [&](const TensorSlot& slot) { return !wanted(slot, options); });
    if (slots.empty()) fail("{}: nothing to train", model.source);
    return slots;
}

Tuned tune(std::shared_ptr<const Model> model, const data::Windows& text, const data::Windows& replay,
           const TuneOptions& options) {
    Tuner tuner(*model, text, replay, options);
    tuner.run();
    std::map<Key, Trainable>& trained = tuner.trainee().trained();
    Tuned result{with_trained(model, trained), {model->spec.name, versions::model_hash(*model), {}}};
    for (auto& [key, t] : trained)
        if (t.low_rank()) result.adapter.parts.push_back({t.slot(), t.take_low_rank()});
    return result;
}

std::set<ExpertId> experts_for(const Model& model, const data::Windows& text, double share, bool by_gate) {
    std::map<int, std::vector<std::pair<double, ExpertId>>> layers;
    for (const ExpertUse& use : measure_use(model, text))
        layers[use.id.layer].push_back({-(by_gate ? use.gate() : use.token_ratio), use.id});
    // An expert is among those that have the sum p of relevance if the ones before it in its layer have less.
    std::vector<std::pair<double, ExpertId>> all;
    for (auto& [layer, experts] : layers) {
        std::ranges::sort(experts);
        double before = 0;
        for (const auto& [relevance, id] : experts) {
            all.push_back({before, id});
            before -= relevance;
        }
    }
    std::ranges::sort(all);
    const double most = share * static_cast<double>(all.size());
    std::set<ExpertId> chosen;
    for (const auto& [before, id] : all)
        if (before == 0 || static_cast<double>(chosen.size() + 1) <= most) chosen.insert(id);
    return chosen;
}

std::vector<std::string> differing_tensors(const Model& a, const Model& b) {
    if (a.spec != b.spec) fail("{} and {} are not of one shape", a.source, b.source);
    const versions::NamedTensors ours(a), theirs(b);
    std::vector<std::string> names;
    for (const TensorSlot& slot : versions::single_slots(a.spec)) {
        const TensorView x = ours(slot), y = theirs(slot);
        const bool same = x.dtype == y.dtype && std::memcmp(x.data, y.data, static_cast<size_t>(x.bytes())) == 0;
        if (!same) names.push_back(versions::name_of(slot));
    }
    return names;
}

}  // namespace gremium::lab
