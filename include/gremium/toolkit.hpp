// The parts a model is made of, for experiments: tensors, differentiable operations on a tape, a bare mixture layer
// and AdamW. Everything is f32. Shapes: T tokens, D and K inputs, N outputs, F hidden numbers of an expert, E experts,
// V vocabulary.
//
//   toolkit::Tape tape;
//   const auto out = mixture(tape, tape.input(x_TD));    // y, who chose which expert, losses
//   …                                                    // write the loss's gradient into tape.gradient(out.y)
//   tape.backward();
//   optimiser.update(mixture.parameters());
//
// Functions throw Error where shapes do not fit together. Objects are for one thread at a time.
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

// Random numbers by counting: what comes n-th depends on seed, stream and n alone.
class Random {
  public:
    explicit Random(uint64_t seed, uint64_t stream = 0) : seed_(seed), stream_(stream) {}
    double uniform();  // [0, 1)
    double normal();   // mean 0, variance 1

  private:
    uint64_t seed_, stream_, position_ = 0;
};

// Numbers in rows, the last dimension contiguous, one to four dimensions. Copies share the numbers.
class Tensor {
  public:
    Tensor() = default;                           // none
    explicit Tensor(std::vector<int64_t> shape);  // zeros
    static Tensor normal(std::vector<int64_t> shape, Random& random, float scale = 1);

    explicit operator bool() const { return data_ != nullptr; }
    const std::vector<int64_t>& shape() const { return shape_; }
    int64_t count() const;
    std::span<float> values() const { return {data_, static_cast<size_t>(count())}; }
    Tensor operator[](int64_t index) const;             // a part along the first dimension, of the same numbers
    Tensor reshaped(std::vector<int64_t> shape) const;  // the same numbers in another shape of equal count

  private:
    std::shared_ptr<const void> memory_;
    float* data_ = nullptr;
    std::vector<int64_t> shape_;
};

// y_RN = x_RK · w_NKᵀ
void matmul(const Tensor& y_RN, const Tensor& x_RK, const Tensor& w_NK);

// Something to learn. Copies share everything.
struct Parameter {
    Parameter() = default;  // none: where it is optional
    explicit Parameter(Tensor value);
    Tensor value;
    Tensor gradient;        // backward() adds to it, AdamW::update() sets it to zero again
    Tensor mean, variance;  // AdamW's moments
};

struct AdamWOptions {
    float learning_rate = 0.001f, beta1 = 0.9f, beta2 = 0.95f, epsilon = 1e-8f;
    float decay = 0;  // of the weights, times the learning rate
};
// Adam with decoupled weight decay (Loshchilov, Hutter 2019).
class AdamW {
  public:
    explicit AdamW(const AdamWOptions& options = {}) : options_(options) {}
    // One step along the gradients, which are zero afterwards.
    void update(std::span<const Parameter> parameters);

  private:
    AdamWOptions options_;
    int64_t steps_ = 0;
};

// What an operation made: [rows, columns]. Valid until its tape is cleared or goes.
class Value {
  public:
    Value() = default;
    std::vector<int64_t> shape() const;
    std::span<const float> values() const;

  private:
    friend struct api::Access;
    void* node_ = nullptr;
};

// Remembers operations, to run them backwards. Keep one and clear it after each step: memory is then used again.
class Tape {
  public:
    // Without recording there is no backward, and operations reuse memory: values that went into one are then gone.
    explicit Tape(bool record = true);
    ~Tape();
    Tape(const Tape&) = delete;
    Tape& operator=(const Tape&) = delete;

    Value input(const Tensor& x, bool wants_gradient = false);
    // The gradient of a value, zero at first: write that of your loss before backward(), read an input's after it.
    std::span<float> gradient(Value v);
    void backward();                            // from the gradients written
    void backward(Value loss, float seed = 1);  // from a single number
    void clear();

  private:
    friend struct api::Access;
    std::unique_ptr<api::TapeState> state_;
};

// Each adds to the gradients of its parameters and of the values it is made of.
Value linear(Tape& tape, Value x_TK, const Parameter& w_NK, const Parameter& bias_N = {});
Value embedding(Tape& tape, const Parameter& table_VD, std::span<const int32_t> ids_T);
Value rms_norm(Tape& tape, Value x_TD, const Parameter& weight_D, float epsilon = 1e-5f);
Value softmax(Tape& tape, Value x_TD);
Value sigmoid(Tape& tape, Value x_TD);
Value silu(Tape& tape, Value gate_TF, Value up_TF);  // gate · σ(gate) · up
Value add(Tape& tape, Value x, Value y);
Value scale(Tape& tape, Value x, float factor);
// Mean of −ln p(target) over the targets that are not −1, with p = softmax(x · headᵀ). A single number.
Value cross_entropy(Tape& tape, Value x_TD, const Parameter& head_VD, std::span<const int32_t> targets_T);

struct MixtureOptions {
    int64_t width = 0;   // D
    int64_t hidden = 0;  // F
    int experts = 0;
    int top_k = 1;
    // How router logits become scores: softmax over all experts, over the chosen ones only, or a sigmoid of each.
    enum class Score : uint8_t { softmax, softmax_selected, sigmoid } score = Score::softmax;
    bool normalise = false;  // weights of a token are divided by their sum
    // Initial values are normal; their size:
    float router_scale = 0.02f, expert_scale = 0.02f;
};

struct MixtureOutput {
    Value y_TD;
    std::vector<int32_t> ids_Tk;  // the experts that each token chose, best first
    Value weights_Tk;
    std::vector<int64_t> load_E;  // tokens that chose each expert
    // E · Σ_e share of choices_e · mean score_e; and mean logsumexp(logits)². Single numbers, for tapes that record.
    Value balance_loss, z_loss;
};

// y[t] = Σ_j weight[t, j] · expert_{id[t, j]}(x[t]) with expert(x) = down · (silu(gate · x) ⊙ up · x).
// Copies share the parameters.
class Mixture {
  public:
    // Throws Error for numbers that are not positive, and top_k above experts.
    Mixture(const MixtureOptions& options, Random& random);
    MixtureOutput operator()(Tape& tape, Value x_TD) const;
    // The router [E, D], then gate [F, D], up [F, D] and down [D, F] of each expert.
    std::span<const Parameter> parameters() const;

  private:
    std::shared_ptr<const api::MixtureState> state_;
};

}  // namespace toolkit
}  // namespace v0
}  // namespace gremium
