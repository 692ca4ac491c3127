// What a model is, in numbers, and what running it takes.
#pragma once

#include "engine/footprint.h"
#include "engine/memory.h"
#include "model/spec/size.h"

namespace gremium::engine {

struct ModelFacts {
    ModelSize size;
    Footprint bytes;
    int64_t kv_bytes_per_token = 0;
    int64_t state_bytes = 0;  // of recurrent layers, for a context of any length
    int moe_layers = 0, ssm_layers = 0;
    // Of the first layer that has one; null: none has. They live as long as the model.
    const MoeSpec* moe = nullptr;
    const SsmSpec* ssm = nullptr;
    const AttentionSpec* attention = nullptr;
};
// cache: the type of keys and values.
ModelFacts facts_of(const Model& model, DType cache);

// What running takes with a context, and what there is.
struct RunMemory {
    MemoryOptions options;
    MemoryNeed need;
    int64_t program;          // what this program holds beside the model
    int64_t available;        // free memory of the machine
    int64_t longest_context;  // that fits

    int64_t total() const { return program + need.total(); }
    bool context_fits() const { return program + need.converted + need.cache() + need.activations <= available; }
    bool all_fits() const { return total() <= available; }
};
// context 0: the model's.
RunMemory run_memory(const Model& model, int64_t context, DType cache);

}  // namespace gremium::engine
