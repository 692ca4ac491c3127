#include "model/files/load.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "formats/gguf/gguf.h"
#include "formats/hugging_face/hf.h"
#include "model/archs/common.h"
#include "model/archs/known_keys.h"
#include "model/files/bind.h"
#include "model/files/gguf_vocabulary.h"
#include "model/files/sampling.h"
#include "model/files/source.h"
#include "model/spec/tensors.h"
#include "model/spec/validate.h"
#include "tensor/quantised/blocks.h"
#include "text/hf_tokenizer.h"

namespace gremium {

namespace {

// What GGUF says in tensors rather than in metadata.
void read_facts_of_tensors(ModelSpec& spec, const TensorIndex& tensors, bool says_vocabulary) {
    const Architecture& architecture = architecture_of(spec);
    archs::read_presence(spec, [&](const TensorSlot& slot) -> std::optional<Shape> {
        for (const Place& place : gguf_places(architecture, slot))
            if (const TensorView* found = tensors.find(place.name)) return found->shape;
        return std::nullopt;
    });
    const TensorView* embedding = tensors.find(embedding_name);
    // An embedding padded beyond the tokens counts.
    if (embedding && !says_vocabulary && embedding->rows() >= spec.vocab && embedding->rows() <= INT32_MAX)
        spec.vocab = static_cast<int>(embedding->rows());
    for (const archs::RotaryTensor& rotary : archs::rotary_tensors) {
        const TensorView* divisors = tensors.find(rotary.name);
        if (!divisors) continue;
        if (divisors->dtype == DType::i32)
            fail("{}: tensor {} holds integers, expected real numbers", tensors.source(), rotary.name);
        archs::set_divisors(spec, rotary.divisors, to_floats(*divisors));
    }
    for_each_attention(spec, [&](AttentionSpec& a) {
        const bool scaled = a.rope.yarn.factor != 1 || !a.rope.long_divisors.empty();
        if (!scaled) a.rope.original_context = 0;  // some files say it though nothing depends on it
        if (scaled && a.rope.original_context == 0) a.rope.original_context = spec.context;
    });
}

std::shared_ptr<Model> bound_model(const ModelSpec& spec, const std::shared_ptr<Storage>& storage, Source& source,
                                   LoadOptions options) {
    auto model = bind_model(
        spec, [&](const TensorSlot& slot) { return source.find(slot); }, options.experts, storage->tensors.files());
    source.refuse_unused();
    model->source = storage->tensors.source();
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

// Tokens that were added behind those of the embedding, as a padding token often is, do not count.
void drop_added_tokens(Vocabulary& v, const Model& model, std::vector<std::string>& warnings) {
    const auto known = static_cast<size_t>(model.spec.vocab);
    if (v.tokens.size() <= known) return;
    const auto is_added = [](TokenType type) {
        return type == TokenType::control || type == TokenType::user_defined || type == TokenType::unused;
    };
    if (!std::all_of(v.types.begin() + static_cast<std::ptrdiff_t>(known), v.types.end(), is_added))
        fail("{}: the tokenizer has {} tokens, the embedding {}", model.source, v.tokens.size(), known);
    warnings.push_back(
        fmt::format("{}: the tokenizer has {} tokens, the embedding {}: the last, added ones are not used",
                    model.source, v.tokens.size(), known));
    v.tokens.resize(known);
    v.types.resize(known);
    if (!v.scores.empty()) v.scores.resize(known);
    for (int32_t* id : {&v.bos, &v.eos, &v.unk, &v.pad})
        if (*id >= model.spec.vocab) *id = -1;
    for (std::vector<int32_t>* ids : {&v.ends, &v.strip_left, &v.strip_right})
        std::erase_if(*ids, [&](int32_t id) { return id >= model.spec.vocab; });
}

// A tokenizer that is not supported does not keep a model from computing.
void add_tokenizer(Model& model, const ReadVocabulary& read, const std::string& source) {
    std::optional<Vocabulary> vocabulary;
    const auto read_fitting = [&] {
        vocabulary = read();
        if (vocabulary) drop_added_tokens(*vocabulary, model, model.warnings);
        return vocabulary;
    };
    const auto too_many = [&] { return vocabulary && vocabulary->size() > model.spec.vocab; };
    try {
        model.tokenizer = read_tokenizer(read_fitting, source);
    } catch (const Error& error) {
        if (too_many()) throw;
        model.tokenizer_error = error.what();
    }
}

std::optional<Vocabulary> read_directory_vocabulary(const std::filesystem::path& directory) {
    if (!has_hf_tokenizer(directory)) return std::nullopt;
    return read_hf_tokenizer(directory);
}

// Layers behind the model's that predict further tokens.
int further_layers(const Metadata& metadata) {
    return std::max(0, metadata.get<int32_t>(archs::key(metadata, "nextn_predict_layers"), 0));
}
int further_layers(const HfConfig& config) {
    return std::max(0,
                    config.get<int32_t>({"num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules"}, 0));
}

void warn(Model& model, std::optional<std::string> warning) {
    if (warning) model.warnings.push_back(*std::move(warning));
}

std::shared_ptr<const Model> load_gguf(const std::filesystem::path& path, LoadOptions options) {
    GgufFile file = open_gguf(path);
    ModelSpec spec = architecture_of(file.metadata).from_gguf(file.metadata);
    read_facts_of_tensors(spec, file.tensors, file.metadata.contains(archs::key(file.metadata, "vocab_size")));
    validate(spec, file.tensors.source());
    const auto storage = std::make_shared<Storage>(Storage{std::move(file.tensors), {}});
    GgufSource source(spec, *storage, further_layers(file.metadata));
    auto model = bound_model(spec, storage, source, options);
    add_tokenizer(
        *model, [&] { return read_gguf_vocabulary(file.metadata, &model->warnings); }, path.string());
    model->sampling = read_sampling(file.metadata, model->warnings);
    warn(*model, archs::warning_of_unread(file.metadata, model->tokenizer != nullptr));
    return model;
}

// A head beside a flag that says it is the embedding counts where it is another matrix, as it does in transformers from
// version 5 on and in llama.cpp.
std::optional<std::string> keep_own_head(ModelSpec& spec, const TensorIndex& tensors,
                                         const Architecture& architecture) {
    if (!spec.tied_head || architecture.has_encoder) return std::nullopt;
    const HfNaming naming = HfSource::naming_of(tensors, architecture);
    const auto named = [&](const char* canonical, TensorRole role) {
        return naming.in_file(hf_places(architecture, {canonical, {}, role}).front().name);
    };
    const std::string name = named("output.weight", TensorRole::head);
    const TensorView* const head = tensors.find(name);
    const TensorView* const embedding = tensors.find(named(embedding_name, TensorRole::embedding));
    if (!head || !embedding) return std::nullopt;
    const bool same = head->dtype == embedding->dtype && head->shape == embedding->shape &&
                      std::memcmp(head->data, embedding->data, static_cast<size_t>(head->bytes())) == 0;
    if (same) return std::nullopt;
    spec.tied_head = false;
    return fmt::format("{}: tie_word_embeddings is true, but {} is not the embedding: it is used", tensors.source(),
                       name);
}

// The blocks of numbers that share a scale.
F8Block f8_block_of(const HfConfig& config) {
    const auto quantised = config.child("quantization_config");
    const auto size = quantised ? quantised->find<std::vector<int64_t>>("weight_block_size") : std::nullopt;
    if (!size) return {};
    if (size->size() != 2 || std::ranges::min(*size) < 1)
        fail("{}: weight_block_size is [{}], expected two numbers of at least 1", quantised->source(),
             fmt::join(*size, ", "));
    return {size->at(0), size->at(1)};
}

std::shared_ptr<const Model> load_hf(const std::filesystem::path& path, LoadOptions options) {
    HfModel files = open_hf(path);
    const Architecture& architecture = architecture_of(files.config);
    ModelSpec spec = architecture.from_hf(files.config);
    const auto own_head = keep_own_head(spec, files.tensors, architecture);
    validate(spec, files.tensors.source());
    const auto storage = std::make_shared<Storage>(Storage{std::move(files.tensors), {}});
    HfSource source(spec, *storage, further_layers(files.config), f8_block_of(files.config));
    auto model = bound_model(spec, storage, source, options);
    warn(*model, own_head);
    add_tokenizer(
        *model, [&] { return read_directory_vocabulary(path); }, path.string());
    warn(*model, archs::warning_of_unread(files.config));
    if (!files.generation_config) return model;
    model->sampling = read_sampling(*files.generation_config, model->warnings);
    warn(*model, archs::warning_of_unread_generation(*files.generation_config));
    return model;
}

}  // namespace

std::shared_ptr<const Model> load_model(const std::filesystem::path& path, LoadOptions options) {
    return std::filesystem::is_directory(path) ? load_hf(hf_directory(path), options) : load_gguf(path, options);
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path) {
    const auto read = [&] {
        return std::filesystem::is_directory(path) ? read_directory_vocabulary(hf_directory(path))
                                                   : read_gguf_vocabulary(open_gguf(path).metadata);
    };
    auto tokenizer = read_tokenizer(read, path.string());
    if (!tokenizer) fail("{}: holds no tokenizer", path.string());
    return tokenizer;
}

}  // namespace gremium
