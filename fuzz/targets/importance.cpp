// An importance matrix in GGUF, asked about the matrices of a model.
#include "model/files/importance.h"

#include "fuzz/target.h"

namespace gremium::fuzz {
namespace {

ModelSpec spec() {
    MoeSpec moe;
    moe.router.experts = 4;
    moe.router.top_k = 2;
    moe.hidden = 8;
    ModelSpec result;
    result.dim = 8;
    result.vocab = 16;
    result.layers.resize(2);
    for (LayerSpec& layer : result.layers) {
        layer.mixer = AttentionSpec{.heads = 2, .kv_heads = 1, .head_dim = 4};
        layer.feed_forward = moe;
    }
    return result;
}

}  // namespace

void run(std::span<const std::byte> input) {
    static const Folder folder;
    static const ModelSpec small = spec();
    static const std::vector<TensorSlot> slots = tensor_slots(small);
    const Importance importance(folder.put("input.gguf", text_of(input)));
    (void)importance.scarce(64);
    importance.require_same_shapes(small);
    for (const TensorSlot& slot : slots)
        for (int matrix = 0; matrix < (slot.shape.rank == 3 ? slot.shape[0] : 1); ++matrix) {
            const auto means = importance.of(slot, matrix);
            require(means.empty() || std::ssize(means) == slot.shape[slot.shape.rank - 1]);
        }
}

}  // namespace gremium::fuzz
