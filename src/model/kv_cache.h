// What one sequence's future depends on, per layer: keys and values of attention, states of recurrent mixers.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "model/layers/layer_cache.h"
#include "model/spec/spec.h"
#include "tensor/arena.h"

namespace gremium {

LayerCache cache_of(const LayerSpec& layer);

class KvCache {
  public:
    // Memory: what each layer's mixer asks for (layers/layer_cache.h): keys and values of the whole context, of `dtype`
    // (f32, f16, bf16, or q8_0 where heads are whole blocks), committed by the system as they are touched; and states
    // in f32. `capacity`, if not 0: so many tokens of that context are all that will come.
    KvCache(const ModelSpec& spec, int64_t context, DType dtype = DType::f32, int64_t capacity = 0);

    int64_t length() const { return length_; }
    int64_t capacity() const { return capacity_; }
    int64_t context() const { return context_; }
    static int64_t bytes(const ModelSpec& spec, int64_t context, DType dtype);

    // Writes rows for positions [length + ahead, length + ahead + rows) of a layer; returns views of all keys and
    // values up to there. v is empty where values are part of the keys.
    struct Views {
        TensorView k, v;
    };
    Views append(int layer, TensorView k, TensorView v, int64_t ahead = 0);
    void advance(int64_t tokens);  // after all layers have appended
    // Forgets later positions. Recurrent states cannot: with such layers only the length of the last keep() is
    // possible, 0, or the same.
    void truncate(int64_t length);
    // The longest length up to `length` that truncate can go back to.
    int64_t reachable(int64_t length) const;
    // Copies recurrent states, so that truncate can come back to the present length until the next keep().
    void keep();

    // One of the states that the layer's mixer asked for, updated in place; zeros at the beginning. A forward that
    // throws leaves it undefined.
    Tensor state(int layer, size_t which) const;

    // Of a layer with cross-attention: the keys and values of the source, which stay until others replace them.
    void remember(int layer, TensorView k, TensorView v);
    Views memory(int layer) const;
    bool has_memory() const { return !memory_keys_.empty(); }

  private:
    std::vector<OwnedTensor> keys_, values_;
    std::vector<std::vector<OwnedTensor>> states_, kept_;     // by layer
    std::map<int, OwnedTensor> memory_keys_, memory_values_;  // by layer
    bool recurrent_ = false;
    int64_t length_ = 0, kept_length_ = 0, context_ = 0, capacity_ = 0;
};

}  // namespace gremium
