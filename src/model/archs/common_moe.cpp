// Mixtures that several architectures have.
#include <algorithm>

#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

namespace {

using Score = moe::RouterPolicy::Score;
using GroupScore = moe::RouterPolicy::GroupScore;

// What both formats know. A number that llama.cpp has for another function (4: √softplus) stays an error.
constexpr Score gatings[] = {Score::softmax, Score::sigmoid, Score::softmax_selected};
const Word& word_of_gating(Score score) {
    return word_of(std::ranges::find(gatings, score) == std::end(gatings) ? Score::softmax : score);
}

void read_sparse_layers(const Input& in, Outline& outline) {
    if (!in.hf) return;
    outline.mixture_layers = every(std::max(1, in.hf->get<int32_t>("decoder_sparse_step", 1)));
    outline.mixture_layers.except = in.hf->get<std::vector<int32_t>>("mlp_only_layers", {});
}

void write_sparse_layers(const Outline& outline, Output& out) {
    if (!out.hf) return;
    (*out.hf)["decoder_sparse_step"] = 1;
    nlohmann::ordered_json& dense = (*out.hf)["mlp_only_layers"] = nlohmann::ordered_json::array();
    for (int l = 0; l < outline.layers; ++l)
        if (!outline.mixture_layers.holds(l)) dense.push_back(l);
}

// In GGUF's first year the feed-forward's width was that of all experts of a token together.
void complete_width(const Input& in, Outline& outline) {
    if (outline.moe.hidden > 0) return;
    if (in.hf) outline.moe.hidden = in.hf->require<int32_t>("moe_intermediate_size");
    if (in.gguf && (outline.dense.hidden == 0 || outline.moe.router.top_k == 0))
        outline.moe.hidden = in.gguf->require<int32_t>(key(*in.gguf, "expert_feed_forward_length"));
    if (in.gguf) outline.moe.hidden = outline.dense.hidden / outline.moe.router.top_k;
}

constexpr Field qwen_mixture_table[] = {
    num_experts("num_experts"),
    experts_per_token,
    field(FIELD_AT(moe.hidden),
          {.gguf = "expert_feed_forward_length", .hf = {"moe_intermediate_size"}, .otherwise = 0}),
    special(complete_width),
    norm_topk_prob,
    special(read_sparse_layers, write_sparse_layers),
    written("use_sliding_window", "false"),
};

// GLM-4.7-Flash: "dense" or "sparse" a layer; its class takes the first one for dense.
void read_kinds_of_feed_forward(const Input& in, Outline& outline) {
    if (!in.hf || in.hf->contains("first_k_dense_replace")) return;
    const auto kinds = in.hf->find<std::vector<std::string>>("mlp_layer_types");
    if (!kinds && in.hf->get<std::string>("model_type", "") == "glm4_moe_lite") outline.mixture_layers.first = 1;
    if (!kinds) return;
    if (std::cmp_less(kinds->size(), outline.layers))
        fail("{}: mlp_layer_types has {} entries, expected {}", in.source(), kinds->size(), outline.layers);
    for (int l = outline.layers - 1; l >= 0; --l) {
        const std::string& kind = (*kinds)[static_cast<size_t>(l)];
        if (kind != "dense" && kind != "sparse")
            fail("{}: mlp_layer_types: layer {} is {}, expected dense or sparse", in.source(), l, kind);
        if (kind == "dense") outline.mixture_layers.except.push_back(l);
    }
}

// Groups count where some are left out. They are as good as their best expert with softmax (V2), as their two best with
// sigmoids (V3). A correction is there with sigmoids; in GGUF if its tensor is.
void complete_router(const Input& in, Outline& outline) {
    moe::RouterPolicy& r = outline.moe.router;
    const int groups = in.number("expert_group_count", "n_group", 1);
    const int used = in.number("expert_group_used_count", "topk_group", 1);
    const bool greedy = in.hf && in.hf->get<std::string>("topk_method", "") == "greedy";  // whatever groups are said
    if (groups > 1 && used != groups && !greedy) {
        r.groups = groups;
        r.groups_used = used;
        r.group_score = r.score == Score::sigmoid ? GroupScore::two_best : GroupScore::best;
    }
    r.correction_bias = in.gguf || r.score == Score::sigmoid;
    if (in.gguf && r.scale == 0) r.scale = 1;
}

void write_groups(const Outline& outline, Output& out) {
    const moe::RouterPolicy& r = outline.moe.router;
    if (out.hf) {
        (*out.hf)["n_group"] = r.groups;
        (*out.hf)["topk_group"] = r.groups_used;
    } else if (r.groups > 1) {
        out.gguf->set(key(*out.gguf, "expert_group_count"), static_cast<uint32_t>(r.groups));
        out.gguf->set(key(*out.gguf, "expert_group_used_count"), static_cast<uint32_t>(r.groups_used));
    }
}

constexpr Field deepseek_mixture_table[] = {
    num_experts("n_routed_experts"),
    experts_per_token,
    own_width_of_experts,
    field(FIELD_AT(moe.shared_hidden), {.gguf = "expert_shared_count",
                                        .hf = {"n_shared_experts", "num_shared_experts"},
                                        .otherwise = 0,
                                        .unit = FIELD_AT(moe.hidden)}),
    field(FIELD_AT(moe.router.normalise),
          {.gguf = "expert_weights_norm", .hf = {"norm_topk_prob"}, .otherwise = false}),
    field(FIELD_AT(moe.router.scale),
          {.gguf = "expert_weights_scale", .hf = {"routed_scaling_factor"}, .otherwise = 1}),
    field(FIELD_AT(mixture_layers.first),
          {.gguf = "leading_dense_block_count", .hf = {"first_k_dense_replace"}, .otherwise = 0}),
    special(read_kinds_of_feed_forward),
    special(nullptr, write_groups),
    gating,
    special(complete_router),
    expected("moe_layer_freq", "1"),
};

}  // namespace

void read_gating(const Input& in, Outline& outline) {
    Score& score = outline.moe.router.score;
    if (in.hf) {
        const auto function = in.hf->get<std::string>({"scoring_func", "score_function"}, "");
        for (const Score known : gatings)
            if (word_of(known).in_hf() == function) score = known;
        return;
    }
    const std::string name = key(*in.gguf, "expert_gating_func");
    const auto number = in.gguf->get<uint32_t>(name, word_of(score).gguf);
    for (const Score known : gatings)
        if (word_of(known).gguf == number) score = known;
    if (word_of(score).gguf != number)
        fail("{}: {} is {}, expected 1 (softmax), 2 (sigmoid) or 3 (softmax of the selected)", in.source(), name,
             number);
}

void write_gating(const Outline& outline, Output& out) {
    const Word& word = word_of_gating(outline.moe.router.score);
    if (out.hf) (*out.hf)["scoring_func"] = word.in_hf();
    if (out.gguf) out.gguf->set(key(*out.gguf, "expert_gating_func"), word.gguf);
}

void read_shared_width(const Input& in, Outline& outline, int least) {
    MoeSpec& m = outline.moe;
    const int count = in.number("expert_shared_count", "num_shared_experts", least);
    m.shared_hidden = m.hidden * count;
    if (in.gguf) m.shared_hidden = in.number("expert_shared_feed_forward_length", "", m.shared_hidden);
}

void write_shared_width(const Outline& outline, Output& out) {
    const MoeSpec& m = outline.moe;
    out.say("expert_shared_feed_forward_length", "", m.shared_hidden);
    const int count = m.shared_hidden / std::max(1, m.hidden);
    out.say("expert_shared_count", "num_shared_experts", m.shared_hidden > 0 ? std::max(1, count) : 0);
}

constinit const Fields qwen_mixture_fields = qwen_mixture_table;
constinit const Fields deepseek_mixture_fields = deepseek_mixture_table;

}  // namespace gremium::archs
