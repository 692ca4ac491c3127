#include "lab/tune/tune.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/hash.h"
#include "base/random.h"
#include "lab/find/find.h"
#include "lab/tune/trainable.h"
#include "lab/tune/tune_state.h"
#include "model/files/bind.h"
#include "model/named_weights.h"
#include "tensor/quantised/blocks.h"
#include "train/learner.h"
#include "train/sampler.h"
#include "train/schedule.h"
#include "versions/hash.h"
#include "versions/manifest.h"
#include "versions/named_tensors.h"

namespace gremium::lab {
namespace {

using moe::ExpertId;
using Key = std::pair<std::string, int>;  // name, expert

Key key_of(const TensorSlot& slot) { return {slot.name, slot.expert}; }

// The router tensors that are trained. Correction biases get no gradients.
bool is_router(const TensorSlot& slot) { return slot.of_router() && slot.role != TensorRole::correction; }

bool wanted(const TensorSlot& slot, const TuneOptions& options) {
    if (options.everything) return slot.role != TensorRole::correction;
    if (slot.role == TensorRole::expert_bias && options.rank > 0) return false;
    if (slot.of_experts()) return options.experts.contains({slot.layer, slot.expert});
    const auto of_layer = [&](ExpertId id) { return id.layer == slot.layer; };
    return options.routers && is_router(slot) && std::ranges::any_of(options.experts, of_layer);
}

// The copy of a model that is trained: f32 masters of what is trained; the rest is unchanged, or unpacked from blocks.
class Student : public train::Trainee {
  public:
    Student(const Model& model, const TuneOptions& options) : tensors_(model) {
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

    const Model& model() const override { return *model_; }
    std::map<Key, Trainable>& trained() { return trained_; }

    train::Trainables trainables() override {
        train::Trainables all;
        for (auto& [key, t] : trained_) t.collect(all);
        return all;
    }
    void updated(const std::vector<train::LayerLoad>&) override {
        for (auto& [key, t] : trained_) t.follow();
    }

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

std::string hash_of(const data::Windows& windows) {
    std::vector<std::span<const std::byte>> bytes;
    for (const std::vector<int32_t>& window : windows) bytes.push_back(std::as_bytes(std::span(window)));
    return windows.empty() ? "" : fmt::format("{} {}", windows.size(), content_hash_of_all(bytes));
}

// Everything that the numbers follow from.
nlohmann::ordered_json what_is_tuned(const std::string& model_hash, const data::Windows& text,
                                     const data::Windows& replay, const TuneOptions& options) {
    std::string experts;
    for (const moe::ExpertId id : options.experts) experts += versions::to_string(id) + " ";
    return {{"model", model_hash},
            {"text", hash_of(text)},
            {"replay", hash_of(replay)},
            {"window", text.empty() ? 0 : text.front().size()},
            {"experts", experts},
            {"routers", options.routers},
            {"everything", options.everything},
            {"lora", options.rank},
            {"alpha", options.rank > 0 ? options.alpha : 0},
            {"steps", options.steps},
            {"batch", options.batch},
            {"replay-share", replay.empty() ? 0 : options.replay},
            {"lr", learning_rate(options)},
            {"seed", options.seed}};
}

// What a recipe would say: AdamW without decay, warm-up over a tenth of the steps, then down in equal parts, so that a
// step after the last would have a rate of 0.
train::TrainingConfig plan_of(const TuneOptions& options, int64_t length) {
    train::TrainingConfig plan{.steps = options.steps,
                               .sequence = length,
                               .batch_tokens = options.batch * length,
                               .micro_batch = options.batch,
                               .lr = learning_rate(options),
                               .schedule = train::ScheduleKind::wsd,
                               .warmup = std::max<int64_t>(1, options.steps / 10),
                               .weight_decay = 0,
                               .clip = 1,
                               .compute = DType::bf16,
                               .balance_coef = 0,
                               .z_coef = 0,
                               .bias_rate = 0,
                               .seed = static_cast<int64_t>(options.seed)};
    const auto falling = static_cast<double>(std::max<int64_t>(1, plan.steps - plan.warmup));
    plan.min_lr = plan.lr / falling;
    plan.decay_share = (falling - 1) / static_cast<double>(std::max<int64_t>(1, plan.steps));
    return plan;
}

std::vector<train::Source> sources_of(const data::Windows& text, const data::Windows& replay, double share) {
    if (text.empty()) fail("no text to train on");
    if (replay.empty() || share <= 0) return {{&text, 1}};
    return {{&text, 1 - share}, {&replay, share}};
}

// The number of steps done.
int64_t train_on(const data::Windows& text, const data::Windows& replay, const TuneOptions& options, Student& student,
                 TuneState& state) {
    const std::vector<train::Source> sources = sources_of(text, replay, options.replay);
    const auto length = std::ssize(text.front()) - 1;
    const train::TrainingConfig plan = plan_of(options, length);
    train::SequenceSampler sampler(sources, length, options.seed);
    train::Learner learner(student, plan);
    std::vector<int32_t> inputs(static_cast<size_t>(plan.batch_tokens)), targets(inputs.size());
    const auto nth = [&](std::vector<int32_t>& ids, int64_t n) {
        return std::span(ids).subspan(static_cast<size_t>(n * length), static_cast<size_t>(length));
    };
    int64_t step = state.begin();
    while (step < plan.steps) {
        for (int64_t i = 0; i < options.batch; ++i)
            sampler.sequence(step * options.batch + i, nth(inputs, i), nth(targets, i));
        const train::StepResult result = learner.step(inputs, targets, step, train::learning_rate(plan, step));
        ++step;
        const bool stop = options.keep_going && !options.keep_going();
        if (stop)
            state.save(step);
        else
            state.keep(step, step == plan.steps);
        if (options.on_step) options.on_step(step - 1, result.losses.cross_entropy);
        if (stop) break;
    }
    return step;
}

// The opened model with the trained tensors, rounded to their stored types.
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
    require_no_factors(*model);
    Student student(*model, options);
    std::map<Key, Trainable>& trained = student.trained();
    const std::string hash = versions::model_hash(*model);
    std::vector<Trainable*> all;
    for (auto& [key, t] : trained) all.push_back(&t);
    TuneState state(options.state, options.resume, what_is_tuned(hash, text, replay, options), std::move(all));
    const int64_t steps = train_on(text, replay, options, student, state);
    Tuned result{with_trained(model, trained), {model->spec.name, hash, {}}, steps};
    for (auto& [key, t] : trained)
        if (t.low_rank()) result.adapter.parts.push_back({t.slot(), t.take_low_rank()});
    return result;
}

std::set<ExpertId> experts_for(const Model& model, const data::Windows& text, double share, bool by_gate,
                               engine::Arithmetic arithmetic) {
    std::map<int, std::vector<std::pair<double, ExpertId>>> layers;
    for (const ExpertUse& use : measure_use(model, text, arithmetic))
        layers[use.id.layer].push_back({-(by_gate ? use.gate() : use.token_ratio), use.id});
    // An expert is chosen if the more relevant ones of its layer sum to less than the share p.
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
