// Keys and values of one sequence, per layer.
#pragma once

#include <cstdint>
#include <vector>

#include "model/spec.h"
#include "tensor/arena.h"

namespace gremium {

class KvCache {
  public:
    // Memory: Σ layers context · cache_widths (spec.h) elements of `dtype` (f32, f16 or bf16);
    // committed by the system as it is touched.
    KvCache(const ModelSpec& spec, int64_t context, DType dtype = DType::f32);

    int64_t length() const { return length_; }
    int64_t capacity() const { return capacity_; }
    static int64_t bytes(const ModelSpec& spec, int64_t context, DType dtype);

    // Writes rows for positions [length, length + rows) of a layer; returns views of all keys and values so
    // far. v is empty where values are part of the keys.
    struct Views {
        TensorView k, v;
    };
    Views append(int layer, TensorView k, TensorView v);
    void advance(int64_t tokens);   // after all layers have appended
    void truncate(int64_t length);  // forget later positions

  private:
    std::vector<OwnedTensor> keys_, values_;
    int64_t length_ = 0, capacity_ = 0;
};

}  // namespace gremium
