#include "moe/store/contract.h"

#include <utility>

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

int64_t bytes_of(const ExpertWeights& weights) {
    int64_t bytes = 0;
    for (const auto tensor : expert_tensors)
        if (const TensorView value = (weights.*tensor).value) bytes += value.bytes();
    return bytes;
}

}  // namespace gremium::moe
