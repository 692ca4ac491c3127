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
    // of a mixture, by expert: rows, biases of their logits, corrections of the selection
    router,
    router_bias,
    correction,
    // of a mixture: one row, whose product says how much its shared experts count
    shared_gate,
    // stacks of all experts
    expert,
    expert_bias,
    // of attention: biases by distance [buckets, heads]; scores, one a head, that belong to no token
    relative_bias,
    sink,
    // of a state space mixer: taps of the convolution, rates A, factors D, biases of steps
    filter,
    rates,
    skip,
    step_bias
};

inline constexpr const char* embedding_name = "token_embd.weight";

// Which matrix of its part of a layer a tensor is, or the bias of which: what mixtures of quantised types choose by.
enum class Matrix : uint8_t { other, q, k, v, attention_out, gate, up, down };

// The standard deviation of the normal distribution that training starts a matrix with.
enum class Spread : uint8_t {
    usual,     // 0.02
    residual,  // of what is added to the residual stream: 0.02 / √(2 · layers)
    inputs,    // 1 / √(3 · inputs), as wide as the uniform distributions of Mamba's own code
};

// How many heads' rows follow each other in a tensor; 0 where it has no such rows.
struct HeadRows {
    int rotated = 0;  // in pairs, by the position: of q, k and their norms
    int shared = 0;   // each serves several query heads: of k and v
};

struct TensorTraits {
    Matrix matrix = Matrix::other;
    Spread spread = Spread::usual;
    HeadRows heads = {};
};

// Where in a block a tensor is.
enum class BlockPart : uint8_t { none, mixer_norm, mixer, cross_norm, cross, feed_forward_norm, feed_forward };

struct TensorSlot {
    std::string name;  // canonical, in GGUF's spelling: "blk.3.ffn_gate_exps.weight"
    Shape shape;       // torch order; experts stacked: [E, F, D]
    TensorRole role;
    int layer = -1;
    int expert = -1;          // ≥ 0: only that expert's part of the stack `name`, [F, D]
    bool of_encoder = false;  // the layer is the encoder's, the name begins with "enc."
    BlockPart part = BlockPart::none;
    TensorTraits traits = {};
    // Of a stack: where each expert has its part.
    ops::Weight moe::ExpertWeights::*of_expert = nullptr;

    bool of_experts() const { return role == TensorRole::expert || role == TensorRole::expert_bias; }
    // One row or number for every expert.
    bool of_router() const {
        return role == TensorRole::router || role == TensorRole::router_bias || role == TensorRole::correction;
    }
};

// Every tensor the spec implies: the order files are written in, what the loader requires, what the trainer
// initialises.
std::vector<TensorSlot> tensor_slots(const ModelSpec& spec);
// A slot of the encoder's own specification as one of the whole model's.
TensorSlot in_encoder(TensorSlot slot);
// The layer that a slot belongs to; null outside layers.
const LayerSpec* layer_of(const ModelSpec& spec, const TensorSlot& slot);
// One expert's part of a stacked slot.
TensorSlot part_of(const TensorSlot& stack, int expert);

// What kinds of layer fill. Names are those without "blk.N.".
class TensorList {
  public:
    struct Row {
        TensorSlot slot;
        ops::Weight* weight;  // null for stacks of experts, which live in the ExpertStore
        bool tied = false;    // no tensor of its own: the head that is the embedding
    };

    explicit TensorList(const ModelSpec& spec) : spec_(spec) {}
    int64_t dim() const { return spec_.dim; }

    void add(const std::string& name, ops::Weight& weight, Shape shape, TensorRole role, TensorTraits traits = {});
    // "NAME.weight" [dim], and its bias where the model's norms have one.
    void norm(const std::string& name, NormWeights& weights);
    // "NAME.weight" [out, in].
    void matrix(const std::string& name, ops::Weight& weight, int64_t out, int64_t in, TensorTraits traits = {});
    // The same and, if it has one, "NAME.bias" [out].
    struct Bias {
        ops::Weight& weight;
        bool present;
    };
    void affine(const std::string& name, ops::Weight& weight, Bias bias, int64_t out, int64_t in,
                TensorTraits traits = {});
    // A stack, of which each expert holds its part.
    void experts(const std::string& name, ops::Weight moe::ExpertWeights::*weight, Shape shape, TensorRole role,
                 TensorTraits traits = {});

    // The head; a tied one is listed too.
    void head(const std::string& name, ops::Weight& weight);

    // What is added from now on belongs there.
    void enter(int layer, BlockPart part);
    std::vector<Row> rows() && { return std::move(rows_); }

  private:
    void add_row(const std::string& name, ops::Weight* weight, Shape shape, TensorRole role, TensorTraits traits);

    const ModelSpec& spec_;
    std::vector<Row> rows_;
    int layer_ = -1;
    BlockPart part_ = BlockPart::none;
};

// The tensors of a model without those of its encoder, with the members of `weights` that hold them; `weights` is given
// the layers of the specification where it has none yet.
std::vector<TensorList::Row> list_tensors(const ModelSpec& spec, ModelWeights& weights);

}  // namespace gremium
