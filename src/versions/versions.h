// Models as versions: the store gets only what is new in a model. A version opens as a model whose experts are partly
// in the base model's file and partly in the store.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/files/load.h"
#include "model/model.h"
#include "versions/store.h"

namespace gremium::versions {

// The hashes of all pieces of a model; reads all weights once. Throws Error for a model with an encoder or without
// experts.
VersionState state_of(const Model& model);

// Creates a store with the base model as its first version, on branch main. The model's file is never changed.
VersionStore create_versions(const std::filesystem::path& directory, const std::filesystem::path& base_model);

// Pieces by hash.
using PieceIndex = std::unordered_map<std::string, std::function<Piece()>>;
// The pieces of a model, which must outlive the index.
PieceIndex pieces_of(const Model& model, const VersionState& state);

// Pieces from the base model or the store's objects.
class Pieces {
  public:
    // Opens the base model. Throws Error if it was moved or changed.
    explicit Pieces(const VersionStore& store);

    const std::shared_ptr<const Model>& base() const { return base_; }
    bool in_base(const std::string& hash) const { return in_base_.contains(hash); }
    Piece operator()(const std::string& hash) const;

  private:
    VersionStore store_;
    std::shared_ptr<const Model> base_;
    PieceIndex in_base_;
};

std::shared_ptr<const Model> open_version(const VersionStore& store, const std::string& version,
                                          LoadOptions options = {});
// Opens the argument of -m: a model's file or directory, or a version STORE or STORE@REFERENCE.
std::shared_ptr<const Model> open_model_or_version(const std::string& path, LoadOptions options = {});
// The file or directory of the model that such a path names; for a version, that of the base model, whose tokenizer it
// uses.
std::filesystem::path model_files(const std::string& path);

struct CommitOptions {
    std::string message;
    std::vector<std::string> provenance = {};  // how it came to be, a line each
    // The version that it was made of, if that was HEAD. When HEAD has moved on meanwhile, the new version stands
    // beside it on a branch of its own, HEAD stays, and Error says so.
    std::string onto = {};
};
// As a version keeps it. Error for one that is empty, too long, or more than text (base/printable.h).
std::string checked_message(const std::string& message);
struct Committed {
    std::string version, branch, parent;  // branch: empty if HEAD names a version directly
    // Differences from the parent: layers whose size changed, experts with other weights, router rows, other tensors.
    std::vector<int> layers = {};
    std::vector<moe::ExpertId> experts = {}, rows = {};
    std::vector<std::string> tensors = {};
    // Warnings, such as experts that are now beside other router rows.
    std::vector<std::string> notes = {};
    // New files of weights, and the bytes by which the store grew.
    int64_t objects = 0, bytes = 0;
};
// Commits the model as the next version on HEAD's branch. Throws Error if it is not a variant of the base model or does
// not differ from HEAD.
Committed commit(VersionStore& store, const Model& model, const CommitOptions& options);
// HEAD's version. Error unless the model is bit for bit what that is: then what is made of it may be committed on top.
std::string require_head(const VersionStore& store, const Model& model);

// Commits a version in which everything that `version` changed is as it was before. Throws Error if later versions
// changed the same things.
Committed revert(VersionStore& store, const std::string& version, const CommitOptions& options);

// Commits a state as the next version; `fresh` provides the pieces that may be neither in the base model nor in the
// store.
Committed commit_state(VersionStore& store, const VersionStore::Lock& lock, const Pieces& pieces,
                       const VersionState& state, const PieceIndex& fresh, const CommitOptions& options);

// Makes the reference HEAD; if it names a branch, HEAD follows that branch.
void check_out(VersionStore& store, const std::string& reference);

}  // namespace gremium::versions
