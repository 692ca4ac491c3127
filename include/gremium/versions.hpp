// VersionStore: versions of one model on disk. A version holds only those experts, router rows and tensors that differ
// from the base model, whose file is never changed. Engine::open("STORE@REFERENCE") opens one.
//
// A reference is HEAD, the name of a branch, or at least four digits of a version's id, each with ~N for N versions
// before.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gremium/engine.hpp>

namespace gremium {
namespace api {
struct Store;
}

inline namespace v0 {

struct Version {
    std::string id;                       // its hash
    std::string parent;                   // empty for the first
    std::string date;                     // 2026-01-31T23:59:59Z
    std::string message;                  // may have several lines
    std::vector<std::string> provenance;  // how it was made, a line each
};

struct Branch {
    std::string name, version;
    bool is_head;
};

struct ExpertChange {
    int layer, expert;
    double weights, router_row;  // ‖after − before‖ / ‖before‖
    double bias;                 // of the router, after − before
};
struct TensorChange {
    std::string name;
    double change;  // ‖after − before‖ / ‖before‖
};
struct VersionDifference {
    std::vector<int> resized_layers;    // whose number or width of experts changed; not compared expert by expert
    std::vector<ExpertChange> experts;  // of the other layers, those that differ
    std::vector<TensorChange> tensors;
};

// One process at a time can write to a store, any number can read. An object is for one thread at a time. All
// functions throw Error for what is not a store, an unknown reference, and a damaged file.
class VersionStore {
  public:
    // Makes a store whose first version is the model. Throws Error where the directory exists and is not empty.
    static VersionStore create(const std::string& directory, const std::string& model_path);
    explicit VersionStore(const std::string& directory);
    VersionStore(VersionStore&&) noexcept;
    VersionStore& operator=(VersionStore&&) noexcept;
    ~VersionStore();

    std::string resolve(const std::string& reference) const;                // the version's id
    std::vector<Version> log(const std::string& reference = "HEAD") const;  // it and its parents, latest first
    std::vector<Branch> branches() const;
    VersionDifference difference(const std::string& before, const std::string& after) const;
    Engine open(const std::string& reference = "HEAD", const EngineOptions& options = {}) const;

    // What the model has otherwise than HEAD becomes the next version of HEAD's branch; returns its id. Throws Error:
    // no variant of the base model, no difference, no message, another process is writing.
    std::string commit(const Engine& model, const std::string& message);
    // A version that undoes one. Throws Error where later versions changed the same.
    std::string revert(const std::string& reference, const std::string& message);
    // A branch that begins at a version. Throws Error where the name is taken.
    void create_branch(const std::string& name, const std::string& reference = "HEAD");
    void remove_branch(const std::string& name);
    // HEAD from now on.
    void check_out(const std::string& reference);

    // Reads everything, the base model too; returns what is wrong, a line each.
    std::vector<std::string> problems();
    // Removes what no branch reaches; returns the bytes freed.
    int64_t collect_garbage();

  private:
    std::unique_ptr<api::Store> store_;
};

}  // namespace v0
}  // namespace gremium
