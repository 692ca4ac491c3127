// The one table of a model's tensors: name, shape, role and the member of the weights that holds it. Each kind of layer
// lists its own (layers/KIND/description.cpp); those outside layers and the norms between are listed in tensors.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/spec/spec.h"
#include "tensor/tensor.h"

namespace gremium {

namespace moe {
struct ExpertWeights;
}
struct ModelWeights;
struct NormWeights;

enum class TensorRole : uint8_t {
    embedding,
    head,
    norm,
    bias,
    matrix,
    // Of a mixture, one entry per expert: router rows, biases of the logits, correction biases.
    router,
    router_bias,
    correction,
    // Of a mixture: one row; its product with x gates the shared experts.
    shared_gate,
    // Stacks of all experts.
    expert,
    expert_bias,
    // Of attention: biases by distance [buckets, heads]; one score per head that belongs to no token.
    relative_bias,
    sink,
    // Of a state space mixer: taps of the convolution, rates A, factors D, biases of step sizes.
    filter,
    rates,
    skip,
    step_bias
};

inline constexpr const char* embedding_name = "token_embd.weight";

// The matrix that a tensor is, or whose bias it is. Mixtures of quantised types (Q4_K_M, …) choose types by it.
enum class Matrix : uint8_t { other, q, k, v, attention_out, gate, up, down };

// The standard deviation of the normal distribution that training starts a matrix with.
enum class Spread : uint8_t {
    usual,     // 0.02
    residual,  // 0.02 / √(2 · layers), for matrices that add to the residual stream
    inputs,    // 1 / √(3 · inputs), the spread of the uniform distributions in Mamba's code
};

// The number of heads whose rows are stacked in a tensor; 0 if it has no such rows.
struct HeadRows {
    int rotated = 0;  // heads that RoPE rotates in pairs: q, k and their norms
    int shared = 0;   // heads that each serve several query heads: k and v
};

struct TensorTraits {
    Matrix matrix = Matrix::other;
    Spread spread = Spread::usual;
    HeadRows heads = {};
};

// The part of a block that a tensor belongs to.
enum class BlockPart : uint8_t {
    none,
    mixer_norm,
    mixer,
    cross_norm,
    cross,
    feed_forward_norm,
    feed_forward,
    mixer_post_norm,
    feed_forward_post_norm,
    branch_norm,
    branch
};

struct TensorSlot {
    std::string name;  // canonical, as in GGUF: "blk.3.ffn_gate_exps.weight"
    Shape shape;       // torch order; experts stacked: [E, F, D]
    TensorRole role;
    int layer = -1;
    // ≥ 0: only that expert's part of the stack `name`, [F, D].
    int expert = -1;
    // The layer is the encoder's, and the name begins with "enc.".
    bool of_encoder = false;
    BlockPart part = BlockPart::none;
    TensorTraits traits = {};
    // For a stack: the member of each expert that holds its part.
    ops::Weight moe::ExpertWeights::*of_expert = nullptr;

    bool of_experts() const { return role == TensorRole::expert || role == TensorRole::expert_bias; }
    // Whether it has one row or number per expert.
    bool of_router() const {
        return role == TensorRole::router || role == TensorRole::router_bias || role == TensorRole::correction;
    }
};

// All tensors of a model, in the order in which files are written. The loader requires them, the trainer initialises
// them.
std::vector<TensorSlot> tensor_slots(const ModelSpec& spec);
// Turns a slot of the encoder's specification into a slot of the whole model.
TensorSlot in_encoder(TensorSlot slot);
// The layer that a slot belongs to; null outside layers.
const LayerSpec* layer_of(const ModelSpec& spec, const TensorSlot& slot);
// One expert's part of a stacked slot.
TensorSlot part_of(const TensorSlot& stack, int expert);

// The list that the kinds of layer fill. Names are without "blk.N.".
class TensorList {
  public:
    struct Row {
        TensorSlot slot;
        ops::Weight* weight;  // null for stacks of experts, which are in the ExpertStore
        bool tied = false;    // a head without a tensor of its own: it is the embedding
    };

    explicit TensorList(const ModelSpec& spec) : spec_(spec) {}
    int64_t dim() const { return spec_.dim; }

    void add(const std::string& name, ops::Weight& weight, Shape shape, TensorRole role, TensorTraits traits = {});
    // "NAME.weight" [dim], and its bias where the model's norms have one.
    void norm(const std::string& name, NormWeights& weights);
    // "NAME.weight" [out, in].
    void matrix(const std::string& name, ops::Weight& weight, int64_t out, int64_t in, TensorTraits traits = {});
    // "NAME.weight" [out, in] and, if present, "NAME.bias" [out].
    struct Bias {
        ops::Weight& weight;
        bool present;
    };
    void affine(const std::string& name, ops::Weight& weight, Bias bias, int64_t out, int64_t in,
                TensorTraits traits = {});
    // A stack, of which each expert holds its part.
    void experts(const std::string& name, ops::Weight moe::ExpertWeights::*weight, Shape shape, TensorRole role,
                 TensorTraits traits = {});

    // The head. A tied head is listed too.
    void head(const std::string& name, ops::Weight& weight);

    // Sets the layer and part of the tensors that are added from now on.
    void enter(int layer, BlockPart part);
    std::vector<Row> rows() && { return std::move(rows_); }

  private:
    void add_row(const std::string& name, ops::Weight* weight, Shape shape, TensorRole role, TensorTraits traits);

    const ModelSpec& spec_;
    std::vector<Row> rows_;
    int layer_ = -1;
    BlockPart part_ = BlockPart::none;
};

// The tensors of a model without its encoder, and the members of `weights` that hold them. If `weights` has no layers
// yet, it gets those of the specification.
std::vector<TensorList::Row> list_tensors(const ModelSpec& spec, ModelWeights& weights);

}  // namespace gremium
