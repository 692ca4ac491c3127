// The building blocks of a model, for experiments: tensors, differentiable operations on a tape, a bare mixture layer
// and AdamW. Everything is f32. Letters of shapes: T tokens, D and K inputs, N outputs, F hidden width of an expert,
// E experts, V vocabulary.
//
//   toolkit::Tape tape;
//   const auto out = mixture(tape, tape.input(x_TD));    // output, chosen experts, losses
//   …                                                    // write the loss's gradient into tape.gradient(out.y)
//   tape.backward();
//   optimiser.update(mixture.parameters());
//
// Functions throw Error if shapes do not fit together. Use each object from one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <gremium/error.hpp>

namespace gremium {
namespace api {
struct Access;
struct TapeState;
struct MixtureState;
}  // namespace api

inline namespace v0 {
namespace toolkit {

// Counter-based random numbers: the n-th number depends on seed, stream and n only.
class Random {
  public:
    explicit Random(uint64_t seed, uint64_t stream = 0) : seed_(seed), stream_(stream) {}
    double uniform();  // [0, 1)
    double normal();   // mean 0, variance 1

  private:
    uint64_t seed_, stream_, position_ = 0;
};

// An f32 tensor of one to four dimensions, the last one contiguous. Copies share the data.
class Tensor {
  public:
    // An empty tensor, which is false.
    Tensor() = default;
    // Filled with zeros.
    explicit Tensor(std::vector<int64_t> shape);
    static Tensor normal(std::vector<int64_t> shape, Random& random, float scale = 1);

    explicit operator bool() const { return data_ != nullptr; }
    const std::vector<int64_t>& shape() const { return shape_; }
    int64_t count() const;
    std::span<float> values() const { return {data_, static_cast<size_t>(count())}; }
    // A slice along the first dimension; shares the data.
    Tensor operator[](int64_t index) const;
    // Another shape with the same number of elements; shares the data.
    Tensor reshaped(std::vector<int64_t> shape) const;

  private:
    std::shared_ptr<const void> memory_;
    float* data_ = nullptr;
    std::vector<int64_t> shape_;
};

// y_RN = x_RK · w_NKᵀ
void matmul(const Tensor& y_RN, const Tensor& x_RK, const Tensor& w_NK);

// A trainable tensor. Copies share all data.
struct Parameter {
    // Absent, where a parameter is optional.
    Parameter() = default;
    explicit Parameter(Tensor value);
    Tensor value;
    // backward() adds to it, AdamW::update() resets it to zero.
    Tensor gradient;
    // AdamW's moments.
    Tensor mean, variance;
};

struct AdamWOptions {
    float learning_rate = 0.001f, beta1 = 0.9f, beta2 = 0.95f, epsilon = 1e-8f;
    // Decoupled weight decay; it is multiplied by the learning rate.
    float decay = 0;
};
// Adam with decoupled weight decay (Loshchilov, Hutter 2019).
class AdamW {
  public:
    explicit AdamW(const AdamWOptions& options = {}) : options_(options) {}
    // Takes one step and resets the gradients to zero.
    void update(std::span<const Parameter> parameters);

  private:
    AdamWOptions options_;
    int64_t steps_ = 0;
};

// The result of an operation, [rows, columns]. Valid until its tape is cleared or destroyed.
class Value {
  public:
    Value() = default;
    std::vector<int64_t> shape() const;
    std::span<const float> values() const;

  private:
    friend struct api::Access;
    void* node_ = nullptr;
};

// Records operations so that gradients can be computed. Keep one and clear it after each step: it reuses its memory.
class Tape {
  public:
    // Without recording there is no backward, and an operation may overwrite its inputs, which must not be used again.
    explicit Tape(bool record = true);
    ~Tape();
    Tape(const Tape&) = delete;
    Tape& operator=(const Tape&) = delete;

    Value input(const Tensor& x, bool wants_gradient = false);
    // The gradient of a value, zero at first. Before backward(), write the gradient of your loss into it; after
    // backward(), read the gradient of an input.
    std::span<float> gradient(Value v);
    // From the gradients that were written.
    void backward();
    // From a scalar loss, whose gradient is `seed`.
    void backward(Value loss, float seed = 1);
    void clear();

  private:
    friend struct api::Access;
    std::unique_ptr<api::TapeState> state_;
};

// Operations. The backward of each adds to the gradients of its parameters and inputs.
Value linear(Tape& tape, Value x_TK, const Parameter& w_NK, const Parameter& bias_N = {});
Value embedding(Tape& tape, const Parameter& table_VD, std::span<const int32_t> ids_T);
Value rms_norm(Tape& tape, Value x_TD, const Parameter& weight_D, float epsilon = 1e-5f);
Value softmax(Tape& tape, Value x_TD);
Value sigmoid(Tape& tape, Value x_TD);
Value silu(Tape& tape, Value gate_TF, Value up_TF);  // gate · σ(gate) · up
Value add(Tape& tape, Value x, Value y);
Value scale(Tape& tape, Value x, float factor);
// Mean of −ln p(target) over the targets that are not −1, with p = softmax(x · headᵀ). A scalar.
Value cross_entropy(Tape& tape, Value x_TD, const Parameter& head_VD, std::span<const int32_t> targets_T);

struct MixtureOptions {
    int64_t width = 0;   // D
    int64_t hidden = 0;  // F
    int experts = 0;
    int top_k = 1;
    // How router logits become scores: softmax over all experts, softmax over the chosen ones only, or a sigmoid each.
    enum class Score : uint8_t { softmax, softmax_selected, sigmoid } score = Score::softmax;
    // Divides the routing weights of a token by their sum.
    bool normalise = false;
    // Standard deviations of the initial values, which are normally distributed.
    float router_scale = 0.02f, expert_scale = 0.02f;
};

struct MixtureOutput {
    Value y_TD;
    std::vector<int32_t> ids_Tk;  // the experts chosen for each token, best first
    Value weights_Tk;             // their routing weights
    std::vector<int64_t> load_E;  // tokens per expert
    // E · Σ_e share of choices_e · mean score_e, and mean logsumexp(logits)². Scalars; only if the tape records.
    Value balance_loss, z_loss;
};

// y[t] = Σ_j weight[t, j] · expert_{id[t, j]}(x[t]) with expert(x) = down · (silu(gate · x) ⊙ up · x).
// Copies share the parameters.
class Mixture {
  public:
    // Throws Error for sizes that are not positive, and for top_k above the number of experts.
    Mixture(const MixtureOptions& options, Random& random);
    MixtureOutput operator()(Tape& tape, Value x_TD) const;
    // The router [E, D], then gate [F, D], up [F, D] and down [D, F] of each expert in turn.
    std::span<const Parameter> parameters() const;

  private:
    std::shared_ptr<const api::MixtureState> state_;
};

}  // namespace toolkit
}  // namespace v0
}  // namespace gremium
