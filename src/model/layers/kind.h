// A kind of layer is one folder beside this file and one entry in kinds.h. The header of the folder defines its record
// (the numbers of a specification), its weights with their shapes (`Weights` of the record) and its name in messages
// (`kind_name`), and declares the functions that the model calls for every kind. They are overloaded for the record:
//
//   check(record, check)                         throws Error for the first contradiction among its numbers
//   list_tensors(record, weights, list)          its table of tensors: name, member, shape, role
//   forward_bytes(record, dim, rows)             bytes that its forward keeps in the arena
//   layer_forward(g, x_TD, record, weights, …)   from the normed input [T, D] to what is added to the residual stream
//
// and for a mixer, in which tokens see earlier ones:
//
//   cache_of(record)                             what it keeps of a sequence for later tokens
#pragma once

#include <cstdint>

#include "ops/weight.h"

namespace gremium {

namespace ops {
class Graph;
struct Node;
using Var = Node*;
}  // namespace ops

struct BlockContext;  // layers/block.h
struct Check;         // spec/check.h
struct LayerCache;    // layers/layer_cache.h
struct LayerRouting;  // layers/block.h
struct RowBytes;      // layers/row_bytes.h
class TensorList;     // spec/tensors.h

// For a kind without weights.
struct NoWeights {};

}  // namespace gremium
