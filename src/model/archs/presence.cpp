// What GGUF says in tensors.
#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

void read_presence(ModelSpec& spec, const FindShape& find) {
    const Architecture& architecture = architecture_of(spec);
    spec.tied_head = !find({"output.weight", {}, TensorRole::head});
    spec.head_bias = spec.head_bias && find({"output.bias", {}, TensorRole::bias});
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const auto shape = [&](const char* name, TensorRole role) {
            return find({fmt::format("blk.{}.{}", l, name), {}, role, static_cast<int>(l)});
        };
        const auto has = [&](const char* name, TensorRole role) { return shape(name, role).has_value(); };
        if (AttentionSpec* a = spec.layers[l].attention()) {
            a->qkv_bias |= has("attn_q.bias", TensorRole::bias);
            a->out_bias |= has("attn_output.bias", TensorRole::bias);
            if (architecture.gguf_optional_sinks && !has("attn_sinks.weight", TensorRole::sink)) a->sinks = false;
            if (architecture.gguf_optional_qk_norm && !has("attn_q_norm.weight", TensorRole::norm))
                a->qk_norm = QkNorm::none;
            const bool own_gate = a->gate.kind != GateKind::none && !a->gate.beside_queries;
            if (const auto gate = own_gate ? shape("attn_gate.weight", TensorRole::matrix) : std::nullopt)
                a->gate.per_head = gate->dim[0] == a->heads;
        }
        if (auto* m = std::get_if<MoeSpec>(&spec.layers[l].feed_forward)) {
            m->router.correction_bias = m->router.correction_bias && has("exp_probs_b.bias", TensorRole::correction);
            if (architecture.gguf_optional_shared && !has("ffn_up_shexp.weight", TensorRole::matrix)) {
                m->shared_hidden = 0;
                m->output_scale = 1;
            }
            // Files that say what a layer is by its tensors alone say so how wide it is, too.
            const auto up = shape("ffn_up.weight", TensorRole::matrix);
            if (up && !has("ffn_gate_inp.weight", TensorRole::router)) {
                const int width = architecture.gguf_optional_sinks ? static_cast<int>(up->dim[0]) : m->hidden;
                spec.layers[l].feed_forward =
                    DenseSpec{.hidden = width, .activation = m->activation, .gated = m->gated};
            }
        }
    }
}

void set_divisors(ModelSpec& spec, std::vector<float> RopeSpec::*member, const std::vector<float>& divisors) {
    const bool of_whole = architecture_of(spec).gguf_divisors_of_whole;
    for_each_attention(spec, [&](AttentionSpec& a) {
        if (of_whole && a.window > 0) return;
        a.rope.*member = divisors;
        const auto pairs = static_cast<size_t>(std::max(0, a.rope.dims / 2));
        if (of_whole && divisors.size() > pairs) (a.rope.*member).resize(pairs);
    });
}

std::vector<RotaryTensor> rotary_tensors_of(const RopeSpec& rope) {
    std::vector<RotaryTensor> result;
    if (!rope.divisors.empty()) result.push_back(rotary_tensors[rope.long_divisors.empty() ? 0 : 1]);
    if (!rope.long_divisors.empty()) result.push_back(rotary_tensors[2]);
    return result;
}

}  // namespace gremium::archs
