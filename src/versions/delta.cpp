#include "versions/delta.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "formats/in_quotes.h"
#include "formats/safetensors/safetensors.h"

namespace gremium::versions {
namespace {

constexpr const char* what_it_is = "one expert, layout 1";

bool is_router_part(const std::string& name) {
    return std::ranges::any_of(router_tensors, [&](const RouterTensor& t) { return name == t.part; });
}

moe::ExpertId parse_id(const std::string& text, const std::string& source) {
    moe::ExpertId id;
    const char *at = text.data(), *end = at + text.size();
    const auto layer = std::from_chars(at, end, id.layer);
    const bool dot = layer.ec == std::errc() && layer.ptr != end && *layer.ptr == '.';
    const auto expert = dot ? std::from_chars(layer.ptr + 1, end, id.expert) : layer;
    if (!dot || expert.ec != std::errc() || expert.ptr != end || id.layer < 0 || id.expert < 0)
        fail("{}: its expert is {}, expected LAYER.EXPERT", source, in_quotes(text));
    return id;
}

void require_same_shapes(const Piece& theirs, const Piece& ours, const std::string& source, moe::ExpertId to) {
    for (const auto& [name, value] : ours.parts)
        if (theirs[name].shape != value.shape)
            fail("{}: its {} is {}, but expert {} has {}", source, name, to_string(theirs[name].shape), to_string(to),
                 to_string(value.shape));
    for (const auto& [name, value] : theirs.parts)
        if (!ours[name]) fail("{}: has {}, which expert {} does not have", source, in_quotes(name), to_string(to));
}

// Why the expert may not behave as before in its new place; empty: it does.
std::string strangeness(const Delta& delta, const VersionStore& store, const VersionState& head, moe::ExpertId to) {
    if (delta.base != store.base().base)
        return fmt::format("it was made for another base model, {}; this store's is {}", delta.base, store.base().base);
    if (to != delta.id) return fmt::format("it was expert {} and would be {}", to_string(delta.id), to_string(to));
    if (router_around(head, to) != delta.router)
        return fmt::format("it was made beside other router rows of layer {} than HEAD has", to.layer);
    return "";
}

}  // namespace

Delta read_delta(const std::filesystem::path& path) {
    const SafetensorsFile file = open_safetensors(path);
    const std::string source = path.string();
    const auto say = [&](const std::string& key) {
        const auto found = file.metadata.find(key);
        if (found == file.metadata.end()) fail("{}: its metadata have no {}", source, key);
        return found->second;
    };
    if (const auto kind = file.metadata.find("gremium"); kind == file.metadata.end() || kind->second != what_it_is)
        fail("{}: is not an expert written by gremium versions export", source);
    Delta delta{.base = say("base"),
                .version = say("version"),
                .router = say("router"),
                .message = say("message"),
                .provenance = say("by"),
                .id = parse_id(say("expert"), source),
                .weights = {},
                .row = {},
                .hashes = {say("weights"), say("row")}};
    for (const std::string& hash : {delta.base, delta.version, delta.router})
        if (!is_content_hash(hash)) fail("{}: {} is not a hash", source, in_quotes(hash));
    for (const auto& [name, value] : read_piece(file).parts)
        (is_router_part(name) ? delta.row : delta.weights).parts[name] = value;
    const auto kept = std::make_shared<const SafetensorsFile>(file);
    delta.weights.memory.push_back(kept);
    delta.row.memory.push_back(kept);
    for (const auto& [piece, hash] : {std::pair(&delta.weights, delta.hashes.weights), {&delta.row, delta.hashes.row}})
        if (piece->hash() != hash)
            fail("{}: is damaged: its {} are {}, expected {}", source, piece == &delta.row ? "row's bytes" : "weights",
                 piece->hash(), hash);
    return delta;
}

void export_expert(const VersionStore& store, const std::string& version, moe::ExpertId id,
                   const std::filesystem::path& path) {
    const VersionState state = store.state(version);
    const auto expert = state.experts.find(id);
    if (expert == state.experts.end()) fail("{}: version {} has no expert {}", store.name(), version, to_string(id));
    const Manifest manifest = store.manifest(version);
    const Pieces pieces(store);
    const Piece row = pieces(expert->second.row);
    Piece both = pieces(expert->second.weights);
    both.parts.insert(row.parts.begin(), row.parts.end());
    std::string provenance;
    for (const std::string& line : manifest.provenance) provenance += line + "\n";
    write_piece(path, both,
                {{"gremium", what_it_is},
                 {"base", store.base().base},
                 {"architecture", pieces.base()->spec.architecture},
                 {"model", pieces.base()->spec.name},
                 {"version", version},
                 {"date", manifest.date},
                 {"message", manifest.message},
                 {"by", provenance},
                 {"expert", to_string(id)},
                 {"weights", expert->second.weights},
                 {"row", expert->second.row},
                 {"router", router_around(state, id)}});
}

Committed import_expert(VersionStore& store, const std::filesystem::path& path, const ImportOptions& options) {
    const Delta delta = read_delta(path);
    const VersionStore::Lock lock(store);
    const Pieces pieces(store);
    VersionState state = store.state(store.head().version);
    const moe::ExpertId to = options.to.value_or(delta.id);
    const auto expert = state.experts.find(to);
    if (expert == state.experts.end()) fail("{}: HEAD has no expert {}", store.name(), to_string(to));
    const std::string strange = strangeness(delta, store, state, to);
    if (!strange.empty() && !options.foreign)
        fail("{}: expert {}: {}; --foreign accepts it anyway", path.string(), to_string(delta.id), strange);
    require_same_shapes(delta.weights, pieces(expert->second.weights), path.string(), to);
    require_same_shapes(delta.row, pieces(expert->second.row), path.string(), to);

    expert->second = delta.hashes;
    state.layers.at(to.layer).router = router_fingerprint(state, to.layer);
    CommitOptions commit{.message = options.message.empty() ? delta.message : options.message};
    for (size_t at = 0; at < delta.provenance.size();) {
        const size_t end = std::min(delta.provenance.find('\n', at), delta.provenance.size());
        commit.provenance.push_back(delta.provenance.substr(at, end - at));
        at = end + 1;
    }
    commit.provenance.push_back(
        fmt::format("import of expert {} of version {}, base {}", to_string(delta.id), delta.version, delta.base));
    std::vector<std::string> notes;
    if (!strange.empty()) notes.push_back(fmt::format("foreign: expert {}: {}", to_string(to), strange));
    commit.provenance.insert(commit.provenance.end(), notes.begin(), notes.end());
    const PieceIndex fresh{{delta.hashes.weights, [&] { return delta.weights; }},
                           {delta.hashes.row, [&] { return delta.row; }}};
    Committed done = commit_state(store, lock, pieces, state, fresh, commit);
    done.notes = std::move(notes);
    return done;
}

}  // namespace gremium::versions
