// The state that training changes: f32 master weights, their gradients and AdamW moments, each in one contiguous
// buffer, and bf16 copies (shadows) of the weights that matmuls read.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/spec/tensors.h"
#include "tensor/arena.h"
#include "train/trainee.h"

namespace gremium::train {

class Parameters {
  public:
    // Allocates and initialises, depending only on the seed: norms 1, biases 0, everything else normally distributed
    // with standard deviation 0.02, or 0.02 / √(2 · layers) for matrices that add to the residual stream (Radford et
    // al.: GPT-2, 2019).
    Parameters(const ModelSpec& spec, DType compute, uint64_t seed);

    enum class View { compute, master };
    // A model whose weights are these parameters, which must outlive it. `compute` reads bf16 shadows where they exist
    // and has gradients; `master` reads f32.
    std::shared_ptr<Model> bind(View view) const;

    // A tensor of the model and its place in the buffers. Shapes are in torch order, with experts stacked.
    struct Entry {
        TensorSlot slot;
        int64_t offset;  // elements; a multiple of 16
    };
    std::span<const Entry> entries() const { return entries_; }
    const ModelSpec& spec() const { return spec_; }

    enum class Buffer { weight, gradient, momentum, variance };
    Tensor tensor(Buffer buffer, const Entry& entry) const;

    // Contiguous parts of the buffers that AdamW treats alike: with weight decay (matrices, embeddings, routers), and
    // without (norms and biases). Router correction biases are in neither.
    Part decaying() const { return part(0, decaying_, true); }
    Part plain() const { return part(decaying_, trained_, false); }

    Trainables trainables() const { return {{decaying(), plain()}, {gradients_}}; }
    // Call it after weights were changed by other means than AdamW.
    void refresh_shadows();

    // The number of parameters, without padding.
    int64_t count() const;

  private:
    Part part(int64_t begin, int64_t end, bool decays) const;
    void layout();
    void initialise(uint64_t seed);
    ops::Weight weight_of(const TensorSlot& slot, View view) const;

    ModelSpec spec_;
    std::vector<Entry> entries_;
    int64_t decaying_ = 0, trained_ = 0, size_ = 0;  // ends of the three parts, in elements
    OwnedTensor weights_, gradients_, momenta_, variances_, shadows_;
};

}  // namespace gremium::train
