// A model in numbers, and the memory that it needs to run.
#pragma once

#include "engine/footprint.h"
#include "engine/memory.h"
#include "model/spec/size.h"

namespace gremium::engine {

struct ModelFacts {
    ModelSize size;
    Footprint bytes;
    int64_t kv_bytes_per_token = 0;
    int64_t state_bytes = 0;  // of recurrent layers; the same for every length of the context
    int moe_layers = 0, ssm_layers = 0, recurrent_layers = 0;
    const char* recurrent = nullptr;  // the name of the first recurrent mixer
    // Those of the first layer that has one; null if no layer has. They live as long as the model.
    const MoeSpec* moe = nullptr;
    const SsmSpec* ssm = nullptr;
    const AttentionSpec* attention = nullptr;
};
// cache: the type of cached keys and values.
ModelFacts facts_of(const Model& model, DType cache);

// The memory that running needs with a context, and the memory available.
struct RunMemory {
    MemoryOptions options;
    MemoryNeed need;
    int64_t program;          // bytes that this program holds besides the model
    int64_t available;        // free memory of the machine, in bytes
    int64_t longest_context;  // the longest context that fits, in tokens

    int64_t total() const { return program + need.total(); }
    bool context_fits() const { return program + need.converted + need.cache() + need.activations <= available; }
    bool all_fits() const { return total() <= available; }
};
// context 0: the model's context.
RunMemory run_memory(const Model& model, int64_t context, DType cache);

}  // namespace gremium::engine
