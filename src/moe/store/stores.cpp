#include "moe/store/stores.h"

#include <utility>

namespace gremium::moe {

std::unique_ptr<ExpertStore> make_expert_store(std::vector<std::vector<ExpertWeights>> experts, Residency residency,
                                               MappedFiles files) {
    const auto make = residency == Residency::mapped ? make_mapped_store : make_resident_store;
    return make(std::move(experts), std::move(files));
}

}  // namespace gremium::moe
