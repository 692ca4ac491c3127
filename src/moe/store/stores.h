// Constructs the stores.
#pragma once

#include <memory>
#include <vector>

#include "moe/store/contract.h"

namespace gremium::moe {

// experts[layer][expert]: views that must outlive the store (mapped), or are copied into memory that it owns
// (resident). Weights with a gradient are parameters and stay where their owner updates them. Experts whose bytes lie
// in `files` have a source.
std::unique_ptr<ExpertStore> make_expert_store(std::vector<std::vector<ExpertWeights>> experts, Residency residency,
                                               MappedFiles files = {});

std::unique_ptr<ExpertStore> make_mapped_store(std::vector<std::vector<ExpertWeights>> experts, MappedFiles files);
std::unique_ptr<ExpertStore> make_resident_store(std::vector<std::vector<ExpertWeights>> experts, MappedFiles files);

}  // namespace gremium::moe
