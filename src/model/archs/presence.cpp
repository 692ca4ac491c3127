// What GGUF says in tensors.
#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

void read_presence(ModelSpec& spec, const std::function<bool(const TensorSlot&)>& contains) {
    const bool optional_qk_norm = architecture_of(spec).gguf_optional_qk_norm;
    spec.tied_head = !contains({"output.weight", {}, TensorRole::head});
    spec.head_bias &= contains({"output.bias", {}, TensorRole::bias});
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const auto has = [&](const char* name, TensorRole role) {
            return contains({fmt::format("blk.{}.{}", l, name), {}, role, static_cast<int>(l)});
        };
        if (AttentionSpec* a = spec.layers[l].attention()) {
            a->qkv_bias |= has("attn_q.bias", TensorRole::bias);
            a->out_bias |= has("attn_output.bias", TensorRole::bias);
            if (optional_qk_norm && !has("attn_q_norm.weight", TensorRole::norm)) a->qk_norm = QkNorm::none;
        }
        if (auto* m = std::get_if<MoeSpec>(&spec.layers[l].feed_forward)) {
            m->router.correction_bias &= has("exp_probs_b.bias", TensorRole::correction);
            if (!has("ffn_gate_inp.weight", TensorRole::router) && has("ffn_up.weight", TensorRole::matrix))
                spec.layers[l].feed_forward =
                    DenseSpec{.hidden = m->hidden, .activation = m->activation, .gated = m->gated};
        }
    }
}

std::vector<RotaryTensor> rotary_tensors_of(const RopeSpec& rope) {
    std::vector<RotaryTensor> result;
    if (!rope.divisors.empty()) result.push_back(rotary_tensors[rope.long_divisors.empty() ? 0 : 1]);
    if (!rope.long_divisors.empty()) result.push_back(rotary_tensors[2]);
    return result;
}

}  // namespace gremium::archs
