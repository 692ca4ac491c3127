// A store of versions on disk (docs/versions.md): what is in its directory, and nothing about models. Readers need no
// lock: everything but the names of branches and HEAD is written once, whole, before anything refers to it.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/file_lock.h"
#include "versions/manifest.h"
#include "versions/pieces.h"

namespace gremium::versions {

class VersionStore {
  public:
    // Makes a store whose first version is the base model. Error where `directory` exists and is not empty.
    static VersionStore create(const std::filesystem::path& directory, const Manifest& base,
                               const std::filesystem::path& base_model);
    // Throws Error unless the directory is a store.
    explicit VersionStore(std::filesystem::path directory);
    static bool is_one(const std::filesystem::path& directory);

    const std::filesystem::path& directory() const { return directory_; }
    std::string name() const { return directory_.string(); }
    const Manifest& base() const { return base_; }  // its state is the whole model
    std::filesystem::path base_model() const;       // where it was; not that it is there

    // Versions by their hash. Errors: no such version, one whose text is not what its hash says, or contradicts itself.
    Manifest manifest(const std::string& version) const;
    VersionState state(const std::string& version) const;
    std::vector<std::string> history(const std::string& version) const;  // it and its parents, back to the first
    // HEAD, a branch, at least four digits of a version, and any of them with ~N: N parents back.
    std::string resolve(const std::string& reference) const;

    struct Head {
        std::string branch;  // empty: no branch, HEAD names a version itself
        std::string version;
    };
    Head head() const;
    std::map<std::string, std::string> branches() const;  // their versions

    bool has_object(const std::string& hash) const;
    Piece object(const std::string& hash) const;  // Error: not there, or damaged
    // Every file of a kind, by name; half-written ones that a crash has left apart.
    enum class Kind : uint8_t { object, version, branch };
    std::vector<std::string> files(Kind kind) const;
    std::vector<std::filesystem::path> leftovers() const;
    std::filesystem::path path_of(Kind kind, const std::string& name) const;

    // The right to write, held by one program at a time and given back by the system when that dies; or the right to
    // read what nobody changes meanwhile. While others have it, it is waited for, a minute at most; then Error, as
    // where the store may not be written to.
    class Lock {
      public:
        explicit Lock(const VersionStore& store, FileLock::Kind kind = FileLock::Kind::exclusive);

      private:
        FileLock lock_;
    };
    bool may_be_written() const;
    // In the order of a commit: objects, the version that names them, the branch that names it. Each appears whole.
    int64_t put(const Lock&, const std::string& hash, const Piece& piece);  // bytes written; 0: it was there
    std::string put(const Lock&, const Manifest& manifest);
    void set_branch(const Lock&, const std::string& name, const std::string& version);
    void remove_branch(const Lock&, const std::string& name);
    void set_head(const Lock&, const Head& head);

    // Whether the base model's files are those that were last found to be the base model (by size and time).
    bool base_is_known() const;
    void remember_base(const Lock&) const;

  private:
    std::filesystem::path directory_;
    Manifest base_;
};

}  // namespace gremium::versions
