// Undoes one version on top of later ones.
#include <array>
#include <utility>

#include "base/error.h"
#include "formats/in_quotes.h"
#include "versions/versions.h"

namespace gremium::versions {
namespace {

// Takes one version's change back from the state `now`.
class Undo {
  public:
    Undo(const VersionState& before, const VersionState& after, VersionState now, std::string source)
        : before_(before), after_(after), state_(std::move(now)), source_(std::move(source)) {}

    VersionState operator()() {
        for (const auto& [l, layer] : before_.layers) undo_sizes(l, layer, after_.layers.at(l));
        undo(before_.experts, after_.experts, state_.experts,
             [](moe::ExpertId id) { return "expert " + to_string(id); });
        undo(before_.tensors, after_.tensors, state_.tensors,
             [](const std::string& name) { return "tensor " + in_quotes(name); });
        for (auto& [l, layer] : state_.layers) layer.router = router_fingerprint(state_, l);
        return std::move(state_);
    }

  private:
    [[noreturn]] void refuse(const std::string& what) const {
        fail("{}: {} was changed again later: undo that first", source_, what);
    }

    void undo_sizes(int l, const LayerState& before, const LayerState& after) {
        const auto sizes = [](const LayerState& layer) { return std::array{layer.experts, layer.used, layer.width}; };
        if (sizes(before) == sizes(after)) return;
        LayerState& layer = state_.layers.at(l);
        if (sizes(layer) != sizes(after)) refuse(fmt::format("layer {}", l));
        layer = before;
    }

    template <typename Map, typename Name>
    void undo(const Map& before, const Map& after, Map& state, Name name) const {
        const auto at = [](const Map& map, const auto& key) {
            const auto found = map.find(key);
            return found == map.end() ? typename Map::mapped_type{} : found->second;
        };
        const auto take_back = [&](const auto& key) {
            if (at(before, key) == at(after, key)) return;
            if (at(state, key) != at(after, key)) refuse(name(key));
            if (before.contains(key))
                state[key] = before.at(key);
            else
                state.erase(key);
        };
        for (const auto& [key, value] : before) take_back(key);
        for (const auto& [key, value] : after)
            if (!before.contains(key)) take_back(key);
    }

    const VersionState &before_, &after_;
    VersionState state_;
    std::string source_;
};

}  // namespace

Committed revert(VersionStore& store, const std::string& version, const CommitOptions& options) {
    const VersionStore::Lock lock(store);
    const Pieces pieces(store);
    const Manifest undone = store.manifest(version);
    if (undone.parent.empty()) fail("{}: the first version, {}, has nothing before it", store.name(), version);
    const VersionState before = store.state(undone.parent), after = store.state(version);
    const VersionState state =
        Undo(before, after, store.state(store.head().version), fmt::format("{}: version {}", store.name(), version))();

    CommitOptions with_notes = options;
    with_notes.provenance.push_back("revert of " + version);
    std::vector<std::string> notes;
    for (const auto& [id, expert] : before.experts)
        if (after.experts.contains(id) && after.experts.at(id).weights != expert.weights &&
            router_around(state, id) != router_around(before, id))
            notes.push_back(
                fmt::format("expert {} now stands beside other router rows than it was made beside", to_string(id)));
    with_notes.provenance.insert(with_notes.provenance.end(), notes.begin(), notes.end());
    Committed done = commit_state(store, lock, pieces, state, {}, with_notes);
    done.notes = std::move(notes);
    return done;
}

}  // namespace gremium::versions
