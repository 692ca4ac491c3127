#include "versions/check.h"

#include <functional>
#include <set>

#include "base/error.h"
#include "model/files/load.h"
#include "versions/hash.h"

namespace gremium::versions {
namespace {

namespace fs = std::filesystem;
using Kind = VersionStore::Kind;

// The versions that branches and HEAD reach, and the hashes that those versions name.
struct Reached {
    std::set<std::string> versions, pieces;
};

void reach(const VersionStore& store, const std::string& from, Reached& reached) {
    for (std::string at = from; !at.empty() && reached.versions.insert(at).second;) {
        const Manifest manifest = store.manifest(at);
        for (const auto& [id, expert] : manifest.state.experts) reached.pieces.insert({expert.weights, expert.row});
        for (const auto& [name, hash] : manifest.state.tensors) reached.pieces.insert(hash);
        at = manifest.parent;
    }
}

Reached reach_all(const VersionStore& store) {
    Reached reached;
    reach(store, store.head().version, reached);
    for (const auto& [branch, version] : store.branches()) reach(store, version, reached);
    return reached;
}

int64_t size_of_file(const fs::path& path) {
    std::error_code error;
    const auto size = fs::file_size(path, error);
    return error ? 0 : static_cast<int64_t>(size);
}

class Checker {
  public:
    explicit Checker(VersionStore& store) : store_(store), lock_(store, FileLock::Kind::shared) {}

    StoreCheck operator()() {
        attempt([&] { check_base(); });
        for (const std::string& hash : store_.files(Kind::object)) check_object(hash);
        for (const std::string& version : store_.files(Kind::version)) {
            count(Kind::version, version, result_.versions);
            attempt([&] { store_.manifest(version); });
        }
        Reached reached;
        attempt([&] { reached = reach_all(store_); });
        if (result_.problems.empty())
            for (const std::string& version : reached.versions) attempt([&] { open_version(store_, version); });
        for (const std::string& version : store_.files(Kind::version))
            result_.unused += !reached.versions.contains(version);
        for (const std::string& hash : store_.files(Kind::object)) result_.unused += !reached.pieces.contains(hash);
        result_.unused += std::ssize(store_.leftovers());
        return std::move(result_);
    }

  private:
    void attempt(const std::function<void()>& work) {
        try {
            work();
        } catch (const std::exception& error) {
            result_.problems.push_back(error.what());
        }
    }

    void count(Kind kind, const std::string& file, int64_t& number) {
        ++number;
        result_.bytes += size_of_file(store_.path_of(kind, file));
    }

    // Checks the base model by content, whatever its modification time.
    void check_base() {
        const auto base = load_model(store_.base_model());
        if (const std::string hash = model_hash(*base); hash != store_.base().base)
            fail("{}: is not the base model: its hash is {}, expected {}", base->source, hash, store_.base().base);
        if (state_of(*base) != store_.base().state)
            fail("{}: does not list the pieces of its base model", (store_.directory() / "base").string());
        if (store_.may_be_written()) store_.remember_base(lock_);
    }

    void check_object(const std::string& hash) {
        count(Kind::object, hash, result_.objects);
        attempt([&] { store_.object(hash); });
    }

    VersionStore& store_;
    VersionStore::Lock lock_;
    StoreCheck result_;
};

}  // namespace

StoreCheck check_store(VersionStore& store) { return Checker(store)(); }

Collected collect_garbage(VersionStore& store) {
    const VersionStore::Lock lock(store);
    const Reached reached = reach_all(store);
    Collected collected;
    const auto remove = [&](const fs::path& path, int64_t& number) {
        const int64_t bytes = size_of_file(path);
        std::error_code error;
        if (!fs::remove(path, error) || error) fail("{}: cannot remove: {}", path.string(), error.message());
        ++number;
        collected.bytes += bytes;
    };
    // Versions first: a version is removed before the objects that it names.
    for (const std::string& version : store.files(Kind::version))
        if (!reached.versions.contains(version)) remove(store.path_of(Kind::version, version), collected.versions);
    for (const std::string& hash : store.files(Kind::object))
        if (!reached.pieces.contains(hash)) remove(store.path_of(Kind::object, hash), collected.objects);
    for (const fs::path& path : store.leftovers()) remove(path, collected.leftovers);
    return collected;
}

}  // namespace gremium::versions
