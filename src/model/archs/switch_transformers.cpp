// Switch Transformers: Fedus et al. (2021) on T5 (Raffel et al. 2020). Encoder and decoder, biases of distances instead of
// positions, scores that are not scaled, one expert a token with a capacity. There is no GGUF layout.
#include <cmath>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule names[] = {
    {"token_embd", "shared"},
    {"output_norm", "decoder.final_layer_norm"},
    {"blk.0.attn_rel_b", "decoder.block.0.layer.0.SelfAttention.relative_attention_bias"},
    {"blk.{l}.attn_norm", "decoder.block.{l}.layer.0.layer_norm"},
    {"blk.{l}.attn_q", "decoder.block.{l}.layer.0.SelfAttention.q"},
    {"blk.{l}.attn_k", "decoder.block.{l}.layer.0.SelfAttention.k"},
    {"blk.{l}.attn_v", "decoder.block.{l}.layer.0.SelfAttention.v"},
    {"blk.{l}.attn_output", "decoder.block.{l}.layer.0.SelfAttention.o"},
    {"blk.{l}.cross_attn_norm", "decoder.block.{l}.layer.1.layer_norm"},
    {"blk.{l}.cross_attn_q", "decoder.block.{l}.layer.1.EncDecAttention.q"},
    {"blk.{l}.cross_attn_k", "decoder.block.{l}.layer.1.EncDecAttention.k"},
    {"blk.{l}.cross_attn_v", "decoder.block.{l}.layer.1.EncDecAttention.v"},
    {"blk.{l}.cross_attn_output", "decoder.block.{l}.layer.1.EncDecAttention.o"},
    {"blk.{l}.ffn_norm", "decoder.block.{l}.layer.2.layer_norm"},
    {"blk.{l}.ffn_up", "decoder.block.{l}.layer.2.mlp.wi"},
    {"blk.{l}.ffn_down", "decoder.block.{l}.layer.2.mlp.wo"},
    {"blk.{l}.ffn_gate_inp", "decoder.block.{l}.layer.2.mlp.router.classifier"},
    {"blk.{l}.ffn_up_exps", "decoder.block.{l}.layer.2.mlp.experts.expert_{e}.wi"},
    {"blk.{l}.ffn_down_exps", "decoder.block.{l}.layer.2.mlp.experts.expert_{e}.wo"},
    {"enc.output_norm", "encoder.final_layer_norm"},
    {"enc.blk.0.attn_rel_b", "encoder.block.0.layer.0.SelfAttention.relative_attention_bias"},
    {"enc.blk.{l}.attn_norm", "encoder.block.{l}.layer.0.layer_norm"},
    {"enc.blk.{l}.attn_q", "encoder.block.{l}.layer.0.SelfAttention.q"},
    {"enc.blk.{l}.attn_k", "encoder.block.{l}.layer.0.SelfAttention.k"},
    {"enc.blk.{l}.attn_v", "encoder.block.{l}.layer.0.SelfAttention.v"},
    {"enc.blk.{l}.attn_output", "encoder.block.{l}.layer.0.SelfAttention.o"},
    {"enc.blk.{l}.ffn_norm", "encoder.block.{l}.layer.1.layer_norm"},
    {"enc.blk.{l}.ffn_up", "encoder.block.{l}.layer.1.mlp.wi"},
    {"enc.blk.{l}.ffn_down", "encoder.block.{l}.layer.1.mlp.wo"},
    {"enc.blk.{l}.ffn_gate_inp", "encoder.block.{l}.layer.1.mlp.router.classifier"},
    {"enc.blk.{l}.ffn_up_exps", "encoder.block.{l}.layer.1.mlp.experts.expert_{e}.wi"},
    {"enc.blk.{l}.ffn_down_exps", "encoder.block.{l}.layer.1.mlp.experts.expert_{e}.wo"},
};
constexpr std::string_view ignored[] = {"encoder.embed_tokens", "decoder.embed_tokens"};

bool is_sparse(int layer, int step) { return step > 0 && (step == 1 || layer % step == 1); }

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec;
    spec.architecture = switch_transformers.name;
    spec.name = config.get<std::string>("_name_or_path", "");
    spec.dim = config.require<int32_t>("d_model");
    spec.vocab = config.require<int32_t>("vocab_size");
    spec.context = config.get<int32_t>("n_positions", 512);
    spec.norm.eps = config.get<float>("layer_norm_epsilon", 1e-6f);
    spec.relative_bias = {.buckets = config.get<int32_t>("relative_attention_num_buckets", 32),
                          .max_distance = config.get<int32_t>("relative_attention_max_distance", 128)};
    if (const auto act = config.get<std::string>("dense_act_fn", "relu");
        act != "relu" || config.get<bool>("is_gated_act", false))
        fail("{}: dense_act_fn \"{}\" is not supported (relu without gate is)", config.source(), act);

    AttentionSpec attention;
    attention.heads = attention.kv_heads = config.require<int32_t>("num_heads");
    attention.head_dim = attention.value_dim = config.require<int32_t>("d_kv");
    attention.rope.enabled = false;
    attention.scale = 1;
    const DenseSpec dense{
        .hidden = config.require<int32_t>("d_ff"), .activation = kernels::Activation::relu, .gated = false};
    MoeSpec moe;
    moe.router = {.experts = config.get<int32_t>("num_experts", 8),
                  .top_k = 1,
                  .capacity = config.get<int32_t>("expert_capacity", 64)};
    moe.hidden = dense.hidden;
    moe.router_bias = config.get<bool>("router_bias", false);
    moe.activation = dense.activation;
    moe.gated = false;

    // One stack of `layers` layers; the encoder sees both ways, the decoder the source too.
    const auto fill = [&](ModelSpec& stack, size_t layers, int step, bool encoder) {
        attention.causal = !encoder;
        for (size_t l = 0; l < layers; ++l) {
            LayerSpec& layer = stack.layers.emplace_back();
            layer.mixer = attention;
            layer.feed_forward = dense;
            if (is_sparse(static_cast<int>(l), step)) layer.feed_forward = moe;
            if (!encoder) layer.cross = attention;
        }
    };
    ModelSpec encoder = spec;
    encoder.tied_head = true;
    const size_t layers = hf_layer_count(config, "num_layers");
    fill(encoder, layers, config.get<int32_t>("encoder_sparse_step", 2), true);
    spec.tied_head = config.get<bool>("tie_word_embeddings", true);
    if (spec.tied_head) spec.logit_divisor = std::sqrt(static_cast<float>(spec.dim));
    spec.decoder_start = config.get<int32_t>("decoder_start_token_id", 0);
    fill(spec, config.contains("num_decoder_layers") ? hf_layer_count(config, "num_decoder_layers") : layers,
         config.get<int32_t>("decoder_sparse_step", 2), false);
    spec.encoder = std::move(encoder);
    return spec;
}

int sparse_step(const ModelSpec& stack) {
    std::vector<int> sparse;
    for (size_t l = 0; l < stack.layers.size() && sparse.size() < 2; ++l)
        if (stack.layers[l].moe()) sparse.push_back(static_cast<int>(l));
    if (sparse.empty()) return 0;
    if (sparse.front() == 0) return 1;
    return sparse.size() == 2 ? sparse[1] - sparse[0] : std::max(2, static_cast<int>(stack.layers.size()));
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    const AttentionSpec attention = attention_of(spec);
    const bool sparse = leading_dense_layers(spec) < static_cast<int>(spec.layers.size());
    const ModelSpec& encoder = *spec.encoder;
    const MoeSpec moe = mixture_of(sparse ? spec : encoder);
    if (!spec.name.empty()) config["_name_or_path"] = spec.name;
    config["vocab_size"] = spec.vocab;
    config["d_model"] = spec.dim;
    config["d_kv"] = attention.head_dim;
    config["d_ff"] = moe.hidden;
    config["num_heads"] = attention.heads;
    config["num_layers"] = encoder.layers.size();
    config["num_decoder_layers"] = spec.layers.size();
    config["encoder_sparse_step"] = sparse_step(encoder);
    config["decoder_sparse_step"] = sparse_step(spec);
    config["num_experts"] = moe.router.experts;
    config["expert_capacity"] = moe.router.capacity;
    config["router_bias"] = moe.router_bias;
    config["relative_attention_num_buckets"] = spec.relative_bias.buckets;
    config["relative_attention_max_distance"] = spec.relative_bias.max_distance;
    config["n_positions"] = spec.context;
    config["layer_norm_epsilon"] = decimal(spec.norm.eps);
    config["dense_act_fn"] = "relu";
    config["is_gated_act"] = false;
    config["is_encoder_decoder"] = true;
    config["tie_word_embeddings"] = spec.tied_head;
    config["decoder_start_token_id"] = spec.decoder_start;
}

}  // namespace

const Architecture switch_transformers{
    .name = "switch_transformers",
    .gguf_name = "",
    .hf_model_type = "switch_transformers",
    .hf_class = "SwitchTransformersForConditionalGeneration",
    .experts = true,
    .from_gguf = no_gguf_reader,
    .from_hf = from_hf,
    .to_gguf = no_gguf_writer,
    .to_hf = to_hf,
    .names = names,
    .hf_ignored = ignored,
};

}  // namespace gremium::archs
