// The memory that a model needs to run with a context, computed before it runs.
#pragma once

#include <cstdint>

#include "model/model.h"

namespace gremium::engine {

struct MemoryNeed {
    int64_t weights = 0;      // in mapped files: the operating system loads and drops their pages as it has room
    int64_t converted = 0;    // weights that are kept in another form than the file's
    int64_t keys_values = 0;  // for the whole context
    int64_t latents = 0;      // the same for latent attention
    int64_t states = 0;       // of recurrent layers; the same for every length of the context
    int64_t activations = 0;  // of the largest forward, with the working memory of all threads

    int64_t cache() const { return keys_values + latents + states; }
    int64_t total() const { return weights + converted + cache() + activations; }
};

struct MemoryOptions {
    int64_t context = 0;     // cached tokens; 0: no cache
    int64_t chunk = 512;     // tokens that a forward evaluates together
    int64_t logit_rows = 1;  // tokens whose logits exist at the same time
    DType cache = DType::f32;
    DType compute = DType::q8_0;  // of matmuls: decides the type of activations and whether they are rounded
};

MemoryNeed memory_need(const Model& model, const MemoryOptions& options);

// The arena bytes of one forward without gradients, estimated from the specification by counting every intermediate
// tensor of the largest block.
int64_t activation_bytes(const ModelSpec& spec, const MemoryOptions& options);

// The longest context, at most `options.context` and at least 1, whose cache fits into `memory` bytes together with the
// activations.
int64_t fitting_context(const Model& model, MemoryOptions options, int64_t memory);

// Throws Error, in one line with the numbers, unless cache and activations fit into `memory` bytes.
void require_memory(const Model& model, const MemoryOptions& options, int64_t memory);

}  // namespace gremium::engine
