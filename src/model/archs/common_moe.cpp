#include <algorithm>

#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

namespace {

using Score = moe::RouterPolicy::Score;
using GroupScore = moe::RouterPolicy::GroupScore;

// expert_gating_func of GGUF.
constexpr uint32_t softmax_gating = 1, sigmoid_gating = 2;

// Groups count where some are left out. They are as good as their best expert with softmax (V2), as their two best with
// sigmoids (V3).
void set_groups(moe::RouterPolicy& router, int groups, int used) {
    if (groups <= 1 || used == groups) return;
    router.groups = groups;
    router.groups_used = used;
    router.group_score = router.score == Score::sigmoid ? GroupScore::two_best : GroupScore::best;
}

}  // namespace

MoeSpec read_gguf_experts(const Metadata& metadata, std::string_view width_key) {
    MoeSpec moe;
    moe.router.experts = metadata.require<int32_t>(key(metadata, "expert_count"));
    moe.router.top_k = metadata.require<int32_t>(key(metadata, "expert_used_count"));
    moe.hidden = metadata.require<int32_t>(key(metadata, width_key));
    return moe;
}

void write_gguf_experts(const MoeSpec& moe, std::string_view width_key, Metadata& metadata) {
    metadata.set(key(metadata, "expert_count"), static_cast<uint32_t>(moe.router.experts));
    metadata.set(key(metadata, "expert_used_count"), static_cast<uint32_t>(moe.router.top_k));
    metadata.set(key(metadata, width_key), static_cast<uint32_t>(moe.hidden));
}

MoeSpec read_hf_experts(const HfConfig& config, const char* width_key) {
    MoeSpec moe;
    moe.router.experts = config.require<int32_t>({"num_local_experts", "num_experts", "n_routed_experts"});
    moe.router.top_k = config.require<int32_t>({"num_experts_per_tok", "experts_per_token"});
    moe.router.normalise = config.get<bool>("norm_topk_prob", false);
    moe.hidden = config.require<int32_t>(width_key);
    return moe;
}

void write_hf_experts(const MoeSpec& moe, const char* count_key, nlohmann::ordered_json& config) {
    config[count_key] = moe.router.experts;
    config["num_experts_per_tok"] = moe.router.top_k;
}

void set_qwen_mixture(ModelSpec& spec, const MoeSpec& moe, const HfConfig& config) {
    const auto dense = config.get<std::vector<int32_t>>("mlp_only_layers", {});
    const int step = std::max(1, config.get<int32_t>("decoder_sparse_step", 1));
    for (int l = 0; l < static_cast<int>(spec.layers.size()); ++l)
        if ((l + 1) % step == 0 && std::ranges::find(dense, l) == dense.end())
            spec.layers[static_cast<size_t>(l)].feed_forward = moe;
}

void write_qwen_mixture(const ModelSpec& spec, nlohmann::ordered_json& config) {
    const MoeSpec moe = mixture_of(spec);
    write_hf_experts(moe, "num_experts", config);
    config["moe_intermediate_size"] = moe.hidden;
    config["norm_topk_prob"] = moe.router.normalise;
    config["decoder_sparse_step"] = 1;
    config["mlp_only_layers"] = nlohmann::ordered_json::array();
    for (size_t l = 0; l < spec.layers.size(); ++l)
        if (!spec.layers[l].moe()) config["mlp_only_layers"].push_back(l);
    config["use_sliding_window"] = false;
}

void read_gguf_deepseek(ModelSpec& spec, const Metadata& metadata, Score score) {
    const auto k = [&](std::string_view name) { return key(metadata, name); };
    MoeSpec moe = read_gguf_experts(metadata, "expert_feed_forward_length");
    const uint32_t gating =
        metadata.get<uint32_t>(k("expert_gating_func"), score == Score::sigmoid ? sigmoid_gating : softmax_gating);
    if (gating != softmax_gating && gating != sigmoid_gating)
        fail("{}: {} is {}, expected 1 (softmax) or 2 (sigmoid)", metadata.source(), k("expert_gating_func"), gating);
    moe.router.score = gating == sigmoid_gating ? Score::sigmoid : Score::softmax;
    moe.router.correction_bias = true;  // if its tensor is there
    moe.router.normalise = metadata.get<bool>(k("expert_weights_norm"), false);
    moe.router.scale = metadata.get<float>(k("expert_weights_scale"), 1.0f);
    if (moe.router.scale == 0) moe.router.scale = 1;
    set_groups(moe.router, metadata.get<int32_t>(k("expert_group_count"), 1),
               metadata.get<int32_t>(k("expert_group_used_count"), 1));
    moe.shared_hidden =
        checked_product(metadata.get<int32_t>(k("expert_shared_count"), 0), moe.hidden, metadata.source());
    set_mixture(spec, moe, metadata.get<int32_t>(k("leading_dense_block_count"), 0));
}

void write_gguf_deepseek(const ModelSpec& spec, Metadata& metadata) {
    const MoeSpec moe = mixture_of(spec);
    const auto set = [&](auto k, MetaValue value) { metadata.set(key(metadata, k), std::move(value)); };
    write_gguf_experts(moe, "expert_feed_forward_length", metadata);
    set("leading_dense_block_count", static_cast<uint32_t>(leading_dense_layers(spec)));
    set("expert_shared_count", static_cast<uint32_t>(moe.shared_hidden / moe.hidden));
    set("expert_weights_scale", moe.router.scale);
    set("expert_weights_norm", moe.router.normalise);
    set("expert_gating_func", moe.router.score == Score::sigmoid ? sigmoid_gating : softmax_gating);
    if (moe.router.groups == 1) return;
    set("expert_group_count", static_cast<uint32_t>(moe.router.groups));
    set("expert_group_used_count", static_cast<uint32_t>(moe.router.groups_used));
}

void read_hf_deepseek(ModelSpec& spec, const HfConfig& config, Score score) {
    MoeSpec moe = read_hf_experts(config, "moe_intermediate_size");
    const auto function = config.get<std::string>({"scoring_func", "score_function"}, "");
    moe.router.score = function == "sigmoid" ? Score::sigmoid : function == "softmax" ? Score::softmax : score;
    moe.router.correction_bias = moe.router.score == Score::sigmoid;
    moe.router.scale = config.get<float>("routed_scaling_factor", 1.0f);
    set_groups(moe.router, config.get<int32_t>("n_group", 1), config.get<int32_t>("topk_group", 1));
    moe.shared_hidden = checked_product(config.get<int32_t>({"n_shared_experts", "num_shared_experts"}, 0), moe.hidden,
                                        config.source());
    if (config.get<int32_t>("moe_layer_freq", 1) != 1)
        fail("{}: moe_layer_freq other than 1 is not supported", config.source());
    set_mixture(spec, moe, config.get<int32_t>("first_k_dense_replace", 0));
}

void write_hf_deepseek(const ModelSpec& spec, nlohmann::ordered_json& config) {
    const MoeSpec moe = mixture_of(spec);
    write_hf_experts(moe, "n_routed_experts", config);
    config["moe_intermediate_size"] = moe.hidden;
    config["n_shared_experts"] = moe.shared_hidden / moe.hidden;
    config["norm_topk_prob"] = moe.router.normalise;
    config["routed_scaling_factor"] = decimal(moe.router.scale);
    config["first_k_dense_replace"] = leading_dense_layers(spec);
    config["n_group"] = moe.router.groups;
    config["topk_group"] = moe.router.groups_used;
    config["scoring_func"] = moe.router.score == Score::sigmoid ? "sigmoid" : "softmax";
}

}  // namespace gremium::archs
