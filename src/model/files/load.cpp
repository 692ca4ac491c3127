#include "model/files/load.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "formats/gguf/gguf.h"
#include "formats/hugging_face/hf.h"
#include "model/archs/common.h"
#include "model/archs/layout.h"
#include "model/files/bind.h"
#include "model/files/gguf_vocabulary.h"
#include "model/files/join_scales.h"
#include "model/spec/tensors.h"
#include "model/spec/validate.h"
#include "tensor/quantised/blocks.h"
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
    const Architecture& architecture = architecture_of(spec);
    archs::read_presence(spec, [&](const TensorSlot& slot) {
        const std::vector<Place> places = gguf_places(architecture, slot);
        return std::ranges::any_of(places, [&](const Place& place) { return tensors.contains(place.name); });
    });
    const TensorView* embedding = tensors.find(embedding_name);
    if (spec.vocab == 0 && embedding && embedding->rows() <= INT32_MAX)
        spec.vocab = static_cast<int>(embedding->rows());
    for_each_attention(spec, [&](AttentionSpec& a) {
        for (const archs::RotaryTensor& rotary : archs::rotary_tensors) {
            const TensorView* divisors = tensors.find(rotary.name);
            if (!divisors) continue;
            require_real(*divisors, rotary.name, tensors.source());
            a.rope.*rotary.divisors = to_floats(*divisors);
        }
        const bool scaled = a.rope.yarn.factor != 1 || !a.rope.long_divisors.empty();
        if (!scaled) a.rope.original_context = 0;  // some files say it though nothing depends on it
    });
}

// Finds the tensors of a file, checks their shapes, and remembers which were used.
class Source {
  public:
    virtual ~Source() = default;
    Source(const ModelSpec& spec, Storage& storage)
        : spec_(spec), architecture_(architecture_of(spec)), storage_(storage) {}

    // Empty for a stack whose experts are to be asked for one by one.
    Weight find(const TensorSlot& slot) {
        const std::vector<Place> places = places_of(slot);
        for (const Place& place : places) {
            if (!holds(place.name)) continue;
            const bool whole_stack = slot.of_experts() && slot.expert < 0;
            if (whole_stack && (place.each_expert || viewed(place.layout))) return {};
            return place.layout.plain() ? take(place.name, slot) : take_part(place, slot);
        }
        return take(places.front().name, slot);  // it is missing
    }

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
    virtual std::vector<Place> places_of(const TensorSlot& slot) const = 0;
    virtual bool ignorable(const std::string& name) const = 0;

    const TensorIndex& tensors() const { return storage_.tensors; }
    const ModelSpec& spec() const { return spec_; }
    const Architecture& architecture() const { return architecture_; }

    // All slots that share the tensor of a place that is not plain say how large it must be.
    void expect_shared_tensors() {
        for (const TensorSlot& slot : tensor_slots(spec_))
            for (const Place& place : places_of(slot))
                if (!place.layout.plain())
                    extents_[place.name] += archs::extent_of(place.layout, archs::matrices_of(slot));
    }

  private:
    Weight take(const std::string& name, const TensorSlot& slot) {
        TensorView view = numbers(name);
        if (!same_but_for_ones(view.shape, slot.shape))
            fail("{}: tensor {} has shape {}, expected {}", tensors().source(), name, to_string(view.shape),
                 to_string(slot.shape));
        view = kept(reshape(view, slot.shape));
        return {is_small(slot) ? as_f32(view) : view, {}};
    }

    static std::string scales_of_blocks(const std::string& name) {
        return name.substr(0, name.rfind("_blocks")) + "_scales";
    }

    bool holds(const std::string& name) const {
        return tensors().contains(name) || (name.ends_with("_blocks") && tensors().find_opaque(name));
    }

    // A tensor of the file. Where it has a second one of scales they are put together in `joined_`, which the next such
    // tensor replaces; the slots that share one follow each other.
    TensorView numbers(const std::string& name) {
        if (name == joined_name_) return joined_;
        used_.insert(name);
        const OpaqueEntry* blocks = tensors().find_opaque(name);
        if (const OpaqueEntry* scales = blocks ? tensors().find_opaque(scales_of_blocks(name)) : nullptr)
            return join(name, join_mxfp4(*blocks, *scales, tensors().source()));
        const TensorView view = tensors().require(name);
        if (view.dtype != DType::f8_e4m3) return require_real(view, name, tensors().source());
        const std::string scales = name + "_scale_inv";
        used_.insert(scales);
        return join(name, scale_f8(view, tensors().require(scales), name, tensors().source()));
    }

    TensorView join(const std::string& name, OwnedTensor tensor) {
        joined_name_ = name;
        joined_ = tensor;
        joined_memory_ = std::move(tensor);
        return joined_;
    }

    // What a weight views stays.
    TensorView kept(TensorView view) {
        if (joined_memory_ && view.data >= joined_.data && view.data < joined_.data + joined_.bytes()) {
            storage_.converted.push_back(*std::move(joined_memory_));
            joined_memory_.reset();
        }
        return view;
    }

    // Whether a matrix of a stack lies in one piece in the file.
    static bool viewed(const Layout& layout) {
        const bool run = layout.part == Layout::Part::first || layout.part == Layout::Part::last;
        return run && !layout.columns && !layout.transposed;
    }

    // A slot that has only part of a tensor's numbers, or in another order: a view where they lie together, else a
    // copy.
    Weight take_part(const Place& place, const TensorSlot& slot) {
        archs::Matrices shape = archs::matrices_of(slot);
        if (slot.expert >= 0) shape.count = layer_of(spec_, slot)->moe()->router.experts;
        const archs::Matrices file = archs::in_file(place.layout, shape, extents_.at(place.name));
        TensorView view = numbers(place.name);
        Shape expected{file.count, file.rows, file.cols};
        if (place.layout.joined) expected = {file.count * file.rows, file.cols};
        if (!same_but_for_ones(view.shape, expected))
            fail("{}: tensor {} has shape {}, expected {}", tensors().source(), place.name, to_string(view.shape),
                 to_string(expected));
        if (slot.expert >= 0) {
            view = reshape(view, expected).at(slot.expert);
            const int64_t first = place.layout.part == Layout::Part::last ? file.rows - shape.rows : 0;
            view = kept({view.row(first), view.dtype, slot.shape});
            return {is_small(slot) ? as_f32(view) : view, {}};
        }
        std::optional<OwnedTensor> widened;  // blocks do not survive another order of columns
        if (is_quantised(view.dtype) && (place.layout.transposed || place.layout.columns)) {
            convert(view, widened.emplace(DType::f32, view.shape));
            view = *widened;
        }
        const OwnedTensor& copy = storage_.converted.emplace_back(view.dtype, slot.shape);
        archs::gather(copy.get().data, shape, view.data, file, place.layout, view.dtype);
        return {is_small(slot) ? as_f32(copy) : copy, {}};
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

    // Kernels want norms, biases and the like in f32.
    static bool is_small(const TensorSlot& slot) {
        return slot.shape.rank == 1 || slot.role == TensorRole::expert_bias || slot.role == TensorRole::filter ||
               slot.role == TensorRole::rates || slot.role == TensorRole::relative_bias;
    }
    TensorView as_f32(TensorView view) {
        if (view.dtype == DType::f32) return view;
        const OwnedTensor& copy = storage_.converted.emplace_back(DType::f32, view.shape);
        convert(view, copy);
        return copy;
    }

    const ModelSpec& spec_;
    const Architecture& architecture_;
    Storage& storage_;
    std::set<std::string> used_;
    std::map<std::string, int64_t> extents_;
    std::string joined_name_;
    TensorView joined_;
    std::optional<OwnedTensor> joined_memory_;  // of joined_, until a weight views it
};

class GgufSource : public Source {
  public:
    GgufSource(const ModelSpec& spec, Storage& storage) : Source(spec, storage) { expect_shared_tensors(); }

  protected:
    std::vector<Place> places_of(const TensorSlot& slot) const override { return gguf_places(architecture(), slot); }
    bool ignorable(const std::string& name) const override {
        return begins_with_any(name, architecture().gguf_ignored, spec()) ||
               std::ranges::any_of(archs::rotary_tensors,
                                   [&](const archs::RotaryTensor& rotary) { return rotary.name == name; });
    }
};

class HfSource : public Source {
  public:
    HfSource(const ModelSpec& spec, Storage& storage) : Source(spec, storage) { expect_shared_tensors(); }

  protected:
    std::vector<Place> places_of(const TensorSlot& slot) const override { return hf_places(architecture(), slot); }
    bool ignorable(const std::string& name) const override {
        return name.ends_with("rotary_emb.inv_freq") || (spec().tied_head && name.ends_with("lm_head.weight")) ||
               begins_with_any(name, architecture().hf_ignored, spec());
    }
};

template <typename SourceKind>
std::shared_ptr<Model> bind(const ModelSpec& spec, TensorIndex tensors, LoadOptions options) {
    validate(spec, tensors.source());
    const std::string name = tensors.source();
    const auto storage = std::make_shared<Storage>(Storage{std::move(tensors), {}});
    SourceKind source(spec, *storage);
    auto model = bind_model(
        spec, [&](const TensorSlot& slot) { return source.find(slot); }, options.experts, storage->tensors.files());
    source.refuse_unused();
    model->source = name;
    model->storage = storage;
    for (const OwnedTensor& tensor : storage->converted) model->converted_bytes += tensor.get().bytes();
    return model;
}

using ReadVocabulary = std::function<std::optional<Vocabulary>()>;

// Null where there is none. Errors name the file.
std::shared_ptr<const Tokenizer> read_tokenizer(const ReadVocabulary& read, const std::string& source) {
    try {
        const auto vocabulary = read();
        return vocabulary ? make_tokenizer(*vocabulary) : nullptr;
    } catch (const Error& error) {
        if (std::string_view(error.what()).starts_with(source)) throw;
        fail("{}: {}", source, error.what());
    }
}

// A tokenizer that is not supported does not keep a model from computing.
void add_tokenizer(Model& model, const ReadVocabulary& read, const std::string& source) {
    try {
        model.tokenizer = read_tokenizer(read, source);
    } catch (const Error& error) {
        model.tokenizer_error = error.what();
    }
    if (model.tokenizer && model.tokenizer->vocabulary().size() > model.spec.vocab)
        fail("{}: the tokenizer has {} tokens, the embedding {}", model.source, model.tokenizer->vocabulary().size(),
             model.spec.vocab);
}

std::optional<Vocabulary> read_directory_vocabulary(const std::filesystem::path& directory) {
    if (!has_hf_tokenizer(directory)) return std::nullopt;
    return read_hf_tokenizer(directory);
}

std::shared_ptr<const Model> load_gguf(const std::filesystem::path& path, LoadOptions options) {
    GgufFile file = open_gguf(path);
    ModelSpec spec = architecture_of(file.metadata).from_gguf(file.metadata);
    read_facts_of_tensors(spec, file.tensors);
    auto model = bind<GgufSource>(spec, std::move(file.tensors), options);
    add_tokenizer(
        *model, [&] { return read_gguf_vocabulary(file.metadata); }, path.string());
    return model;
}

std::shared_ptr<const Model> load_hf(const std::filesystem::path& path, LoadOptions options) {
    HfModel files = open_hf(path);
    const ModelSpec spec = architecture_of(files.config).from_hf(files.config);
    auto model = bind<HfSource>(spec, std::move(files.tensors), options);
    add_tokenizer(
        *model, [&] { return read_directory_vocabulary(path); }, path.string());
    return model;
}

}  // namespace

std::shared_ptr<const Model> load_model(const std::filesystem::path& path, LoadOptions options) {
    return std::filesystem::is_directory(path) ? load_hf(path, options) : load_gguf(path, options);
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path) {
    const auto read = [&] {
        return std::filesystem::is_directory(path) ? read_directory_vocabulary(path)
                                                   : read_gguf_vocabulary(open_gguf(path).metadata);
    };
    auto tokenizer = read_tokenizer(read, path.string());
    if (!tokenizer) fail("{}: holds no tokenizer", path.string());
    return tokenizer;
}

}  // namespace gremium
