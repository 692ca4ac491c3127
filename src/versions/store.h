// A version store on disk (docs/versions.md): the files in its directory, and nothing about models. Readers need no
// lock: every file except branches and HEAD is written once, complete, before anything refers to it.
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
    // Creates a store whose first version is the base model. Throws Error if `directory` exists and is not empty.
    static VersionStore create(const std::filesystem::path& directory, const Manifest& base,
                               const std::filesystem::path& base_model);
    // Throws Error unless the directory is a store.
    explicit VersionStore(std::filesystem::path directory);
    static bool is_one(const std::filesystem::path& directory);

    const std::filesystem::path& directory() const { return directory_; }
    std::string name() const { return directory_.string(); }
    // The manifest of the base model; its state is the whole model.
    const Manifest& base() const { return base_; }
    // Where the base model was; the file may be missing.
    std::filesystem::path base_model() const;

    // A version by its hash. Throws Error: no such version, a text that does not match its hash or contradicts itself.
    Manifest manifest(const std::string& version) const;
    VersionState state(const std::string& version) const;
    // A version and its ancestors, back to the first.
    std::vector<std::string> history(const std::string& version) const;
    // The hash for HEAD, a branch, or at least four digits of a version, each optionally with ~N: N parents back.
    std::string resolve(const std::string& reference) const;

    struct Head {
        std::string branch;  // empty: HEAD names a version directly
        std::string version;
    };
    Head head() const;
    // Their versions, by name.
    std::map<std::string, std::string> branches() const;

    bool has_object(const std::string& hash) const;
    // Throws Error if it is missing or damaged.
    Piece object(const std::string& hash) const;
    // The names of all files of a kind. Incomplete files that a crash left are in leftovers() instead.
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

    // Whether the base model's files still have the sizes and times that they had when they were last hashed.
    bool base_is_known() const;
    void remember_base(const Lock&) const;

  private:
    std::filesystem::path directory_;
    Manifest base_;
};

}  // namespace gremium::versions
