// What one sequence's future depends on, per layer: keys and values of attention, the state of a state space mixer.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "model/spec/spec.h"
#include "tensor/arena.h"

namespace gremium {

class KvCache {
  public:
    // Memory: Σ layers context · cache_widths (spec.h) elements of `dtype` (f32, f16, bf16, or q8_0 where heads are whole
    // blocks); committed by the system as it is touched; and inner · (state + conv − 1) f32 of each state space layer.
    // `capacity`, if not 0: so many tokens of that context are all that will come.
    KvCache(const ModelSpec& spec, int64_t context, DType dtype = DType::f32, int64_t capacity = 0);

    int64_t length() const { return length_; }
    int64_t capacity() const { return capacity_; }
    int64_t context() const { return context_; }
    static int64_t bytes(const ModelSpec& spec, int64_t context, DType dtype);

    // Writes rows for positions [length, length + rows) of a layer; returns views of all keys and values so
    // far. v is empty where values are part of the keys.
    struct Views {
        TensorView k, v;
    };
    Views append(int layer, TensorView k, TensorView v);
    void advance(int64_t tokens);  // after all layers have appended
    // Forgets later positions. Recurrent states cannot: with such layers only a length of 0 is possible (or the same).
    void truncate(int64_t length);
    // The longest length up to `length` that truncate can go back to.
    int64_t reachable(int64_t length) const { return recurrent_ && length < length_ ? 0 : length; }

    // Of a state space layer, updated in place: the last inputs of the convolution [conv − 1, inner] and the
    // recurrent state [state, inner]; zeros at the beginning. A forward that throws leaves them undefined.
    struct State {
        Tensor history, scan;
    };
    State state(int layer) const;

    // Of a layer with cross-attention: the keys and values of the source, which stay until others replace them.
    void remember(int layer, TensorView k, TensorView v);
    Views memory(int layer) const;
    bool has_memory() const { return !memory_keys_.empty(); }

  private:
    std::vector<OwnedTensor> keys_, values_;
    std::vector<OwnedTensor> histories_, scans_;
    std::map<int, OwnedTensor> memory_keys_, memory_values_;  // by layer
    bool recurrent_ = false;
    int64_t length_ = 0, context_ = 0, capacity_ = 0;
};

}  // namespace gremium
