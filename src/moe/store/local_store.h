// What stores have in common if all their weights are always addressable, so that a lease moves nothing.
#pragma once

#include <string>
#include <vector>

#include "moe/store/contract.h"

namespace gremium::moe {

class LocalStore : public ExpertStore {
  public:
    using Experts = std::vector<std::vector<ExpertWeights>>;

    int layers() const override { return static_cast<int>(experts_.size()); }
    int experts(int layer) const override { return static_cast<int>(of_layer(layer).size()); }
    void want(int layer, std::span<const int32_t> experts) override;
    ExpertLease lease(int layer, std::span<const int32_t> experts) override;
    void give_back(int layer, std::span<const int32_t> experts) override;
    std::vector<FilePart> source(ExpertId id) const override;
    const MappedFiles& files() const override { return files_; }
    std::string hash(ExpertId id) const override;
    const ExpertWeights& peek(ExpertId id) const override;
    StoreStats stats() const override { return stats_; }

  protected:
    LocalStore(Experts experts, MappedFiles files);

    Experts experts_;
    MappedFiles files_;
    StoreStats stats_;

  private:
    const std::vector<ExpertWeights>& of_layer(int layer) const;

    std::vector<std::vector<std::vector<FilePart>>> sources_;  // by layer, expert and tensor
    std::vector<std::vector<int64_t>> sizes_;                  // in bytes, by layer and expert
};

}  // namespace gremium::moe
