// Weights that are copied to memory when the store is created.
#include <cstring>
#include <utility>

#include "moe/store/local_store.h"
#include "moe/store/stores.h"

namespace gremium::moe {
namespace {

class ResidentStore final : public LocalStore {
  public:
    ResidentStore(Experts experts, MappedFiles files) : LocalStore(std::move(experts), std::move(files)) {
        for (std::vector<ExpertWeights>& layer : experts_)
            for (ExpertWeights& weights : layer)
                for (const auto tensor : expert_tensors) copy_to_memory(weights.*tensor);
    }
    Residency residency(ExpertId) const override { return Residency::resident; }

  private:
    // Weights with a gradient are parameters: they are in memory already, and their owner updates them there.
    void copy_to_memory(ops::Weight& weight) {
        if (!weight || weight.grad) return;
        const OwnedTensor& copy = memory_.emplace_back(weight.value.dtype, weight.value.shape);
        std::memcpy(copy.get().data, weight.value.data, static_cast<size_t>(weight.value.bytes()));
        weight.value = copy;
    }

    std::vector<OwnedTensor> memory_;
};

}  // namespace

std::unique_ptr<ExpertStore> make_resident_store(std::vector<std::vector<ExpertWeights>> experts, MappedFiles files) {
    return std::make_unique<ResidentStore>(std::move(experts), std::move(files));
}

}  // namespace gremium::moe
