#include "model/spec/size.h"

#include "model/spec/tensors.h"

namespace gremium {

ModelSize size_of(const ModelSpec& spec) {
    ModelSize size;
    int64_t multiplied = 0;  // parameters of matrices used per token
    for (const TensorSlot& slot : tensor_slots(spec)) {
        const int64_t count = slot.shape.count();
        int64_t active = count;
        if (slot.role == TensorRole::embedding) active = spec.tied_head ? count : spec.dim;
        if (slot.of_experts()) {
            const moe::RouterPolicy& router = layer_of(spec, slot)->moe()->router;
            active = count / router.experts * router.top_k;
        }
        size.total_parameters += count;
        size.active_parameters += active;
        const bool looked_up = slot.role == TensorRole::embedding && !spec.tied_head;
        const bool vector = (slot.shape.rank == 1 && slot.role != TensorRole::shared_gate) ||
                            slot.role == TensorRole::expert_bias || slot.role == TensorRole::rates;
        if (!looked_up && !vector) multiplied += active;
    }
    size.flops_per_token = 2 * multiplied;
    return size;
}

}  // namespace gremium
