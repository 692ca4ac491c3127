// Model → GGUF file or Hugging Face directory.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "formats/gguf.h"
#include "formats/hf.h"
#include "model/archs/common.h"
#include "model/gguf_vocabulary.h"
#include "model/head_rows.h"
#include "model/recipe.h"
#include "model/weights.h"
#include "tensor/blocks.h"
#include "text/hf_tokenizer.h"

namespace gremium {

namespace {

using kernels::RopePairing;

// What the first part is that two specifications disagree about; empty when they are equal.
std::string first_difference(const ModelSpec& a, const ModelSpec& b) {
    if (a == b) return "";
    if (a.norm != b.norm) return "its norms";
    if (a.layers.size() != b.layers.size()) return "its number of layers";
    for (size_t l = 0; l < a.layers.size(); ++l) {
        if (a.layers[l].mixer != b.layers[l].mixer) return fmt::format("the attention of layer {}", l);
        if (a.layers[l].feed_forward != b.layers[l].feed_forward)
            return fmt::format("the feed-forward of layer {}", l);
    }
    return "its sizes";
}

// One tensor of the file and where its numbers come from: a slot, or one expert's part of it.
struct Item {
    std::string name;
    TensorSlot slot;
    DType dtype;
};

// Writes the tensors of a model as the specification `written` wants them.
class TensorSource {
  public:
    TensorSource(const Model& model, const ModelSpec& written) : model_(model), written_(written) {
        for_each_global_weight(model.weights,
                               [&](const char* name, const ops::Weight& w) { values_[name] = w.value; });
        for (size_t l = 0; l < model.weights.layers.size(); ++l)
            for_each_weight(model.weights.layers[l], [&](const char* name, const ops::Weight& w) {
                values_[fmt::format("blk.{}.{}", l, name)] = w.value;
            });
    }

    void write(TensorWriter& writer, const Item& item) const {
        const TensorSlot& slot = item.slot;
        if (slot.role != TensorRole::expert) return put(writer, item, values_.at(slot.name));
        const int first = std::max(0, slot.expert);
        const int end = slot.expert < 0 ? static_cast<int>(slot.shape[0]) : first + 1;
        for (int e = first; e < end; ++e)
            put(writer, item, (model_.experts->peek({slot.layer, e}).*expert_matrix(slot)).value);
    }

  private:
    void put(TensorWriter& writer, const Item& item, TensorView view) const {
        std::vector<std::byte> converted;
        if (view.dtype != item.dtype) {
            converted.resize(static_cast<size_t>(view.rows() * row_bytes(item.dtype, view.cols())));
            convert(view, {converted.data(), item.dtype, view.shape});
            view = {converted.data(), item.dtype, view.shape};
        }
        const std::vector<std::byte> rearranged = rearranged_rows(view, item.slot, model_.spec, written_);
        writer.write(item.name, rearranged.empty() ? std::span(view.data, static_cast<size_t>(view.bytes()))
                                                   : std::span(rearranged));
    }

    const Model& model_;
    const ModelSpec& written_;
    std::map<std::string, TensorView> values_;
};

// Matrices take the type asked for, as far as it fits their shape; the small rest is f32.
Item make_item(std::string name, const TensorSlot& slot, const ModelSpec& written,
               const SaveOptions& options) {
    const bool matrix = slot.role == TensorRole::embedding || slot.role == TensorRole::head ||
                        slot.role == TensorRole::matrix || slot.role == TensorRole::expert;
    if (!matrix) return {std::move(name), slot, DType::f32};
    const DType wanted = options.type_of ? options.type_of(written, slot) : options.dtype;
    return {std::move(name), slot, fitting_type(wanted, slot.shape[slot.shape.rank - 1])};
}

std::vector<TensorDecl> declarations(const std::vector<Item>& items) {
    std::vector<TensorDecl> decls;
    for (const Item& item : items) decls.push_back({item.name, item.dtype, item.slot.shape});
    return decls;
}

// In the writer's order; tensors that are no items are left for later.
void write_items(TensorWriter& writer, const TensorSource& source, const std::vector<Item>& items,
                 const SaveOptions& options) {
    std::map<std::string, const Item*> by_name;
    for (const Item& item : items) by_name[item.name] = &item;
    const std::vector<TensorDecl> order = writer.tensors();
    for (size_t i = 0; i < order.size(); ++i) {
        const auto item = by_name.find(order[i].name);
        if (item == by_name.end()) continue;
        if (options.progress) options.progress({i, order.size(), item->first, item->second->dtype});
        source.write(writer, *item->second);
    }
}

// `understood` is what a reader of the written configuration would make of it.
void require_same(const ModelSpec& written, const ModelSpec& understood, const std::string& path) {
    if (const std::string difference = first_difference(written, understood); !difference.empty())
        fail("{}: the {} layout cannot express {}", path, written.architecture, difference);
}

void set_pairing(ModelSpec& spec, RopePairing pairing) {
    for_each_attention(spec, [&](AttentionSpec& a) { a.rope.pairing = pairing; });
}

const Vocabulary* vocabulary_of(const Model& model, const std::string& path) {
    if (!model.tokenizer_error.empty())
        fail("{}: the tokenizer cannot be carried over: {}", path, model.tokenizer_error);
    return model.tokenizer ? &model.tokenizer->vocabulary() : nullptr;
}

// The same model as GGUF's readers expect it.
ModelSpec spec_for_gguf(ModelSpec spec, const Architecture& architecture) {
    set_pairing(spec, architecture.gguf_pairing);
    if (architecture.gguf_needs_head) spec.tied_head = false;
    if (architecture.gguf_needs_own_keys)
        for_each_attention(spec, [](AttentionSpec& a) { a.kv_heads = a.heads; });
    return spec;
}

Metadata gguf_metadata(const Model& model, const ModelSpec& written, const std::vector<Item>& items,
                       const SaveOptions& options, const std::string& path) {
    const Architecture& architecture = architecture_of(written);
    Metadata metadata(path);
    metadata.set("general.architecture", std::string(architecture.gguf_name));
    metadata.set("general.type", std::string("model"));
    if (!written.name.empty()) metadata.set("general.name", written.name);
    const int32_t file_type = options.file_type >= 0 ? options.file_type : info(options.dtype).ggml_file_type;
    metadata.set("general.file_type", static_cast<uint32_t>(file_type));
    if (std::ranges::any_of(items, [](const Item& item) { return is_quantised(item.dtype); }))
        metadata.set("general.quantization_version", uint32_t{2});
    architecture.to_gguf(written, metadata);
    if (const Vocabulary* vocabulary = vocabulary_of(model, path))
        write_gguf_vocabulary(*vocabulary, written.vocab, metadata);
    else
        metadata.set("tokenizer.ggml.model", std::string("none"));
    return metadata;
}

void save_gguf(const Model& model, const std::filesystem::path& path, const SaveOptions& options) {
    const Architecture& architecture = architecture_of(model.spec);
    const ModelSpec written = spec_for_gguf(model.spec, architecture);
    const std::vector<TensorSlot> slots = tensor_slots(written);
    std::vector<Item> items;
    for (const TensorSlot& slot : slots) items.push_back(make_item(slot.name, slot, written, options));
    const Metadata metadata = gguf_metadata(model, written, items, options, path.string());

    const std::vector<float> divisors = archs::attention_of(written).rope.divisors;
    ModelSpec understood = architecture.from_gguf(metadata);
    archs::read_presence(understood, [&](const std::string& name) {
        return std::ranges::find(slots, name, &TensorSlot::name) != slots.end();
    });
    for_each_attention(understood, [&](AttentionSpec& a) { a.rope.divisors = divisors; });
    require_same(written, understood, path.string());

    std::vector<TensorDecl> decls = declarations(items);
    if (!divisors.empty())
        decls.push_back({"rope_freqs.weight", DType::f32, {static_cast<int64_t>(divisors.size())}});
    GgufWriter writer(path, metadata, decls);
    write_items(writer, TensorSource(model, written), items, options);
    if (!divisors.empty()) writer.write("rope_freqs.weight", std::as_bytes(std::span(divisors)));
    writer.finish();
}

nlohmann::ordered_json hf_config(const Model& model, const Architecture& architecture,
                                 const SaveOptions& options, const Vocabulary* vocabulary) {
    nlohmann::ordered_json config;
    config["architectures"] = {architecture.hf_class};
    config["model_type"] = architecture.hf_model_type;
    architecture.to_hf(model.spec, config);
    config["torch_dtype"] = options.dtype == DType::f32   ? "float32"
                            : options.dtype == DType::f16 ? "float16"
                                                          : "bfloat16";
    if (!vocabulary) return config;
    if (vocabulary->bos >= 0) config["bos_token_id"] = vocabulary->bos;
    if (vocabulary->eos >= 0) config["eos_token_id"] = vocabulary->eos;
    if (vocabulary->pad >= 0) config["pad_token_id"] = vocabulary->pad;
    return config;
}

std::vector<Item> hf_items(const ModelSpec& spec, const Architecture& architecture,
                           const SaveOptions& options) {
    std::vector<Item> items;
    for (TensorSlot slot : tensor_slots(spec)) {
        if (slot.role == TensorRole::expert) {
            for (int e = 0; e < slot.shape[0]; ++e) {
                const TensorSlot part = part_of(slot, e);
                items.push_back(make_item(hf_name(architecture, part), part, spec, options));
            }
            continue;
        }
        if (slot.role == TensorRole::router && slot.shape.rank == 1) slot.shape = {1, slot.shape[0]};
        items.push_back(make_item(hf_name(architecture, slot), slot, spec, options));
    }
    return items;
}

// A directory that is filled beside its place, and gone again unless it was committed.
class NewDirectory {
  public:
    explicit NewDirectory(std::filesystem::path target)
        : target_(std::move(target)), path_(target_.string() + ".tmp") {
        namespace fs = std::filesystem;
        if (fs::exists(target_) && !fs::is_empty(target_) && !fs::exists(target_ / "config.json"))
            fail("{}: exists and is no model directory; it will not be replaced", target_.string());
        fs::remove_all(path_);
        fs::create_directories(path_);
    }
    NewDirectory(const NewDirectory&) = delete;
    NewDirectory& operator=(const NewDirectory&) = delete;
    ~NewDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::filesystem::path& path() const { return path_; }
    void commit() { commit_directory(path_, target_); }

  private:
    std::filesystem::path target_, path_;
};

void save_hf(const Model& model, const std::filesystem::path& path, const SaveOptions& options) {
    const Architecture& architecture = architecture_of(model.spec);
    const Vocabulary* vocabulary = vocabulary_of(model, path.string());
    const nlohmann::ordered_json config = hf_config(model, architecture, options, vocabulary);
    ModelSpec written = model.spec;
    set_pairing(written, RopePairing::half_split);
    require_same(written, architecture.from_hf(HfConfig(nlohmann::json(config), path.string())),
                 path.string());

    NewDirectory directory(path);
    const std::vector<Item> items = hf_items(written, architecture, options);
    const std::unique_ptr<TensorWriter> writer =
        create_hf(directory.path(), declarations(items), {.config = config});
    write_items(*writer, TensorSource(model, written), items, options);
    writer->finish();
    if (vocabulary) write_hf_tokenizer(*vocabulary, directory.path());
    directory.commit();
}

}  // namespace

void save_model(const Model& model, const std::filesystem::path& path, const SaveOptions& options) {
    if (options.container == Container::gguf) return save_gguf(model, path, options);
    save_hf(model, path, options);
}

}  // namespace gremium
