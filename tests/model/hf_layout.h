// Model directories as transformers' classes save them, for tiny models: the names, shapes and orders of tensors and
// the keys of config.json, written down from the modelling code of each family. Shares nothing with the program's own
// writer.
#pragma once

#include <bit>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/model/tiny_model.h"

namespace gremium::test {

using Json = nlohmann::ordered_json;

// A tensor as safetensors has it.
struct RawTensor {
    std::string dtype;  // "F32", "U8", …
    std::vector<int64_t> shape;
    std::string bytes;
    friend bool operator==(const RawTensor&, const RawTensor&) = default;
};
using RawTensors = std::map<std::string, RawTensor>;

inline RawTensor raw_f32(std::vector<int64_t> shape, const std::vector<float>& values) {
    return {"F32", std::move(shape), {reinterpret_cast<const char*>(values.data()), values.size() * 4}};
}

inline void write_safetensors(const std::filesystem::path& path, const RawTensors& tensors) {
    Json header;
    size_t end = 0;
    for (const auto& [name, t] : tensors) {
        header[name] = {{"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {end, end + t.bytes.size()}}};
        end += t.bytes.size();
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const uint64_t size = text.size();
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&size), sizeof(size));
    file << text;
    for (const auto& [name, t] : tensors) file << t.bytes;
}

// One file, or `shards` of them with an index.
inline void write_hf(const std::filesystem::path& directory, const Json& config, const RawTensors& tensors,
                     size_t shards = 1) {
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    std::ofstream(directory / "config.json") << config.dump(2);
    if (shards == 1) return write_safetensors(directory / "model.safetensors", tensors);
    std::vector<RawTensors> parts(shards);
    Json index{{"metadata", Json::object()}, {"weight_map", Json::object()}};
    size_t next = 0;
    for (const auto& [name, tensor] : tensors) {
        const size_t shard = next++ % shards;
        parts[shard].emplace(name, tensor);
        index["weight_map"][name] = fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards);
    }
    for (size_t i = 0; i < shards; ++i)
        write_safetensors(directory / fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards), parts[i]);
    std::ofstream(directory / "model.safetensors.index.json") << index.dump(2);
}

class HfLayout {
  public:
    HfLayout(const ModelSpec& spec, const Tensors& tensors) : spec_(spec), canonical_(tensors) {
        put(mamba() ? "backbone.embeddings.weight" : "model.embed_tokens.weight", "token_embd.weight");
        put(mamba()       ? "backbone.norm_f.weight"
            : is("jamba") ? "model.final_layernorm.weight"
                          : "model.norm.weight",
            "output_norm.weight");
        put("model.norm.bias", "output_norm.bias");
        put("lm_head.weight", "output.weight");
        put("lm_head.bias", "output.bias");
        for (size_t l = 0; l < spec.layers.size(); ++l) layer(static_cast<int>(l));
    }

    const RawTensors& tensors() const { return tensors_; }

    // config.json, with the names of each family's configuration class.
    Json config() const {
        if (mamba()) return mamba_config();
        const AttentionSpec& a = first_attention();
        Json c{{"architectures", {"AnyForCausalLM"}},
               {"model_type", model_type()},
               {"hidden_size", spec_.dim},
               {"num_hidden_layers", spec_.layers.size()},
               {"num_attention_heads", a.heads},
               {"num_key_value_heads", a.kv_heads},
               {"vocab_size", spec_.vocab},
               {"max_position_embeddings", spec_.context},
               {"rms_norm_eps", 1e-6},
               {"rope_theta", 500000.0},
               {"rope_scaling", nullptr},
               {"hidden_act", "silu"},
               {"tie_word_embeddings", spec_.tied_head},
               {"torch_dtype", "float32"},
               {"transformers_version", "4.57.0"},
               {"use_cache", true}};
        if (a.latent.rank == 0 && !is("jamba")) c["head_dim"] = a.head_dim;
        c.update(family_keys());
        if (is("jamba")) c.erase("rope_theta");
        return c;
    }

  private:
    bool is(std::string_view name) const { return spec_.architecture == name; }
    bool mamba() const { return is("mamba") || is("moe_mamba"); }
    const AttentionSpec& first_attention() const {
        return *std::ranges::find_if(spec_.layers, [](const LayerSpec& l) {
                    return l.attention() != nullptr;
                })->attention();
    }

    // Numbers of a canonical tensor; null when the model has none of that name.
    const float* find(const std::string& name) const {
        const auto found = canonical_.find(name);
        return found == canonical_.end() ? nullptr : found->second.get().f32();
    }

    void put(const std::string& name, const std::string& canonical) {
        const float* values = find(canonical);
        if (!values) return;
        const Shape& shape = canonical_.at(canonical).get().shape;
        std::vector<int64_t> dims(shape.dim.begin(), shape.dim.begin() + shape.rank);
        tensors_[name] = raw_f32(std::move(dims), {values, values + canonical_.at(canonical).get().shape.count()});
    }
    void put_linear(const std::string& name, const std::string& canonical) {
        put(name + ".weight", canonical + ".weight");
        put(name + ".bias", canonical + ".bias");
    }
    // A tensor given number by number, as at(i, j, k).
    void fill(const std::string& name, std::vector<int64_t> shape,
              const std::function<float(int64_t, int64_t, int64_t)>& at) {
        std::vector<int64_t> s = shape;
        while (s.size() < 3) s.insert(s.begin(), 1);
        std::vector<float> values;
        for (int64_t i = 0; i < s[0]; ++i)
            for (int64_t j = 0; j < s[1]; ++j)
                for (int64_t k = 0; k < s[2]; ++k) values.push_back(at(i, j, k));
        tensors_[name] = raw_f32(std::move(shape), values);
    }

    void layer(int l) {
        const std::string p = fmt::format("{}.layers.{}.", mamba() ? "backbone" : "model", l);
        const std::string c = fmt::format("blk.{}.", l);
        const LayerSpec& spec = spec_.layers[static_cast<size_t>(l)];
        put_linear(p + (mamba() ? "norm" : "input_layernorm"), c + "attn_norm");
        put_linear(p + (mamba()       ? "moe_norm"
                        : is("jamba") ? "pre_ff_layernorm"
                                      : "post_attention_layernorm"),
                   c + "ffn_norm");
        if (spec.attention())
            attention(p + "self_attn.", c, *spec.attention());
        else
            state_space(p + (mamba() ? "mixer." : "mamba."), c);
        if (spec.moe()) return mixture(p, c, *spec.moe());
        const std::string mlp = p + (is("llama4") || is("jamba") ? "feed_forward." : "mlp.");
        for (const char* name : {"gate", "up", "down"}) put_linear(mlp + name + "_proj", c + "ffn_" + name);
    }

    void attention(const std::string& p, const std::string& c, const AttentionSpec& a) {
        put_linear(p + "q_proj", c + "attn_q");
        put_linear(p + "k_proj", c + "attn_k");
        put_linear(p + "v_proj", c + "attn_v");
        put_linear(p + "o_proj", c + "attn_output");
        put(p + "q_norm.weight", c + "attn_q_norm.weight");
        put(p + "k_norm.weight", c + "attn_k_norm.weight");
        put(p + "sinks", c + "attn_sinks.weight");
        if (a.latent.rank == 0) return;
        put(p + "q_a_proj.weight", c + "attn_q_a.weight");
        put(p + "q_a_layernorm.weight", c + "attn_q_a_norm.weight");
        put(p + "q_b_proj.weight", c + "attn_q_b.weight");
        put(p + "kv_a_proj_with_mqa.weight", c + "attn_kv_a_mqa.weight");
        put(p + "kv_a_layernorm.weight", c + "attn_kv_a_norm.weight");
        // Head after head, the rows that make its unrotated keys, then those that make its values.
        const float *keys = find(c + "attn_k_b.weight"), *values = find(c + "attn_v_b.weight");
        const int64_t plain = a.head_dim - a.rope.dims, rank = a.latent.rank, rows = plain + a.value_dim;
        fill(p + "kv_b_proj.weight", {a.heads * rows, rank}, [=](int64_t, int64_t row, int64_t r) {
            const int64_t head = row / rows, i = row % rows;
            return i < plain ? keys[(head * rank + r) * plain + i]
                             : values[(head * (rows - plain) + i - plain) * rank + r];
        });
    }

    // MambaMixer, JambaMambaMixer. The convolution is one of one channel in, one out.
    void state_space(const std::string& p, const std::string& c) {
        for (const auto& [name, canonical] : {std::pair("in_proj", "ssm_in"),
                                              {"x_proj", "ssm_x"},
                                              {"dt_proj", "ssm_dt"},
                                              {"out_proj", "ssm_out"},
                                              {"conv1d", "ssm_conv1d"},
                                              {"dt_layernorm", "ssm_dt_norm"},
                                              {"b_layernorm", "ssm_b_norm"},
                                              {"c_layernorm", "ssm_c_norm"}})
            put_linear(p + name, c + canonical);
        RawTensor& conv = tensors_.at(p + "conv1d.weight");
        conv.shape = {conv.shape[0], 1, conv.shape[1]};
        put(p + "A_log", c + "ssm_a");
        put(p + "D", c + "ssm_d");
    }

    void mixture(const std::string& p, const std::string& c, const MoeSpec& m) {
        if (is("gptoss")) return gptoss(p + "mlp.", c, m);
        if (is("llama4")) return llama4(p + "feed_forward.", c, m);
        if (is("granitemoe")) return granite(p, c, m);
        const bool sparse_block = is("mixtral") || is("phimoe");
        const std::string block = p + (sparse_block  ? "block_sparse_moe."
                                       : is("jamba") ? "feed_forward."
                                       : mamba()     ? "moe."
                                                     : "mlp.");
        put_linear(block + (is("jamba") || mamba() ? "router" : "gate"), c + "ffn_gate_inp");
        put(block + "gate.e_score_correction_bias", c + "exp_probs_b.bias");
        for (int e = 0; e < m.router.experts; ++e)
            for (const auto& [name, letter] :
                 {std::pair("gate", "w1"), std::pair("down", "w2"), std::pair("up", "w3")}) {
                const float* w = find(c + "ffn_" + name + "_exps.weight");
                const bool down = name == std::string("down");
                const int64_t rows = down ? spec_.dim : m.hidden, cols = down ? m.hidden : spec_.dim;
                fill(fmt::format("{}experts.{}.{}.weight", block, e,
                                 sparse_block ? letter : name + std::string("_proj")),
                     {rows, cols}, [=](int64_t, int64_t i, int64_t k) { return w[(e * rows + i) * cols + k]; });
            }
        const std::string shared = block + (is("qwen2moe") ? "shared_expert." : "shared_experts.");
        for (const char* name : {"gate", "up", "down"})
            put(shared + name + "_proj.weight", c + "ffn_" + name + "_shexp.weight");
        if (const float* gate = find(c + "ffn_gate_inp_shexp.weight"))
            fill(block + "shared_expert_gate.weight", {1, spec_.dim},
                 [=](int64_t, int64_t, int64_t k) { return gate[k]; });
    }

    // GraniteMoeParallelExperts: gate above up.
    void granite(const std::string& p, const std::string& c, const MoeSpec& m) {
        const int64_t dim = spec_.dim, hidden = m.hidden;
        const float *gate = find(c + "ffn_gate_exps.weight"), *up = find(c + "ffn_up_exps.weight");
        put(p + "block_sparse_moe.router.layer.weight", c + "ffn_gate_inp.weight");
        fill(p + "block_sparse_moe.input_linear.weight", {m.router.experts, 2 * hidden, dim},
             [=](int64_t e, int64_t i, int64_t k) {
                 return i < hidden ? gate[(e * hidden + i) * dim + k] : up[(e * hidden + i - hidden) * dim + k];
             });
        put(p + "block_sparse_moe.output_linear.weight", c + "ffn_down_exps.weight");
    }

    // GptOssExperts: [in, out], gate and up in turn.
    void gptoss(const std::string& p, const std::string& c, const MoeSpec& m) {
        const int64_t dim = spec_.dim, hidden = m.hidden, experts = m.router.experts;
        put_linear(p + "router", c + "ffn_gate_inp");
        const float *gate = find(c + "ffn_gate_exps.weight"), *up = find(c + "ffn_up_exps.weight");
        const float *gate_bias = find(c + "ffn_gate_exps.bias"), *up_bias = find(c + "ffn_up_exps.bias");
        fill(p + "experts.gate_up_proj", {experts, dim, 2 * hidden},
             [=](int64_t e, int64_t k, int64_t i) { return (i % 2 ? up : gate)[(e * hidden + i / 2) * dim + k]; });
        fill(p + "experts.gate_up_proj_bias", {experts, 2 * hidden},
             [=](int64_t, int64_t e, int64_t i) { return (i % 2 ? up_bias : gate_bias)[e * hidden + i / 2]; });
        down_transposed(p, c, m);
        put(p + "experts.down_proj_bias", c + "ffn_down_exps.bias");
    }

    // Llama4TextExperts: [in, out], gate before up.
    void llama4(const std::string& p, const std::string& c, const MoeSpec& m) {
        const int64_t dim = spec_.dim, hidden = m.hidden;
        const float *gate = find(c + "ffn_gate_exps.weight"), *up = find(c + "ffn_up_exps.weight");
        put(p + "router.weight", c + "ffn_gate_inp.weight");
        fill(p + "experts.gate_up_proj", {m.router.experts, dim, 2 * hidden}, [=](int64_t e, int64_t k, int64_t i) {
            return i < hidden ? gate[(e * hidden + i) * dim + k] : up[(e * hidden + i - hidden) * dim + k];
        });
        down_transposed(p, c, m);
        for (const char* name : {"gate", "up", "down"})
            put(p + "shared_expert." + name + "_proj.weight", c + "ffn_" + name + "_shexp.weight");
    }

    void down_transposed(const std::string& p, const std::string& c, const MoeSpec& m) {
        const int64_t dim = spec_.dim, hidden = m.hidden;
        const float* down = find(c + "ffn_down_exps.weight");
        fill(p + "experts.down_proj", {m.router.experts, hidden, dim},
             [=](int64_t e, int64_t k, int64_t i) { return down[(e * dim + i) * hidden + k]; });
    }

    std::string model_type() const {
        const std::map<std::string, std::string> others{{"qwen2moe", "qwen2_moe"},    {"qwen3moe", "qwen3_moe"},
                                                        {"gptoss", "gpt_oss"},        {"llama4", "llama4_text"},
                                                        {"deepseek2", "deepseek_v3"}, {"glm4moe", "glm4_moe"}};
        const auto other = others.find(spec_.architecture);
        return other == others.end() ? spec_.architecture : other->second;
    }

    Json mamba_config() const {
        const SsmSpec& s = *spec_.layers.front().ssm();
        Json c{{"architectures", {"AnyForCausalLM"}},
               {"model_type", spec_.architecture},
               {"hidden_size", spec_.dim},
               {"num_hidden_layers", spec_.layers.size()},
               {"vocab_size", spec_.vocab},
               {"max_position_embeddings", spec_.context},
               {"layer_norm_epsilon", 1e-6},
               {"intermediate_size", s.inner},
               {"expand", 2},
               {"state_size", s.state},
               {"conv_kernel", s.conv},
               {"time_step_rank", s.dt_rank},
               {"use_bias", false},
               {"use_conv_bias", true},
               {"tie_word_embeddings", spec_.tied_head}};
        if (const MoeSpec* m = spec_.layers.front().moe())
            c.update({{"num_experts", m->router.experts},
                      {"num_experts_per_tok", m->router.top_k},
                      {"moe_intermediate_size", m->hidden}});
        return c;
    }

    Json family_keys() const {
        const AttentionSpec& a = first_attention();
        const auto mixture = std::ranges::find_if(spec_.layers, &LayerSpec::moe);
        const auto dense = std::ranges::find_if(spec_.layers, [](const LayerSpec& l) { return !l.moe(); });
        const int wide = dense == spec_.layers.end() ? 0 : std::get<DenseSpec>(dense->feed_forward).hidden;
        const Json no_window{{"use_sliding_window", false}, {"sliding_window", 4096}, {"max_window_layers", 28}};
        const auto with = [](Json keys, const Json& more) {
            keys.update(more);
            return keys;
        };
        if (mixture == spec_.layers.end()) {
            const Json keys{{"intermediate_size", wide}, {"attention_bias", false}};
            return is("llama") ? with(keys, {{"mlp_bias", false}}) : with(keys, no_window);
        }
        const MoeSpec& m = *mixture->moe();
        const Json keys{{"intermediate_size", m.hidden},
                        {"num_local_experts", m.router.experts},
                        {"num_experts_per_tok", m.router.top_k},
                        {"router_aux_loss_coef", 0.001},
                        {"output_router_logits", false}};
        const Json qwen = with(no_window, {{"intermediate_size", m.hidden},
                                           {"moe_intermediate_size", m.hidden},
                                           {"num_experts", m.router.experts},
                                           {"num_experts_per_tok", m.router.top_k},
                                           {"decoder_sparse_step", 1},
                                           {"mlp_only_layers", Json::array()}});
        const Json deepseek{{"intermediate_size", wide},
                            {"moe_intermediate_size", m.hidden},
                            {"n_routed_experts", m.router.experts},
                            {"num_experts_per_tok", m.router.top_k},
                            {"n_shared_experts", m.shared_hidden / m.hidden},
                            {"first_k_dense_replace", 1},
                            {"norm_topk_prob", true},
                            {"routed_scaling_factor", 2.5},
                            {"n_group", m.router.groups},
                            {"topk_group", m.router.groups_used},
                            {"attention_bias", a.qkv_bias}};
        if (is("jamba")) {
            const SsmSpec& s = *spec_.layers.front().ssm();
            return {{"intermediate_size", m.hidden},
                    {"num_experts", m.router.experts},
                    {"num_experts_per_tok", m.router.top_k},
                    {"attn_layer_period", 3},
                    {"attn_layer_offset", 1},
                    {"expert_layer_period", 3},
                    {"expert_layer_offset", 1},
                    {"mamba_d_state", s.state},
                    {"mamba_d_conv", s.conv},
                    {"mamba_expand", 2},
                    {"mamba_dt_rank", s.dt_rank},
                    {"mamba_conv_bias", true},
                    {"mamba_proj_bias", false},
                    {"use_mamba_kernels", false}};
        }
        if (is("mixtral")) return with(keys, {{"sliding_window", nullptr}, {"router_jitter_noise", 0.0}});
        if (is("qwen2moe"))
            return with(qwen, {{"shared_expert_intermediate_size", m.shared_hidden}, {"norm_topk_prob", false}});
        if (is("qwen3moe")) return with(qwen, {{"norm_topk_prob", true}, {"attention_bias", false}});
        if (is("olmoe"))
            return {{"intermediate_size", m.hidden},
                    {"num_experts", m.router.experts},
                    {"num_experts_per_tok", m.router.top_k},
                    {"norm_topk_prob", false},
                    {"clip_qkv", nullptr}};
        if (is("dots1")) return with(deepseek, {{"sliding_window", nullptr}, {"scoring_func", "noaux_tc"}});
        if (is("glm4moe")) return with(deepseek, {{"use_qk_norm", true}, {"partial_rotary_factor", 0.5}});
        if (is("granitemoe"))
            return with(keys, {{"embedding_multiplier", 3.0},
                               {"residual_multiplier", 0.5},
                               {"logits_scaling", 2.0},
                               {"attention_multiplier", 0.25},
                               {"attention_bias", false}});
        if (is("phimoe"))
            return with(keys, {{"attention_bias", true},
                               {"lm_head_bias", true},
                               {"router_jitter_noise", 0.3},
                               {"input_jitter_noise", 0.0},
                               {"sliding_window", nullptr},
                               {"original_max_position_embeddings", 8},
                               {"rope_scaling",
                                {{"type", "longrope"},
                                 {"short_factor", a.rope.divisors},
                                 {"long_factor", a.rope.long_divisors},
                                 {"short_mscale", 1.25},
                                 {"long_mscale", 1.25},
                                 {"original_max_position_embeddings", 8}}}});
        Json layer_types = Json::array();
        for (size_t l = 0; l < spec_.layers.size(); ++l)
            layer_types.push_back(l % 2 ? "full_attention" : "sliding_attention");
        if (is("gptoss"))
            return with(keys, {{"attention_bias", true},
                               {"sliding_window", a.window},
                               {"layer_types", layer_types},
                               {"swiglu_limit", 7.0},
                               {"rope_scaling",
                                {{"rope_type", "yarn"},
                                 {"factor", 4.0},
                                 {"beta_fast", 32.0},
                                 {"beta_slow", 1.0},
                                 {"truncate", false},
                                 {"original_max_position_embeddings", 32}}}});
        if (is("llama4"))
            return with(keys, {{"intermediate_size_mlp", wide},
                               {"interleave_moe_layer_step", 2},
                               {"use_qk_norm", true},
                               {"no_rope_layers", Json::array()},
                               {"attention_chunk_size", 8192},
                               {"attn_temperature_tuning", 4},
                               {"floor_scale", 8192},
                               {"attn_scale", 0.1},
                               {"attention_bias", false}});
        return with(deepseek, {{"q_lora_rank", a.latent.query_rank},
                               {"kv_lora_rank", a.latent.rank},
                               {"qk_nope_head_dim", a.head_dim - a.rope.dims},
                               {"qk_rope_head_dim", a.rope.dims},
                               {"v_head_dim", a.value_dim},
                               {"moe_layer_freq", 1},
                               {"num_nextn_predict_layers", 0},
                               {"scoring_func", "sigmoid"},
                               {"topk_method", "noaux_tc"},
                               {"rope_scaling",
                                {{"type", "yarn"},
                                 {"factor", 8},
                                 {"beta_fast", 32},
                                 {"beta_slow", 1},
                                 {"mscale", 1.0},
                                 {"mscale_all_dim", 1.0},
                                 {"original_max_position_embeddings", 32}}}});
    }

    const ModelSpec& spec_;
    const Tensors& canonical_;
    RawTensors tensors_;
};

// The families that this writes; hybrids of later years have only the round trips of round_trip_test.cpp.
inline std::vector<std::string> written_families() {
    std::vector<std::string> families = tiny_architectures();
    std::erase_if(families, [](const std::string& name) {
        const LayerSpec first = tiny_spec(name).layers.front();
        return !first.attention() && !first.ssm();
    });
    return families;
}

}  // namespace gremium::test
