#include "moe/store/expert_store.h"

#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/hash.h"

namespace gremium::moe {

ExpertLease::ExpertLease(ExpertStore* store, int layer, std::vector<int32_t> experts,
                         std::vector<const ExpertWeights*> weights_E)
    : store_(store), layer_(layer), experts_(std::move(experts)), weights_E_(std::move(weights_E)) {}

ExpertLease::ExpertLease(ExpertLease&& other) noexcept
    : store_(std::exchange(other.store_, nullptr)),
      layer_(other.layer_),
      experts_(std::move(other.experts_)),
      weights_E_(std::move(other.weights_E_)) {}

ExpertLease::~ExpertLease() {
    if (store_) store_->give_back(layer_, experts_);
}

namespace {

using Experts = std::vector<std::vector<ExpertWeights>>;

// Weights that are always ready: giving back is free.
class PlainStore : public ExpertStore {
  public:
    PlainStore(Experts experts, Residency residency) : experts_(std::move(experts)), residency_(residency) {
        if (residency_ == Residency::resident) copy_to_memory();
    }

    int layers() const override { return static_cast<int>(experts_.size()); }
    int experts(int layer) const override { return static_cast<int>(of_layer(layer).size()); }

    ExpertLease lease(int layer, std::span<const int32_t> experts) override {
        std::vector<const ExpertWeights*> weights(of_layer(layer).size());
        for (const int32_t e : experts) weights[static_cast<size_t>(e)] = &peek({layer, e});
        return {this, layer, {experts.begin(), experts.end()}, std::move(weights)};
    }

    void give_back(int, std::span<const int32_t>) override {}
    Residency residency(ExpertId) const override { return residency_; }

    std::string hash(ExpertId id) const override {
        const ExpertWeights& weights = peek(id);
        std::vector<std::byte> bytes;
        for (const auto tensor : expert_tensors) {
            const TensorView value = (weights.*tensor).value;
            if (value) bytes.insert(bytes.end(), value.data, value.data + value.bytes());
        }
        return content_hash(bytes);
    }

    const ExpertWeights& peek(ExpertId id) const override {
        const std::vector<ExpertWeights>& all = of_layer(id.layer);
        if (id.expert < 0 || static_cast<size_t>(id.expert) >= all.size()) {
            fail("layer {} has {} experts, there is no expert {}", id.layer, all.size(), id.expert);
        }
        return all[static_cast<size_t>(id.expert)];
    }

  private:
    const std::vector<ExpertWeights>& of_layer(int layer) const {
        if (layer < 0 || layer >= layers()) fail("there is no layer {}: the store has {}", layer, layers());
        return experts_[static_cast<size_t>(layer)];
    }

    // Weights with a gradient are parameters: they are in memory already, and their owner changes them.
    void copy_to_memory() {
        for (std::vector<ExpertWeights>& layer : experts_) {
            for (ExpertWeights& weights : layer) {
                for (const auto tensor : expert_tensors) {
                    ops::Weight& weight = weights.*tensor;
                    if (!weight || weight.grad) continue;
                    const OwnedTensor& copy = memory_.emplace_back(weight.value.dtype, weight.value.shape);
                    std::memcpy(copy.get().data, weight.value.data, static_cast<size_t>(weight.value.bytes()));
                    weight.value = copy;
                }
            }
        }
    }

    Experts experts_;
    std::vector<OwnedTensor> memory_;
    Residency residency_;
};

}  // namespace

std::unique_ptr<ExpertStore> make_expert_store(Experts experts, Residency residency) {
    return std::make_unique<PlainStore>(std::move(experts), residency);
}

}  // namespace gremium::moe
