// NLLB-MoE: NLLB Team, "No Language Left Behind" (2022), a translator with GShard's mixtures (Lepikhin et al. 2020): two
// experts a token. Encoder and decoder, sinusoidal positions, LayerNorm, biases everywhere. There is no GGUF layout.
#include <cmath>

#include "model/archs/all.h"

namespace gremium::archs {

namespace {

constexpr NameRule names[] = {
    {"token_embd", "model.shared"},
    {"output_norm", "model.decoder.layer_norm"},
    {"blk.{l}.attn_norm", "model.decoder.layers.{l}.self_attn_layer_norm"},
    {"blk.{l}.attn_q", "model.decoder.layers.{l}.self_attn.q_proj"},
    {"blk.{l}.attn_k", "model.decoder.layers.{l}.self_attn.k_proj"},
    {"blk.{l}.attn_v", "model.decoder.layers.{l}.self_attn.v_proj"},
    {"blk.{l}.attn_output", "model.decoder.layers.{l}.self_attn.out_proj"},
    {"blk.{l}.cross_attn_norm", "model.decoder.layers.{l}.cross_attention_layer_norm"},
    {"blk.{l}.cross_attn_q", "model.decoder.layers.{l}.cross_attention.q_proj"},
    {"blk.{l}.cross_attn_k", "model.decoder.layers.{l}.cross_attention.k_proj"},
    {"blk.{l}.cross_attn_v", "model.decoder.layers.{l}.cross_attention.v_proj"},
    {"blk.{l}.cross_attn_output", "model.decoder.layers.{l}.cross_attention.out_proj"},
    {"blk.{l}.ffn_norm", "model.decoder.layers.{l}.ff_layer_norm"},
    {"blk.{l}.ffn_up", "model.decoder.layers.{l}.ffn.fc1"},
    {"blk.{l}.ffn_down", "model.decoder.layers.{l}.ffn.fc2"},
    {"blk.{l}.ffn_gate_inp", "model.decoder.layers.{l}.ffn.router.classifier"},
    {"blk.{l}.ffn_up_exps", "model.decoder.layers.{l}.ffn.experts.expert_{e}.fc1"},
    {"blk.{l}.ffn_down_exps", "model.decoder.layers.{l}.ffn.experts.expert_{e}.fc2"},
    {"enc.output_norm", "model.encoder.layer_norm"},
    {"enc.blk.{l}.attn_norm", "model.encoder.layers.{l}.self_attn_layer_norm"},
    {"enc.blk.{l}.attn_q", "model.encoder.layers.{l}.self_attn.q_proj"},
    {"enc.blk.{l}.attn_k", "model.encoder.layers.{l}.self_attn.k_proj"},
    {"enc.blk.{l}.attn_v", "model.encoder.layers.{l}.self_attn.v_proj"},
    {"enc.blk.{l}.attn_output", "model.encoder.layers.{l}.self_attn.out_proj"},
    {"enc.blk.{l}.ffn_norm", "model.encoder.layers.{l}.ff_layer_norm"},
    {"enc.blk.{l}.ffn_up", "model.encoder.layers.{l}.ffn.fc1"},
    {"enc.blk.{l}.ffn_down", "model.encoder.layers.{l}.ffn.fc2"},
    {"enc.blk.{l}.ffn_gate_inp", "model.encoder.layers.{l}.ffn.router.classifier"},
    {"enc.blk.{l}.ffn_up_exps", "model.encoder.layers.{l}.ffn.experts.expert_{e}.fc1"},
    {"enc.blk.{l}.ffn_down_exps", "model.encoder.layers.{l}.ffn.experts.expert_{e}.fc2"},
};
constexpr std::string_view ignored[] = {"model.encoder.embed_tokens", "model.decoder.embed_tokens",
                                        "model.encoder.embed_positions", "model.decoder.embed_positions"};

// The sizes of one of the two stacks; `side` is "encoder" or "decoder".
void read_stack(ModelSpec& stack, const HfConfig& config, const std::string& side) {
    const bool encoder = side == "encoder";
    AttentionSpec attention;
    attention.heads = attention.kv_heads = config.require<int32_t>(side + "_attention_heads");
    attention.head_dim = attention.value_dim = attention.heads > 0 ? stack.dim / attention.heads : 0;
    attention.rope.enabled = false;
    attention.qkv_bias = attention.out_bias = true;
    attention.causal = !encoder;
    const DenseSpec dense{.hidden = config.require<int32_t>(side + "_ffn_dim"),
                          .activation = kernels::Activation::relu,
                          .gated = false,
                          .bias = true};
    MoeSpec moe;
    moe.router = {.experts = config.require<int32_t>("num_experts"),
                  .top_k = 2,
                  .normalise = true,
                  .scale = 1 - config.get<float>("moe_token_dropout", 0.2f),
                  .normalise_dropped = config.get<bool>("normalize_router_prob_before_dropping", false),
                  .second = second_expert(config.get<std::string>("second_expert_policy", "all"), config.source())};
    moe.hidden = dense.hidden;
    moe.router_bias = config.get<bool>("router_bias", false);
    moe.activation = dense.activation;
    moe.gated = false;
    moe.bias = true;
    const int step = config.get<int32_t>(side + "_sparse_step", 4);
    const size_t layers = hf_layer_count(config, side + "_layers");
    for (size_t l = 0; l < layers; ++l) {
        LayerSpec& layer = stack.layers.emplace_back();
        layer.mixer = attention;
        layer.feed_forward = dense;
        if (step > 0 && (l + 1) % static_cast<size_t>(step) == 0) layer.feed_forward = moe;
        if (!encoder) layer.cross = attention;
    }
}

ModelSpec from_hf(const HfConfig& config) {
    ModelSpec spec;
    spec.architecture = nllb_moe.name;
    spec.name = config.get<std::string>("_name_or_path", "");
    spec.dim = config.require<int32_t>("d_model");
    spec.vocab = config.require<int32_t>("vocab_size");
    spec.context = config.get<int32_t>("max_position_embeddings", 1024);
    spec.norm = {.kind = NormKind::layer, .eps = 1e-5f, .bias = true};
    spec.first_sinusoid = 2;  // behind the position of padding, 1
    if (config.get<bool>("scale_embedding", true)) spec.embedding_scale = std::sqrt(static_cast<float>(spec.dim));
    if (const auto act = config.get<std::string>("activation_function", "relu"); act != "relu")
        fail("{}: activation_function \"{}\" is not supported (relu is)", config.source(), act);
    if (config.get<bool>("batch_prioritized_routing", false))
        fail("{}: batch_prioritized_routing is not supported", config.source());
    if (config.get<float>("moe_eval_capacity_token_fraction", 1) < 1)
        fail("{}: moe_eval_capacity_token_fraction below 1 is not supported", config.source());

    ModelSpec encoder = spec;
    encoder.tied_head = true;
    read_stack(encoder, config, "encoder");
    read_stack(spec, config, "decoder");
    spec.tied_head = config.get<bool>("tie_word_embeddings", true);
    spec.decoder_start = config.get<int32_t>("decoder_start_token_id", 2);
    spec.encoder = std::move(encoder);
    return spec;
}

void write_stack(const ModelSpec& stack, const std::string& side, nlohmann::ordered_json& config) {
    config[side + "_layers"] = stack.layers.size();
    config[side + "_attention_heads"] = attention_of(stack).heads;
    config[side + "_ffn_dim"] = dense_of(stack).hidden;
    const int first = leading_dense_layers(stack);
    config[side + "_sparse_step"] = first < static_cast<int>(stack.layers.size()) ? first + 1 : 0;
}

void to_hf(const ModelSpec& spec, nlohmann::ordered_json& config) {
    const bool sparse = leading_dense_layers(spec) < static_cast<int>(spec.layers.size());
    const MoeSpec moe = mixture_of(sparse ? spec : *spec.encoder);
    if (!spec.name.empty()) config["_name_or_path"] = spec.name;
    config["vocab_size"] = spec.vocab;
    config["d_model"] = spec.dim;
    write_stack(*spec.encoder, "encoder", config);
    write_stack(spec, "decoder", config);
    config["num_experts"] = moe.router.experts;
    config["moe_token_dropout"] = decimal(1 - moe.router.scale);
    config["moe_eval_capacity_token_fraction"] = 1.0;
    config["normalize_router_prob_before_dropping"] = moe.router.normalise_dropped;
    config["second_expert_policy"] = second_expert_name(moe.router.second);
    config["router_bias"] = moe.router_bias;
    config["batch_prioritized_routing"] = false;
    config["max_position_embeddings"] = spec.context;
    config["activation_function"] = "relu";
    config["scale_embedding"] = spec.embedding_scale != 1;
    config["is_encoder_decoder"] = true;
    config["tie_word_embeddings"] = spec.tied_head;
    config["decoder_start_token_id"] = spec.decoder_start;
}

}  // namespace

const Architecture nllb_moe{
    .name = "nllb_moe",
    .gguf_name = "",
    .hf_model_type = "nllb-moe",
    .hf_class = "NllbMoeForConditionalGeneration",
    .experts = true,
    .from_gguf = no_gguf_reader,
    .from_hf = from_hf,
    .to_gguf = no_gguf_writer,
    .to_hf = to_hf,
    .names = names,
    .hf_ignored = ignored,
};

}  // namespace gremium::archs
