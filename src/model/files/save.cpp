#include "model/files/save.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include "base/error.h"
#include "formats/gguf/gguf.h"
#include "formats/hugging_face/hf.h"
#include "model/archs/common.h"
#include "model/archs/layout.h"
#include "model/files/gguf_vocabulary.h"
#include "model/files/mixtures.h"
#include "model/files/permute_heads.h"
#include "model/files/sampling.h"
#include "model/named_weights.h"
#include "model/spec/difference.h"
#include "model/unusable_weight.h"
#include "tensor/quantised/blocks.h"
#include "text/hf_tokenizer.h"

namespace gremium {

namespace {

using kernels::RopePairing;

using archs::FileTensor;

struct Item {
    FileTensor tensor;
    DType dtype;
};

// Writes the tensors of a model as the specification `written` wants them.
class TensorSource {
  public:
    TensorSource(const Model& model, const ModelSpec& written, const SaveOptions& options)
        : model_(model), written_(written), options_(options), values_(weights_by_name(model)) {
        for (const NamedWeight& named : named_weights(model))
            if (named.weight.scale) scales_[named.slot.name] = named.weight.scale;
    }

    void write(TensorWriter& writer, const Item& item) const {
        if (item.tensor.plain())
            write_plain(writer, item);
        else
            write_shared(writer, item);
    }

  private:
    // Matrix m of a stack, or the only one.
    TensorView matrix(const TensorSlot& slot, int m) const {
        if (slot.of_experts()) return weight_of_expert(model_, slot, m).value;
        const TensorView all = values_.at(slot.name);
        return slot.shape.rank == 3 ? all.at(m) : all;
    }

    // What its products are multiplied by; empty: nothing.
    TensorView scale_of(const TensorSlot& slot, int m) const {
        if (slot.of_experts()) return weight_of_expert(model_, slot, m).scale;
        const auto found = scales_.find(slot.name);
        return found == scales_.end() ? TensorView{} : found->second;
    }

    // The same in the item's type, converted into `memory` where it is of another. Files have no number beside it.
    TensorView matrix_as_item(const TensorSlot& slot, int m, const Item& item, std::vector<std::byte>& memory) const {
        TensorView view = matrix(slot, m);
        if (const auto found = first_not_finite(view)) fail("{}: {}", model_.source, place_of(slot, m, *found));
        std::vector<float> scaled;
        if (const TensorView scale = scale_of(slot, m)) {
            scaled = to_floats(view);
            for (float& v : scaled) v *= *scale.f32();
            view = as_tensor(scaled.data(), view.shape);
            if (item.dtype == DType::f32) {
                memory.resize(static_cast<size_t>(view.bytes()));
                std::memcpy(memory.data(), view.data, memory.size());
                return {memory.data(), DType::f32, view.shape};
            }
        }
        if (view.dtype == item.dtype) return view;
        memory.resize(static_cast<size_t>(view.rows() * row_bytes(item.dtype, view.cols())));
        const bool rounded = options_.importance && is_quantised(item.dtype);
        convert(view, {memory.data(), item.dtype, view.shape},
                rounded ? options_.importance(slot, m) : std::span<const float>());
        const TensorView converted(memory.data(), item.dtype, view.shape);
        if (const auto found = first_not_finite(converted))
            fail("{}: {} as {}, which cannot hold it", model_.source, place_of(slot, m, *found), info(item.dtype).name);
        return converted;
    }

    void write_plain(TensorWriter& writer, const Item& item) const {
        const TensorSlot& slot = item.tensor.pieces.front().slot;
        const int first = std::max(0, slot.expert);
        const int end = first + static_cast<int>(archs::matrices_of(slot).count);
        for (int m = first; m < end; ++m) {
            std::vector<std::byte> converted;
            TensorView view = matrix_as_item(slot, m, item, converted);
            const auto become = [&](std::vector<std::byte> bytes) {
                if (bytes.empty()) return;
                const bool grown = std::cmp_greater(bytes.size(), view.bytes());
                if (grown) view.shape.dim[0] *= std::ssize(bytes) / view.bytes();
                converted = std::move(bytes);
                view.data = converted.data();
            };
            if (slot.role == TensorRole::rates) become(converted_rates(view, slot));
            become(permuted_heads(view, slot, model_.spec, written_));
            become(permuted_value_heads(view, slot, model_.spec, written_));
            writer.write(item.tensor.name, {view.data, static_cast<size_t>(view.bytes())});
        }
    }

    // A tensor that several slots share, or that has another order: matrix by matrix.
    void write_shared(TensorWriter& writer, const Item& item) const {
        archs::Matrices file = item.tensor.matrices();
        const int64_t matrices = std::exchange(file.count, 1);
        std::vector<std::byte> bytes(static_cast<size_t>(file.rows * row_bytes(item.dtype, file.cols)));
        for (int m = 0; m < matrices; ++m) {
            for (const auto& [slot, layout, begin] : item.tensor.pieces) {
                archs::Matrices shape = archs::matrices_of(slot);
                shape.count = 1;
                std::vector<std::byte> converted;
                const TensorView view = matrix_as_item(slot, m, item, converted);
                archs::scatter(view.data, shape, bytes.data(), file, layout, item.dtype, begin,
                               layer_of(written_, slot));
            }
            writer.write(item.tensor.name, bytes);
        }
    }

    // Rates A as the file has them: themselves or ln(−A). Empty when the model has them so.
    std::vector<std::byte> converted_rates(TensorView view, const TensorSlot& slot) const {
        const auto logarithms = [&](const ModelSpec& spec) {
            return *log_rates_of(spec.layers[static_cast<size_t>(slot.layer)]);
        };
        if (logarithms(model_.spec) == logarithms(written_)) return {};
        // Kimi's bounded decays have positive rates.
        const auto* net = std::get_if<DeltaNetSpec>(&layer_of(model_.spec, slot)->mixer);
        const float sign = net && net->lower_bound < 0 ? 1 : -1;
        std::vector<float> rates = to_floats(view);
        for (float& rate : rates) {
            const float said = rate;
            rate = logarithms(written_) ? std::log(sign * rate) : sign * std::exp(rate);
            if (!std::isfinite(rate))
                fail("{}: tensor {}: the rate {} has no {}", model_.source, slot.name, said,
                     logarithms(written_) ? "logarithm" : "exponential");
        }
        const auto bytes = std::as_bytes(std::span(rates));
        return {bytes.begin(), bytes.end()};
    }

    const Model& model_;
    const ModelSpec& written_;
    const SaveOptions& options_;
    std::map<std::string, TensorView> values_, scales_;
};

// Matrices take the type asked for, as far as it fits their shape; the small rest is f32.
DType type_of(const FileTensor& tensor, const ModelSpec& written, const SaveOptions& options) {
    const TensorSlot& slot = tensor.pieces.front().slot;
    const bool matrix = slot.role == TensorRole::embedding || slot.role == TensorRole::head ||
                        slot.role == TensorRole::matrix || slot.role == TensorRole::expert;
    if (!matrix) return DType::f32;
    const DType wanted = options.type_of ? options.type_of(written, slot) : options.dtype;
    return fitting_type(wanted, slot.shape[slot.shape.rank - 1]);
}

std::vector<Item> make_items(std::vector<FileTensor> tensors, const ModelSpec& written, const SaveOptions& options) {
    std::vector<Item> items;
    for (FileTensor& tensor : tensors) {
        const DType type = type_of(tensor, written, options);
        items.push_back({std::move(tensor), type});
    }
    return items;
}

std::vector<TensorDecl> declarations(const std::vector<Item>& items) {
    std::vector<TensorDecl> decls;
    for (const Item& item : items) decls.push_back({item.tensor.name, item.dtype, item.tensor.shape});
    return decls;
}

// In the writer's order; tensors that are no items are left for later.
void write_items(TensorWriter& writer, const TensorSource& source, const std::vector<Item>& items,
                 const SaveOptions& options) {
    std::map<std::string, const Item*> by_name;
    for (const Item& item : items) by_name[item.tensor.name] = &item;
    const std::vector<TensorDecl> order = writer.tensors();
    for (size_t i = 0; i < order.size(); ++i) {
        const auto item = by_name.find(order[i].name);
        if (item == by_name.end()) continue;
        if (options.progress) options.progress({i, order.size(), item->first, item->second->dtype});
        source.write(writer, *item->second);
    }
}

// `understood` is what a reader of the written configuration would make of it; of a name that looks like a path it
// keeps the end.
void require_same(const ModelSpec& written, ModelSpec understood, const std::string& path) {
    understood.name = written.name;
    if (const std::string difference = first_difference(written, understood); !difference.empty())
        fail("{}: the {} layout cannot express {}", path, written.architecture, difference);
}

void set_log_rates(ModelSpec& spec, bool log_rates) {
    for (LayerSpec& layer : spec.layers)
        if (bool* own = log_rates_of(layer)) *own = log_rates;
}

void set_tiled_heads(ModelSpec& spec, bool tiled) {
    for (LayerSpec& layer : spec.layers)
        if (auto* net = std::get_if<DeltaNetSpec>(&layer.mixer)) net->tiled = tiled;
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
    set_log_rates(spec, false);
    set_tiled_heads(spec, architecture.gguf_tiled_heads);
    if (architecture.gguf_needs_head) spec.tied_head = false;
    if (architecture.gguf_needs_own_keys) for_each_attention(spec, [](AttentionSpec& a) { a.kv_heads = a.heads; });
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
    if (const auto& origin = options.importance_origin) {
        metadata.set("quantize.imatrix.file", origin->file);
        if (!origin->text.empty()) metadata.set("quantize.imatrix.dataset", origin->text);
        metadata.set("quantize.imatrix.entries_count", static_cast<uint32_t>(origin->tensors));
        if (origin->windows > 0) metadata.set("quantize.imatrix.chunks_count", static_cast<uint32_t>(origin->windows));
    }
    if (const Vocabulary* vocabulary = vocabulary_of(model, path))
        write_gguf_vocabulary(*vocabulary, written.vocab, metadata);
    else
        metadata.set("tokenizer.ggml.model", std::string("none"));
    write_sampling(model.sampling, metadata);
    return metadata;
}

void save_gguf(const Model& model, const std::filesystem::path& path, const SaveOptions& options) {
    const Architecture& architecture = architecture_of(model.spec);
    const ModelSpec written = spec_for_gguf(model.spec, architecture);
    const std::vector<TensorSlot> slots = tensor_slots(written);
    const std::vector<Item> items = make_items(archs::gguf_tensors(architecture, written), written, options);
    const Metadata metadata = gguf_metadata(model, written, items, options, path.string());

    RopeSpec rope;
    for_each_attention(written, [&](const AttentionSpec& a) {
        if (!a.rope.divisors.empty() || rope.divisors.empty()) rope = a.rope;
    });
    ModelSpec understood = architecture.from_gguf(metadata);
    archs::read_presence(understood, [&](const TensorSlot& slot) -> std::optional<Shape> {
        const auto found = std::ranges::find(slots, slot.name, &TensorSlot::name);
        return found == slots.end() ? std::nullopt : std::optional(found->shape);
    });
    archs::set_divisors(understood, &RopeSpec::divisors, rope.divisors);
    archs::set_divisors(understood, &RopeSpec::long_divisors, rope.long_divisors);
    require_same(written, understood, path.string());

    std::vector<TensorDecl> decls = declarations(items);
    const std::vector<archs::RotaryTensor> rotary = archs::rotary_tensors_of(rope);
    for (const archs::RotaryTensor& tensor : rotary)
        decls.push_back({tensor.name, DType::f32, {static_cast<int64_t>((rope.*tensor.divisors).size())}});
    GgufWriter writer(path, metadata, decls);
    write_items(writer, TensorSource(model, written, options), items, options);
    for (const archs::RotaryTensor& tensor : rotary)
        writer.write(tensor.name, std::as_bytes(std::span(rope.*tensor.divisors)));
    writer.finish();
}

nlohmann::ordered_json hf_config(const Model& model, const Architecture& architecture, const SaveOptions& options,
                                 const Vocabulary* vocabulary) {
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

// What transformers' generate() begins and stops with, and how it chooses.
nlohmann::ordered_json generation_config(const Model& model) {
    nlohmann::ordered_json config = nlohmann::ordered_json::object();
    write_sampling(model.sampling, config);
    const Tokenizer* const tokenizer = model.tokenizer.get();
    if (!tokenizer) return config;
    const Vocabulary& v = tokenizer->vocabulary();
    const std::vector<int32_t>& ends = tokenizer->ends_of_generation();
    config["_from_model_config"] = true;
    if (v.bos >= 0) config["bos_token_id"] = v.bos;
    if (!ends.empty()) config["eos_token_id"] = ends;
    if (v.pad >= 0) config["pad_token_id"] = v.pad;
    return config;
}

// A directory that is filled beside its place, and gone again unless it was committed.
class NewDirectory {
  public:
    explicit NewDirectory(std::filesystem::path target) : target_(std::move(target)), path_(target_.string() + ".tmp") {
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
    set_pairing(written, architecture.hf_pairing);
    set_log_rates(written, true);
    set_tiled_heads(written, false);
    require_same(written, architecture.from_hf(HfConfig(nlohmann::json(config), path.string())), path.string());

    NewDirectory directory(path);
    const std::vector<Item> items = make_items(archs::hf_tensors(architecture, written), written, options);
    const std::unique_ptr<TensorWriter> writer = create_hf(directory.path(), declarations(items),
                                                           {.config = config,
                                                            .generation_config = generation_config(model),
                                                            .shards = {.max_bytes = options.shard_bytes}});
    write_items(*writer, TensorSource(model, written, options), items, options);
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
