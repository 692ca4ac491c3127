// VersionStore: versions of one model on disk. The store holds only those experts, router rows and tensors of a version
// that differ from the base model, whose file is never changed. Engine::open("STORE@REFERENCE") opens a version.
//
// A reference is HEAD, the name of a branch, or at least the first four digits of a version's id. Each may be followed
// by ~N: N versions before it.
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
    std::vector<std::string> provenance;  // how it was made, in lines
};

struct Branch {
    std::string name, version;
    bool is_head;
};

struct ExpertChange {
    int layer, expert;
    double weights, router_row;  // relative change, ‖after − before‖ / ‖before‖
    double bias;                 // of the router: after − before
};
struct TensorChange {
    std::string name;
    double change;  // ‖after − before‖ / ‖before‖
};
struct VersionDifference {
    // Layers whose number or width of experts changed; their experts are not compared.
    std::vector<int> resized_layers;
    // Experts of the other layers that differ.
    std::vector<ExpertChange> experts;
    std::vector<TensorChange> tensors;
};

// One process at a time can write to a store, any number can read it. Use an object from one thread at a time. All
// functions throw Error for a directory that is not a store, an unknown reference, and a damaged file.
class VersionStore {
  public:
    // Creates a store whose first version is the model. Throws Error if the directory exists and is not empty.
    static VersionStore create(const std::string& directory, const std::string& model_path);
    explicit VersionStore(const std::string& directory);
    VersionStore(VersionStore&&) noexcept;
    VersionStore& operator=(VersionStore&&) noexcept;
    ~VersionStore();

    // The id of a version.
    std::string resolve(const std::string& reference) const;
    // A version and its ancestors, latest first.
    std::vector<Version> log(const std::string& reference = "HEAD") const;
    std::vector<Branch> branches() const;
    VersionDifference difference(const std::string& before, const std::string& after) const;
    Engine open(const std::string& reference = "HEAD", const EngineOptions& options = {}) const;

    // Adds the model as the next version on HEAD's branch, storing what differs from the base model. Returns its id.
    // Throws Error: the model is not a variant of the base model, nothing differs from HEAD, the message is empty,
    // another process is writing.
    std::string commit(const Engine& model, const std::string& message);
    // Adds a version that undoes another one, and returns its id. Throws Error if later versions changed the same
    // things.
    std::string revert(const std::string& reference, const std::string& message);
    // Creates a branch that begins at a version. Throws Error if the name is taken.
    void create_branch(const std::string& name, const std::string& reference = "HEAD");
    void remove_branch(const std::string& name);
    // Makes a version HEAD.
    void check_out(const std::string& reference);

    // Reads everything, including the base model. Returns the problems found, one line each.
    std::vector<std::string> problems();
    // Removes everything that no branch reaches. Returns the number of bytes freed.
    int64_t collect_garbage();

  private:
    std::unique_ptr<api::Store> store_;
};

}  // namespace v0
}  // namespace gremium
