#include <gremium/versions.hpp>

#include <utility>

#include "api/access.h"
#include "base/error.h"
#include "versions/check.h"
#include "versions/diff.h"
#include "versions/versions.h"

namespace gremium {

struct api::Store {
    versions::VersionStore store;
};

inline namespace v0 {

VersionStore VersionStore::create(const std::string& directory, const std::string& model_path) {
    versions::create_versions(directory, model_path);
    return VersionStore(directory);
}
VersionStore::VersionStore(const std::string& directory)
    : store_(std::make_unique<api::Store>(versions::VersionStore(directory))) {}
VersionStore::VersionStore(VersionStore&&) noexcept = default;
VersionStore& VersionStore::operator=(VersionStore&&) noexcept = default;
VersionStore::~VersionStore() = default;

std::string VersionStore::resolve(const std::string& reference) const { return store_->store.resolve(reference); }

std::vector<Version> VersionStore::log(const std::string& reference) const {
    std::vector<Version> versions;
    for (const std::string& id : store_->store.history(resolve(reference))) {
        versions::Manifest m = store_->store.manifest(id);
        versions.push_back({id, std::move(m.parent), std::move(m.date), std::move(m.message), std::move(m.provenance)});
    }
    return versions;
}

std::vector<Branch> VersionStore::branches() const {
    std::vector<Branch> branches;
    const std::string head = store_->store.head().branch;
    for (const auto& [name, version] : store_->store.branches()) branches.push_back({name, version, name == head});
    return branches;
}

VersionDifference VersionStore::difference(const std::string& before, const std::string& after) const {
    const versions::VersionDifference found = versions::difference(store_->store, resolve(before), resolve(after));
    VersionDifference difference;
    for (const auto& l : found.layers) difference.resized_layers.push_back(l.layer);
    for (const auto& e : found.experts)
        difference.experts.push_back({e.id.layer, e.id.expert, e.weights, e.row, e.bias});
    for (const auto& t : found.tensors) difference.tensors.push_back({t.name, t.change});
    return difference;
}

Engine VersionStore::open(const std::string& reference, const EngineOptions& options) const {
    return api::Access::engine(
        versions::open_version(store_->store, resolve(reference),
                               {.experts = options.resident ? moe::Residency::resident : moe::Residency::mapped}));
}

std::string VersionStore::commit(const Engine& model, const std::string& message) {
    return versions::commit(store_->store, *api::Access::model(model), {.message = message}).version;
}

std::string VersionStore::revert(const std::string& reference, const std::string& message) {
    return versions::revert(store_->store, resolve(reference), {.message = message}).version;
}

void VersionStore::create_branch(const std::string& name, const std::string& reference) {
    const versions::VersionStore::Lock lock(store_->store);
    if (store_->store.branches().contains(name)) fail("{}: branch {} exists already", store_->store.name(), name);
    store_->store.set_branch(lock, name, resolve(reference));
}

void VersionStore::remove_branch(const std::string& name) {
    const versions::VersionStore::Lock lock(store_->store);
    store_->store.remove_branch(lock, name);
}

void VersionStore::check_out(const std::string& reference) { versions::check_out(store_->store, reference); }

std::vector<std::string> VersionStore::problems() { return versions::check_store(store_->store).problems; }

int64_t VersionStore::collect_garbage() { return versions::collect_garbage(store_->store).bytes; }

}  // namespace v0
}  // namespace gremium
