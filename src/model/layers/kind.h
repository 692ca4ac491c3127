// A kind of layer is one folder beside this file and one place in kinds.h. The header of its folder holds its record
// (the numbers that a specification states), its weights with their shapes (`Weights` of the record), its name in
// messages (`kind_name`), and declares the functions that the model calls for every kind. They are overloads for the
// record:
//
//   check(record, check)                         throws Error for the first contradiction among its numbers
//   list_tensors(record, weights, list)          its one table of tensors: name, member, shape, role
//   forward_bytes(record, dim, rows)             what its forward keeps in the arena
//   layer_forward(g, x_TD, record, weights, …)   the normed input [T, D] gives what is added to the residual stream
//
// and for a mixer, whose tokens see earlier ones:
//
//   cache_of(record)                             what the future of a sequence needs of it
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

// For a kind that learns nothing.
struct NoWeights {};

}  // namespace gremium
