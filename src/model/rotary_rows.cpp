#include "model/rotary_rows.h"

#include <cstring>

namespace gremium {

int rotated_heads(const ModelSpec& spec, const TensorSlot& slot) {
    if (slot.layer < 0) return 0;
    const AttentionSpec& a = spec.layers[static_cast<size_t>(slot.layer)].attention;
    const std::string name = slot.name.substr(slot.name.find('.', 4) + 1);  // after "blk.N."
    const bool per_head = a.qk_norm == QkNorm::per_head;
    if (name == "attn_q.weight" || name == "attn_q.bias") return a.heads;
    if (name == "attn_k.weight" || name == "attn_k.bias") return a.kv_heads;
    if (name == "attn_q_norm.weight") return per_head ? 1 : a.heads;
    if (name == "attn_k_norm.weight") return per_head ? 1 : a.kv_heads;
    return 0;
}

std::vector<std::byte> repair_rows(TensorView tensor, int heads, int rotary_dims, kernels::RopePairing to) {
    const int64_t rows = tensor.shape[0], rows_of_head = rows / heads, half = rotary_dims / 2;
    const auto row_bytes = static_cast<size_t>(tensor.bytes() / rows);
    std::vector<std::byte> result(static_cast<size_t>(tensor.bytes()));
    const auto copy = [&](int64_t target, int64_t source) {
        std::memcpy(result.data() + static_cast<size_t>(target) * row_bytes,
                    tensor.data + static_cast<size_t>(source) * row_bytes, row_bytes);
    };
    for (int64_t first = 0; first < rows; first += rows_of_head) {
        for (int64_t i = 0; i < rows_of_head; ++i) {
            const int64_t half_split =
                first + (i < rotary_dims ? i / 2 + i % 2 * half : i);  // of interleaved row i
            if (to == kernels::RopePairing::interleaved)
                copy(first + i, half_split);
            else
                copy(half_split, first + i);
        }
    }
    return result;
}

}  // namespace gremium
