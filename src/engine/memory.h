// How much memory a model needs to run with a context: known before it runs.
#pragma once

#include <cstdint>

#include "model/model.h"

namespace gremium::engine {

struct MemoryNeed {
    int64_t weights = 0;      // in mapped files: the system drops pages and reads them again as it has room
    int64_t converted = 0;    // weights that are held in another form than the file's
    int64_t keys_values = 0;  // of the whole context
    int64_t latents = 0;      // the same of latent attention
    int64_t states = 0;       // of recurrent layers, for a context of any length
    int64_t activations = 0;  // of the largest forward, and what threads work in

    int64_t cache() const { return keys_values + latents + states; }
    int64_t total() const { return weights + converted + cache() + activations; }
};

struct MemoryOptions {
    int64_t context = 0;     // tokens cached; 0: none
    int64_t chunk = 512;     // tokens a forward evaluates together
    int64_t logit_rows = 1;  // of them whose logits are made at a time
    DType cache = DType::f32;
    DType compute = DType::q8_0;  // of matmuls: it decides the type of activations, and whether rows are rounded
};

MemoryNeed memory_need(const Model& model, const MemoryOptions& options);

// What one forward without gradients takes in its arena, in bytes: an estimate from the specification that counts every
// intermediate tensor of the largest block.
int64_t activation_bytes(const ModelSpec& spec, const MemoryOptions& options);

// The longest context, at most `options.context`, whose cache fits into `memory` bytes beside the activations; at
// least 1.
int64_t fitting_context(const Model& model, MemoryOptions options, int64_t memory);

// Throws Error, in one line with the numbers, unless cache and activations fit into `memory` bytes.
void require_memory(const Model& model, const MemoryOptions& options, int64_t memory);

}  // namespace gremium::engine
