// A block without a mixer: a layer that is a feed-forward and nothing else (Nemotron-H).
#pragma once

#include "model/layers/kind.h"
#include "model/layers/layer_cache.h"

namespace gremium {

struct NoMixer {
    using Weights = NoWeights;
    static constexpr const char* kind_name = "missing mixer";
    friend bool operator==(const NoMixer&, const NoMixer&) = default;
};

inline void check(const NoMixer&, const Check&) {}
inline void list_tensors(const NoMixer&, NoWeights&, TensorList&) {}
inline LayerCache cache_of(const NoMixer&) { return {}; }
inline int64_t forward_bytes(const NoMixer&, int64_t, const RowBytes&) { return 0; }
inline ops::Var layer_forward(ops::Graph&, ops::Var, const NoMixer&, const NoWeights&, int, const BlockContext&) {
    return nullptr;
}

}  // namespace gremium
