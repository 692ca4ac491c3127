// Files → specification → named weights → model.
#include <algorithm>
#include <deque>
#include <set>

#include "base/error.h"
#include "formats/gguf.h"
#include "formats/hf.h"
#include "model/archs/common.h"
#include "model/gguf_vocabulary.h"
#include "model/model.h"
#include "tensor/blocks.h"
#include "text/hf_tokenizer.h"

namespace gremium {

namespace {

using ops::Weight;

// The views of a model point into these.
struct Storage {
    TensorIndex tensors;
    std::deque<OwnedTensor> converted;
};

TensorView require_real(TensorView view, const std::string& name, const std::string& source) {
    if (view.dtype == DType::i32) fail("{}: tensor {} holds integers, expected real numbers", source, name);
    return view;
}

// What GGUF says in tensors rather than in metadata.
void read_facts_of_tensors(ModelSpec& spec, const TensorIndex& tensors) {
    archs::read_presence(spec, [&](const std::string& name) { return tensors.contains(name); });
    const TensorView* embedding = tensors.find("token_embd.weight");
    if (spec.vocab == 0 && embedding && embedding->rows() <= INT32_MAX)
        spec.vocab = static_cast<int>(embedding->rows());
    const TensorView* divisors = tensors.find("rope_freqs.weight");
    if (!divisors) return;
    require_real(*divisors, "rope_freqs.weight", tensors.source());
    for_each_attention(spec, [&](AttentionSpec& a) { a.rope.divisors = to_floats(*divisors); });
}

// Finds the tensors of a file, checks their shapes, and remembers which were used.
class Source {
  public:
    virtual ~Source() = default;
    Source(const ModelSpec& spec, Storage& storage) : spec_(spec), storage_(storage) {}

    // Empty for a stack whose experts are separate tensors.
    virtual Weight find(const TensorSlot& slot) = 0;

    // A tensor that the specification does not know means that it describes another model.
    void refuse_unused() const {
        for (const TensorEntry& entry : storage_.tensors)
            if (!used_.contains(entry.name) && !ignorable(entry.name))
                fail(
                    "{}: tensor {} does not belong to a {} model of {} layers as its configuration describes "
                    "it",
                    storage_.tensors.source(), entry.name, spec_.architecture, spec_.layers.size());
    }

  protected:
    virtual bool ignorable(const std::string& name) const = 0;

    const TensorIndex& tensors() const { return storage_.tensors; }
    const ModelSpec& spec() const { return spec_; }

    Weight take(const std::string& name, const TensorSlot& slot) {
        used_.insert(name);
        TensorView view;
        if (const TensorView* found = tensors().find(name);
            found && same_but_for_ones(found->shape, slot.shape))
            view = reshape(*found, slot.shape);
        else
            view = tensors().require(name, slot.shape);
        require_real(view, name, tensors().source());
        return {slot.shape.rank == 1 ? as_f32(view) : view, {}};
    }

    // The same numbers: a vector may be written as a matrix of one row.
    static bool same_but_for_ones(const Shape& a, const Shape& b) {
        const auto significant = [](const Shape& s) {
            std::vector<int64_t> dims(s.dim.begin(), s.dim.begin() + s.rank);
            std::erase(dims, 1);
            return dims;
        };
        return significant(a) == significant(b);
    }

  private:
    // Kernels want norms and biases in f32; they are small.
    TensorView as_f32(TensorView view) {
        if (view.dtype == DType::f32) return view;
        const OwnedTensor& copy = storage_.converted.emplace_back(DType::f32, view.shape);
        convert(view, copy);
        return copy;
    }

    const ModelSpec& spec_;
    Storage& storage_;
    std::set<std::string> used_;
};

class GgufSource : public Source {
  public:
    using Source::Source;

    Weight find(const TensorSlot& slot) override {
        if (slot.role != TensorRole::expert) return take(slot.name, slot);
        const std::string fused = in_place_of_exps(slot.name, "gate_up_exps");
        const bool separate = !tensors().contains(slot.name) &&
                              (tensors().contains(fused) || tensors().contains(old_name(slot, 0)));
        if (slot.expert < 0) return separate ? Weight{} : take(slot.name, slot);
        if (slot.name.find("ffn_down") == std::string::npos && tensors().contains(fused))
            return half_of(fused, slot);
        return take(old_name(slot, slot.expert), slot);
    }

  protected:
    bool ignorable(const std::string& name) const override { return name == "rope_freqs.weight"; }

  private:
    // "blk.3.ffn_gate_exps.weight" → "blk.3.ffn_gate.5.weight", as files were before April 2024.
    static std::string old_name(const TensorSlot& slot, int expert) {
        const size_t at = slot.name.find("_exps");
        return fmt::format("{}.{}.weight", slot.name.substr(0, at), expert);
    }
    static std::string in_place_of_exps(const std::string& name, std::string_view what) {
        return name.substr(0, name.find("ffn_") + 4) + std::string(what) + ".weight";
    }
    // Gate rows come first in a fused stack [E, 2F, D].
    Weight half_of(const std::string& fused, const TensorSlot& slot) {
        const MoeSpec& m = *spec().layers[static_cast<size_t>(slot.layer)].moe();
        TensorSlot stack = slot;
        stack.shape = {m.router.experts, 2 * slot.shape[0], slot.shape[1]};
        const TensorView both = take(fused, stack).value.at(slot.expert);
        const bool gate = slot.name.find("ffn_gate") != std::string::npos;
        return {{both.row(gate ? 0 : slot.shape[0]), both.dtype, slot.shape}, {}};
    }
};

class HfSource : public Source {
  public:
    HfSource(const ModelSpec& spec, Storage& storage)
        : Source(spec, storage), architecture_(architecture_of(spec)) {}

    Weight find(const TensorSlot& slot) override {
        if (slot.role == TensorRole::expert && slot.expert < 0) return {};
        return take(hf_name(architecture_, slot), slot);
    }

  protected:
    bool ignorable(const std::string& name) const override {
        return name.ends_with("rotary_emb.inv_freq") || (spec().tied_head && name == "lm_head.weight");
    }

  private:
    const Architecture& architecture_;
};

template <typename SourceKind>
std::shared_ptr<Model> bind(const ModelSpec& spec, TensorIndex tensors, LoadOptions options) {
    validate(spec, tensors.source());
    const std::string name = tensors.source();
    const auto storage = std::make_shared<Storage>(Storage{std::move(tensors), {}});
    SourceKind source(spec, *storage);
    auto model = bind_model(
        spec, [&](const TensorSlot& slot) { return source.find(slot); }, options.experts);
    source.refuse_unused();
    model->source = name;
    model->storage = storage;
    return model;
}

// A tokenizer that is not supported does not keep a model from computing.
void add_tokenizer(Model& model, const std::function<std::optional<Vocabulary>()>& read) {
    try {
        if (const auto vocabulary = read()) model.tokenizer = make_tokenizer(*vocabulary);
    } catch (const Error& error) {
        model.tokenizer_error = error.what();
    }
    if (model.tokenizer && model.tokenizer->vocabulary().size() > model.spec.vocab)
        fail("{}: the tokenizer has {} tokens, the embedding {}", model.source,
             model.tokenizer->vocabulary().size(), model.spec.vocab);
}

std::optional<Vocabulary> read_directory_vocabulary(const std::filesystem::path& directory) {
    const TokenizerFiles files = find_tokenizer_files(directory);
    if (files.sentencepiece.empty() && files.tokenizer_json.empty()) return std::nullopt;
    return read_hf_tokenizer(directory);
}

std::shared_ptr<const Model> load_gguf(const std::filesystem::path& path, LoadOptions options) {
    GgufFile file = open_gguf(path);
    ModelSpec spec = architecture_of(file.metadata).from_gguf(file.metadata);
    read_facts_of_tensors(spec, file.tensors);
    auto model = bind<GgufSource>(spec, std::move(file.tensors), options);
    add_tokenizer(*model, [&] { return read_gguf_vocabulary(file.metadata); });
    return model;
}

std::shared_ptr<const Model> load_hf(const std::filesystem::path& path, LoadOptions options) {
    HfModel files = open_hf(path);
    const ModelSpec spec = architecture_of(files.config).from_hf(files.config);
    auto model = bind<HfSource>(spec, std::move(files.tensors), options);
    add_tokenizer(*model, [&] { return read_directory_vocabulary(path); });
    return model;
}

}  // namespace

std::shared_ptr<const Model> load_model(const std::filesystem::path& path, LoadOptions options) {
    return std::filesystem::is_directory(path) ? load_hf(path, options) : load_gguf(path, options);
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path) {
    const auto vocabulary = std::filesystem::is_directory(path)
                                ? read_directory_vocabulary(path)
                                : read_gguf_vocabulary(open_gguf(path).metadata);
    if (!vocabulary) fail("{}: holds no tokenizer", path.string());
    return make_tokenizer(*vocabulary);
}

}  // namespace gremium
