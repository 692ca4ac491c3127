// How a router decides, as data: architectures, recipes and edits fill in this record, and routers/ carries it out.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gremium::moe {

struct RouterPolicy {
    int experts = 0;
    int top_k = 0;
    // How logits become scores: softmax over all experts; softmax over the selected k only; sigmoid of each;
    // SparseMixer (Liu et al. 2023; Phi-3.5-MoE): each choice's softmax over those not yet chosen whose logit s is near
    // the best one m, (m − s) <= 2·sparse_epsilon·max(|s|, m).
    enum class Score : uint8_t { softmax, softmax_selected, sigmoid, sparsemixer } score = Score::softmax;
    // Experts are selected by score + bias, routing weights come from the score alone (DeepSeek-V3; balancing without
    // an auxiliary loss).
    bool correction_bias = false;
    // The routing weights of a token are divided by their sum.
    bool normalise = false;
    // Then they are multiplied by this.
    float scale = 1;
    // SparseMixer's threshold, see Score.
    float sparse_epsilon = 0;
    // The routing weight multiplies an expert's input instead of its output (Llama 4).
    bool weight_on_input = false;
    // Groups of neighbouring experts (DeepSeek): only experts of the `groups_used` best of `groups` equal groups can be
    // chosen. A group is as good as its best selection score (V2), or as the sum of its two best (V3).
    enum class GroupScore : uint8_t { best, two_best } group_score = GroupScore::best;
    int groups = 1, groups_used = 1;
    // The most choices that an expert accepts from one call, or from each sequence of the call where sequences are told
    // apart. `capacity` is a fixed number; `capacity_factor` applies in training only and is multiplied by the even
    // share k·T/E, rounded up; 0: no limit. Choices beyond that are dropped (id −1, weight 0). First choices are served
    // before second ones, and tokens in their order (Lepikhin et al.: GShard, 2020; Fedus et al.: Switch Transformers,
    // 2021).
    int capacity = 0;
    float capacity_factor = 0;
    // With `normalise`: dropped choices count in the sum too.
    bool normalise_dropped = false;
    // The second choice if k = 2: always the second best; the second best, kept with probability 2·weight (GShard); or
    // drawn from the softmax over the others (NLLB's "sampling").
    enum class Second : uint8_t { best, likely, sampled } second = Second::best;

    friend bool operator==(const RouterPolicy&, const RouterPolicy&) = default;
};

// The names of a policy's enumerators in recipes, in `inspect` and in messages.
template <typename Value>
struct Named {
    std::string_view name;
    Value value;
};
inline constexpr Named<RouterPolicy::Score> score_names[] = {
    {"softmax", RouterPolicy::Score::softmax},
    {"softmax_selected", RouterPolicy::Score::softmax_selected},
    {"sigmoid", RouterPolicy::Score::sigmoid},
    {"sparsemixer", RouterPolicy::Score::sparsemixer}};
inline constexpr Named<RouterPolicy::GroupScore> group_score_names[] = {
    {"best", RouterPolicy::GroupScore::best}, {"two_best", RouterPolicy::GroupScore::two_best}};
inline constexpr Named<RouterPolicy::Second> second_names[] = {{"best", RouterPolicy::Second::best},
                                                               {"likely", RouterPolicy::Second::likely},
                                                               {"sampled", RouterPolicy::Second::sampled}};
std::string_view name(RouterPolicy::Score score);
std::string_view name(RouterPolicy::GroupScore score);
std::string_view name(RouterPolicy::Second second);

}  // namespace gremium::moe
