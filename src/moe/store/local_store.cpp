#include "moe/store/local_store.h"

#include <utility>

#include "base/error.h"
#include "base/hash.h"

namespace gremium::moe {
namespace {

std::span<const std::byte> bytes_of(TensorView view) { return {view.data, static_cast<size_t>(view.bytes())}; }

std::vector<FilePart> source_of(const ExpertWeights& weights, const MappedFiles& files) {
    std::vector<FilePart> parts;
    for (const auto tensor : expert_tensors) {
        const ops::Weight& weight = weights.*tensor;
        if (!weight) continue;
        const auto part = find_part(files, bytes_of(weight.value));
        if (!part) return {};
        parts.push_back(*part);
    }
    return parts;
}

}  // namespace

LocalStore::LocalStore(Experts experts, MappedFiles files) : experts_(std::move(experts)), files_(std::move(files)) {
    sources_.resize(experts_.size());
    sizes_.resize(experts_.size());
    for (size_t l = 0; l < experts_.size(); ++l)
        for (const ExpertWeights& weights : experts_[l]) {
            sources_[l].push_back(source_of(weights, files_));
            sizes_[l].push_back(moe::bytes_of(weights));
        }
}

void LocalStore::want(int, std::span<const int32_t> experts) { stats_.wanted += std::ssize(experts); }

ExpertLease LocalStore::lease(int layer, std::span<const int32_t> experts) {
    std::vector<const ExpertWeights*> weights(of_layer(layer).size());
    for (const int32_t e : experts) {
        weights[static_cast<size_t>(e)] = &peek({layer, e});
        stats_.bytes += sizes_[static_cast<size_t>(layer)][static_cast<size_t>(e)];
    }
    ++stats_.leases;
    ++stats_.held;
    stats_.experts += std::ssize(experts);
    return {this, layer, {experts.begin(), experts.end()}, std::move(weights)};
}

void LocalStore::give_back(int, std::span<const int32_t>) { --stats_.held; }

std::vector<FilePart> LocalStore::source(ExpertId id) const {
    // Throws if there is no such expert.
    peek(id);
    return sources_[static_cast<size_t>(id.layer)][static_cast<size_t>(id.expert)];
}

std::string LocalStore::hash(ExpertId id) const {
    const ExpertWeights& weights = peek(id);
    std::vector<std::byte> bytes;
    for (const auto tensor : expert_tensors) {
        if (!(weights.*tensor)) continue;
        const std::span<const std::byte> part = bytes_of((weights.*tensor).value);
        bytes.insert(bytes.end(), part.begin(), part.end());
    }
    return content_hash(bytes);
}

const ExpertWeights& LocalStore::peek(ExpertId id) const {
    const std::vector<ExpertWeights>& all = of_layer(id.layer);
    if (id.expert < 0 || static_cast<size_t>(id.expert) >= all.size())
        fail("layer {} has {} experts, there is no expert {}", id.layer, all.size(), id.expert);
    return all[static_cast<size_t>(id.expert)];
}

const std::vector<ExpertWeights>& LocalStore::of_layer(int layer) const {
    if (layer < 0 || layer >= layers()) fail("there is no layer {}: the store has {}", layer, layers());
    return experts_[static_cast<size_t>(layer)];
}

}  // namespace gremium::moe
