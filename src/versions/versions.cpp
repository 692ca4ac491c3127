#include "versions/versions.h"

#include <fmt/chrono.h>
#include <ctime>

#include <algorithm>
#include <array>
#include <ranges>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "model/files/bind.h"
#include "model/files/load.h"
#include "model/named_weights.h"
#include "model/spec/difference.h"
#include "model/spec/tensors.h"
#include "model/spec/validate.h"
#include "tensor/arena.h"
#include "versions/hash.h"

namespace gremium::versions {
namespace {

namespace fs = std::filesystem;
using moe::ExpertId;

constexpr size_t shown_digits = 12;

std::string now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

// The tensors of a version's model: views of the base model's and of objects, and routers put together from rows.
class VersionTensors {
  public:
    VersionTensors(const VersionStore& store, VersionState state)
        : pieces_(store), base_tensors_(*pieces_.base()), state_(std::move(state)) {
        for (const auto& [l, layer] : state_.layers)
            if (layer.router != store.base().state.layers.at(l).router) join_rows(l, layer.experts);
    }

    const Model& base() const { return *pieces_.base(); }

    ops::Weight operator()(const TensorSlot& slot) {
        if (slot.of_experts()) {
            // The binder asks for experts one by one.
            if (slot.expert < 0) return {};
            return weight(expert({slot.layer, slot.expert})[part_of_expert(slot)], slot);
        }
        if (const auto router = routers_.find({slot.layer, slot.role}); router != routers_.end())
            return weight(router->second, slot);
        const auto tensor = state_.tensors.find(slot.name);
        // A router that is the base model's.
        if (tensor == state_.tensors.end()) return of_base(slot);
        return weight(kept(tensor->second)["tensor"], slot);
    }

  private:
    static const char* part_of_expert(const TensorSlot& slot) {
        return std::ranges::find(expert_parts, slot.of_expert, &ExpertPart::weight)->part;
    }

    const Piece& kept(const std::string& hash) {
        auto& piece = used_[hash];
        if (piece.parts.empty()) piece = pieces_(hash);
        return piece;
    }
    const Piece& expert(ExpertId id) { return kept(state_.experts.at(id).weights); }

    ops::Weight of_base(const TensorSlot& slot) const { return {base_tensors_(slot), {}}; }

    // Only matrices may have another type than f32. The binder checks shapes.
    static ops::Weight weight(TensorView value, const TensorSlot& slot) {
        constexpr TensorRole matrices[] = {TensorRole::embedding, TensorRole::head, TensorRole::matrix,
                                           TensorRole::expert};
        if (value && value.dtype != DType::f32 && std::ranges::count(matrices, slot.role) == 0)
            fail("tensor {} is {}, expected f32", name_of(slot), info(value.dtype).name);
        return {value, {}};
    }

    void join_rows(int layer, int experts) {
        for (const RouterTensor& tensor : router_tensors) {
            std::vector<float> all;
            int64_t width = 0;
            for (int e = 0; e < experts; ++e) {
                const TensorView part = kept(state_.experts.at({layer, e}).row)[tensor.part];
                if (e == 0) width = part ? part.count() : 0;
                if ((part ? part.count() : 0) != width || (part && part.dtype != DType::f32))
                    fail("the row of expert {}.{} has another {} than those before it", layer, e, tensor.part);
                if (part) all.insert(all.end(), part.f32(), part.f32() + width);
            }
            if (width == 0) continue;
            const bool matrix = tensor.role == TensorRole::router;
            const OwnedTensor& memory =
                memory_.emplace_back(DType::f32, matrix ? Shape{experts, width} : Shape{experts * width});
            std::ranges::copy(all, memory.get().f32());
            routers_[{layer, tensor.role}] = memory;
        }
    }

    Pieces pieces_;
    NamedTensors base_tensors_;
    VersionState state_;
    std::unordered_map<std::string, Piece> used_;
    std::map<std::pair<int, TensorRole>, TensorView> routers_;  // by layer
    std::vector<OwnedTensor> memory_;
};

// Splits STORE or STORE@REFERENCE; the store is empty if the path does not name one.
std::pair<std::string, std::string> split_reference(const std::string& path) {
    if (VersionStore::is_one(path)) return {path, "HEAD"};
    const size_t at = path.rfind('@');
    if (at == std::string::npos || !VersionStore::is_one(path.substr(0, at))) return {};
    return {path.substr(0, at), path.substr(at + 1)};
}

void note_changes(Committed& done, const VersionState& before, const VersionState& after) {
    const VersionState changed = changes(before, after);
    const auto sizes = [](const LayerState& l) { return std::array{l.experts, l.used, l.width}; };
    for (const auto& [l, layer] : changed.layers)
        if (sizes(before.layers.at(l)) != sizes(layer)) done.layers.push_back(l);
    for (const auto& [id, expert] : changed.experts) {
        const auto was = before.experts.find(id);
        if (was == before.experts.end() || was->second.weights != expert.weights) done.experts.push_back(id);
        if (was == before.experts.end() || was->second.row != expert.row) done.rows.push_back(id);
    }
    for (const auto& [name, hash] : changed.tensors) done.tensors.push_back(name);
}

// Made of a version that is HEAD no longer: nobody's work is lost, neither this nor what came in between.
[[noreturn]] void keep_beside(VersionStore& store, const VersionStore::Lock& lock, const Committed& done,
                              const VersionStore::Head& head) {
    const auto shown = [](const std::string& version) { return version.substr(0, shown_digits); };
    const std::string branch = "beside-" + shown(done.version);
    store.set_branch(lock, branch, done.version);
    fail(
        "{}: HEAD has become {} since {} was opened, and stays; what was made is version {} on the new branch {}: "
        "'gremium versions diff' compares the two, 'export' and 'import' bring single experts over",
        store.name(), shown(head.version), shown(done.parent), shown(done.version), branch);
}

// The same shapes and tokens, but for numbers of experts.
void require_variant(const Model& base, const Model& model, const VersionState& state) {
    ModelSpec expected = with_layers(base.spec, state, model.source);
    expected.name = model.spec.name;
    if (const std::string difference = first_difference(expected, model.spec); !difference.empty())
        fail(
            "{}: is not a variant of {}: {} differs (a variant has the base model's layout, GGUF or "
            "Hugging "
            "Face)",
            model.source, base.source, difference);
    const bool both = base.tokenizer && model.tokenizer;
    if (both && base.tokenizer->vocabulary().tokens != model.tokenizer->vocabulary().tokens)
        fail("{}: is not a variant of {}: its vocabulary differs", model.source, base.source);
}

}  // namespace

std::string checked_message(const std::string& message) {
    constexpr size_t longest = 4096;
    std::string text;
    for (const char c : message)
        if (c != '\r') text += c == '\t' ? ' ' : c;
    const size_t first = text.find_first_not_of(" \n");
    if (first == std::string::npos) fail("a message is expected, which says what the version is");
    text = text.substr(first, text.find_last_not_of(" \n") - first + 1);
    if (text.size() > longest) fail("the message has {} bytes, at most {} expected", text.size(), longest);
    std::string one_line = text;
    std::ranges::replace(one_line, '\n', ' ');
    if (const size_t odd = first_unprintable(one_line); odd != std::string::npos)
        fail("the message is more than text at byte {}: {}", odd, printable(text.substr(odd, 16)));
    return text;
}

VersionState state_of(const Model& model) {
    if (model.encoder) fail("{} has an encoder; only decoders have versions", model.source);
    if (!model.experts) fail("{} has no experts", model.source);
    require_no_factors(model);
    VersionState state;
    for (size_t l = 0; l < model.spec.layers.size(); ++l) {
        const MoeSpec* moe = model.spec.layers[l].moe();
        if (!moe) continue;
        const int layer = static_cast<int>(l);
        for (int e = 0; e < moe->router.experts; ++e)
            state.experts[{layer, e}] = {expert_piece(model, {layer, e}).hash(), row_piece(model, {layer, e}).hash()};
        state.layers[layer] = {moe->router.experts, moe->router.top_k, moe->hidden, router_fingerprint(state, layer)};
    }
    const NamedTensors tensors(model);
    for (const TensorSlot& slot : tensor_piece_slots(model.spec))
        state.tensors[slot.name] = tensor_piece(tensors, slot).hash();
    return state;
}

VersionStore create_versions(const fs::path& directory, const fs::path& base_model) {
    const auto model = load_model(base_model);
    const Manifest base{
        .base = model_hash(*model),
        .date = now(),
        .message = fmt::format("The base model{}{}", model->spec.name.empty() ? "" : ", ", one_line(model->spec.name)),
        .state = state_of(*model)};
    return VersionStore::create(directory, base, base_model);
}

PieceIndex pieces_of(const Model& model, const VersionState& state) {
    PieceIndex index;
    for (const auto& [id, hashes] : state.experts) {
        index.emplace(hashes.weights, [&model, id = id] { return expert_piece(model, id); });
        index.emplace(hashes.row, [&model, id = id] { return row_piece(model, id); });
    }
    const auto tensors = std::make_shared<const NamedTensors>(model);
    for (const TensorSlot& slot : tensor_piece_slots(model.spec))
        if (const auto hash = state.tensors.find(slot.name); hash != state.tensors.end())
            index.emplace(hash->second, [tensors, slot] { return tensor_piece(*tensors, slot); });
    return index;
}

Pieces::Pieces(const VersionStore& store) : store_(store) {
    const fs::path path = store.base_model();
    std::error_code ignored;
    if (!fs::exists(path, ignored))
        fail("{}: its base model is not at {}; {} says where it is", store.name(), path.string(),
             (store.directory() / "base.path").string());
    base_ = load_model(path);
    const std::string hash = store.base_is_known() ? store.base().base : model_hash(*base_);
    if (hash != store.base().base)
        fail("{}: is not the base model of {}: its hash is {}, expected {}", path.string(), store.name(), hash,
             store.base().base);
    in_base_ = pieces_of(*base_, store.base().state);
}

Piece Pieces::operator()(const std::string& hash) const {
    const auto found = in_base_.find(hash);
    return found == in_base_.end() ? store_.object(hash) : found->second();
}

std::shared_ptr<const Model> open_version(const VersionStore& store, const std::string& version, LoadOptions options) {
    const VersionState state = store.state(version);
    const auto tensors = std::make_shared<VersionTensors>(store, state);
    const Model& base = tensors->base();
    const std::string source = fmt::format("{}@{}", store.name(), version.substr(0, shown_digits));
    const ModelSpec spec = with_layers(base.spec, state, source);
    validate(spec, source);
    std::shared_ptr<Model> model;
    try {
        model = bind_model(
            spec, [&](const TensorSlot& slot) { return (*tensors)(slot); }, options.experts, base.experts->files());
    } catch (const Error& error) {
        // The binder does not know files, so name the store here.
        fail("{}: {}", source, error.what());
    }
    model->tokenizer = base.tokenizer;
    model->tokenizer_error = base.tokenizer_error;
    model->warnings = base.warnings;
    model->sampling = base.sampling;
    model->source = source;
    model->converted_bytes = base.converted_bytes;
    model->storage = tensors;
    return model;
}

std::shared_ptr<const Model> open_model_or_version(const std::string& path, LoadOptions options) {
    const auto [directory, reference] = split_reference(path);
    if (directory.empty()) return load_model(path, options);
    const VersionStore store(directory);
    return open_version(store, store.resolve(reference), options);
}

fs::path model_files(const std::string& path) {
    const auto [directory, reference] = split_reference(path);
    return directory.empty() ? fs::path(path) : VersionStore(directory).base_model();
}

Committed commit_state(VersionStore& store, const VersionStore::Lock& lock, const Pieces& pieces,
                       const VersionState& state, const PieceIndex& fresh, const CommitOptions& options) {
    const VersionStore::Head head = store.head();
    const bool overtaken = !options.onto.empty() && options.onto != head.version;
    const std::string before = overtaken ? options.onto : head.version;
    const VersionState parent = store.state(before);
    Committed done{.version = {}, .branch = head.branch, .parent = before};
    note_changes(done, parent, state);
    if (state == parent) fail("{}: nothing differs from version {}", store.name(), before);
    Manifest manifest{.base = store.base().base,
                      .parent = before,
                      .date = now(),
                      .message = checked_message(options.message),
                      .state = changes(store.base().state, state)};
    for (const std::string& line : options.provenance) manifest.provenance.push_back(one_line(line));
    complete(store.base().state, manifest.state, "the new version");

    const auto put = [&](const std::string& hash) {
        if (pieces.in_base(hash)) return;
        const auto piece = fresh.find(hash);
        if (piece == fresh.end() && !store.has_object(hash)) fail("{}: object {} is missing", store.name(), hash);
        const int64_t bytes = piece == fresh.end() ? 0 : store.put(lock, hash, piece->second());
        done.bytes += bytes;
        done.objects += bytes > 0;
    };
    for (const auto& [id, hashes] : manifest.state.experts) {
        put(hashes.weights);
        put(hashes.row);
    }
    for (const auto& [name, hash] : manifest.state.tensors) put(hash);
    done.version = store.put(lock, manifest);
    done.bytes += std::ssize(to_text(manifest));
    if (overtaken) keep_beside(store, lock, done, head);
    if (head.branch.empty())
        store.set_head(lock, {"", done.version});
    else
        store.set_branch(lock, head.branch, done.version);
    return done;
}

Committed commit(VersionStore& store, const Model& model, const CommitOptions& options) {
    // What takes long comes before what others wait for.
    const Pieces pieces(store);
    const VersionState state = state_of(model);
    const VersionStore::Lock lock(store);
    store.remember_base(lock);
    if (!std::ranges::equal(std::views::keys(state.layers), std::views::keys(store.base().state.layers)))
        fail("{}: is not a variant of {}: other layers have experts", model.source, pieces.base()->source);
    require_variant(*pieces.base(), model, state);
    return commit_state(store, lock, pieces, state, pieces_of(model, state), options);
}

std::string require_head(const VersionStore& store, const Model& model) {
    std::string head = store.head().version;
    if (state_of(model) != store.state(head))
        fail("{}: is not version {}, which {} has checked out; -m {} opens that", model.source, head, store.name(),
             store.name());
    return head;
}

void check_out(VersionStore& store, const std::string& reference) {
    const VersionStore::Lock lock(store);
    const bool branch = store.branches().contains(reference);
    store.set_head(lock, {branch ? reference : "", store.resolve(reference)});
}

}  // namespace gremium::versions
