// A block without a feed-forward (Mamba's).
#pragma once

#include "model/layers/kind.h"

namespace gremium {

struct NoFeedForward {
    using Weights = NoWeights;
    static constexpr const char* kind_name = "missing feed-forward";
    friend bool operator==(const NoFeedForward&, const NoFeedForward&) = default;
};

inline void check(const NoFeedForward&, const Check&) {}
inline void list_tensors(const NoFeedForward&, NoWeights&, TensorList&) {}
inline int64_t forward_bytes(const NoFeedForward&, int64_t, const RowBytes&) { return 0; }
inline ops::Var layer_forward(ops::Graph&, ops::Var, const NoFeedForward&, const NoWeights&, int, const BlockContext&,
                              LayerRouting&) {
    return nullptr;
}

}  // namespace gremium
