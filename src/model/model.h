// Model: what was loaded. Immutable to users; the trainer owns one whose weights are parameters.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/spec/spec.h"
#include "moe/store/expert_store.h"
#include "ops/graph.h"
#include "text/tokenizer.h"

namespace gremium {

struct AttentionWeights {
    ops::Weight q, k, v, out, q_bias, k_bias, v_bias, out_bias, q_norm, k_norm, sinks;
    ops::Weight q_a, q_a_norm, q_b, kv_a, kv_a_norm, k_b, v_b;  // of latent attention, which has no k and v
};
struct SsmWeights {
    ops::Weight in, conv, conv_bias, x, dt_norm, b_norm, c_norm, dt, dt_bias, a, d, out;
};
struct DenseWeights {
    ops::Weight gate, up, down, gate_bias, up_bias, down_bias;
};
struct MoeWeights {  // the experts themselves live in the ExpertStore
    ops::Weight router, router_bias, correction, shared_gate;
    DenseWeights shared;
};
struct NormWeights {
    ops::Weight weight, bias;
};
struct LayerWeights {
    NormWeights attention_norm, cross_norm, feed_forward_norm;
    AttentionWeights attention, cross;
    SsmWeights ssm;
    DenseWeights dense;  // of a dense layer
    MoeWeights moe;      // of a MoE layer
};
struct ModelWeights {
    ops::Weight embedding, head, head_bias;  // head: the embedding again when tied
    ops::Weight relative_bias;               // [buckets, heads]
    NormWeights final_norm;
    std::vector<LayerWeights> layers;
};

struct Model {
    ModelSpec spec;
    ModelWeights weights;
    std::unique_ptr<moe::ExpertStore> experts;   // null for dense models
    std::shared_ptr<const Model> encoder;        // null unless the specification has one
    std::shared_ptr<const Tokenizer> tokenizer;  // null when the files hold none, or
    std::string tokenizer_error;                 // none that is supported: why, with the file's name
    std::string source;                          // path, for messages
    std::shared_ptr<const void> storage;         // keeps mapped files or parameters alive
    int64_t converted_bytes = 0;                 // of weights that are held in another form than the file's
};

struct LoadOptions {
    moe::Residency experts = moe::Residency::mapped;
};

// A GGUF file (also the first of a split set) or a directory in Hugging Face layout. Throws Error:
// unreadable, unknown architecture (with those supported), tensors missing or of the wrong shape.
//
// Weights are views of the mapped files. Memory goes only to what these hold otherwise than kernels want it: matrices
// in another order (transposed or interleaved experts) are copied in the file's own type, FP8 with its scales becomes
// bf16, MXFP4 pairs stay 4.25 bits a weight. To f32 come vectors, and block-quantised matrices that lie transposed.
std::shared_ptr<const Model> load_model(const std::filesystem::path& path, LoadOptions options = {});

// Tokenizer alone: also from a vocabulary-only GGUF or a directory that holds only tokenizer files.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path);

// Binds named tensors to a model: `find` gives the weight of a canonical name (views and, for training,
// gradients); expert stacks [E, …] are split into experts here. Where it gives nothing for a stack it is
// asked for each expert. Used by load_model and by the trainer.
std::shared_ptr<Model> bind_model(const ModelSpec& spec, const std::function<ops::Weight(const TensorSlot&)>& find,
                                  moe::Residency residency);

enum class Container : uint8_t { gguf, hugging_face };
struct SaveProgress {
    size_t tensor, tensors;  // the one being written, from 0, and how many there are
    std::string_view name;   // in the file
    DType dtype;
};
struct SaveOptions {
    Container container = Container::gguf;
    // Of matrices; norms, biases and routers stay f32 (GGUF's habit). Types whose blocks do not divide the
    // rows give way to others (recipe.h, fitting_type).
    DType dtype = DType::f32;
    // Overrules dtype for one matrix of the model as it is written (recipe.h has such mixtures); file_type is
    // then GGUF's general.file_type, unless it is dtype's.
    std::function<DType(const ModelSpec& written, const TensorSlot& slot)> type_of = {};
    int32_t file_type = -1;
    // How much each column of a matrix, or of one of a stack, matters to a quantiser; empty: all the same.
    std::function<std::span<const float>(const TensorSlot& slot, int matrix)> importance = {};
    int64_t shard_bytes = 5'000'000'000;  // of tensors in one file of a Hugging Face directory
    std::function<void(const SaveProgress&)> progress = {};
};
// Writes atomically (file or directory). Tensors by canonical name from the model (layout differences of the
// target, e.g. permuted q/k rows of GGUF's llama, are applied here). Throws Error when the container cannot
// say what the spec says.
void save_model(const Model& model, const std::filesystem::path& path, const SaveOptions& options = {});

}  // namespace gremium
