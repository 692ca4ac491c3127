// Models as versions: what of a model is new is put into a store of versions, and a version is opened as a model whose
// experts lie partly in the base model's file and partly in the store's.
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

// Every piece of a model by its hash; reads all weights once. Error: a model with an encoder, or without experts.
VersionState state_of(const Model& model);

// A new store, with the base model as its first version, on branch main. The model's file is not changed, then or
// later.
VersionStore create_versions(const std::filesystem::path& directory, const std::filesystem::path& base_model);

using PieceIndex = std::unordered_map<std::string, std::function<Piece()>>;  // by hash
// The pieces of a model that must outlive the index.
PieceIndex pieces_of(const Model& model, const VersionState& state);

// Pieces from the base model or the store's objects.
class Pieces {
  public:
    // Opens the base model. Error where it is not where it was, or not what it was.
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
// What -m names: a model's file or directory, or STORE, STORE@REFERENCE.
std::shared_ptr<const Model> open_model_or_version(const std::string& path, LoadOptions options = {});
// The file or directory of a model that this path names: of versions, the base model's, whose tokenizer they share.
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
    std::string version, branch, parent;  // branch: empty where HEAD names a version itself
    // What is otherwise than in the parent: layers of other sizes, experts' weights, rows of routers, other tensors.
    std::vector<int> layers = {};
    std::vector<moe::ExpertId> experts = {}, rows = {};
    std::vector<std::string> tensors = {};
    std::vector<std::string> notes = {};  // what to look at: experts that now stand beside other router rows
    int64_t objects = 0, bytes = 0;       // new files of weights; bytes that the store grew by
};
// What the model has otherwise than HEAD becomes the next version of HEAD's branch. Errors: not a variant of the base
// model, no change.
Committed commit(VersionStore& store, const Model& model, const CommitOptions& options);
// HEAD's version. Error unless the model is bit for bit what that is: then what is made of it may be committed on top.
std::string require_head(const VersionStore& store, const Model& model);

// A version that undoes one: whatever that one changed is as before it again. Error where later ones changed the same.
Committed revert(VersionStore& store, const std::string& version, const CommitOptions& options);

// A state as the next version; `fresh` has its pieces that neither the base model nor
// the store may have.
Committed commit_state(VersionStore& store, const VersionStore::Lock& lock, const Pieces& pieces,
                       const VersionState& state, const PieceIndex& fresh, const CommitOptions& options);

// HEAD from now on; a branch where the reference is one's name.
void check_out(VersionStore& store, const std::string& reference);

}  // namespace gremium::versions
