// The names of a specification's enumerators: one table for recipes, model files and messages.
#pragma once

#include <cstdint>
#include <iterator>
#include <span>
#include <string_view>

#include "model/spec/outline.h"

namespace gremium {

struct Word {
    uint8_t value;
    // In recipes, messages and inspect.
    std::string_view name;
    // In config.json; empty: the same as the name.
    std::string_view hf = {};
    // In GGUF metadata that stores numbers.
    uint32_t gguf = 0;

    constexpr std::string_view in_hf() const { return hf.empty() ? name : hf; }
};

// WordsOf<Enum>::list; an enumeration without names does not compile.
template <typename Enum>
struct WordsOf;

// The names of a router's enumerators are in moe/policy.h; these are the names in files.
constexpr Word word_for(const auto& named, std::string_view hf = {}, uint32_t gguf = 0) {
    return {static_cast<uint8_t>(named.value), named.name, hf, gguf};
}
template <>
struct WordsOf<moe::RouterPolicy::Score> {
    static constexpr Word list[] = {word_for(moe::score_names[0], {}, 1), word_for(moe::score_names[1], {}, 3),
                                    word_for(moe::score_names[2], {}, 2), word_for(moe::score_names[3])};
    static_assert(std::size(list) == std::size(moe::score_names));
    static_assert(moe::score_names[2].value == moe::RouterPolicy::Score::sigmoid);
};
template <>
struct WordsOf<moe::RouterPolicy::GroupScore> {
    static constexpr Word list[] = {word_for(moe::group_score_names[0]), word_for(moe::group_score_names[1])};
    static_assert(std::size(list) == std::size(moe::group_score_names));
};
template <>
struct WordsOf<moe::RouterPolicy::Second> {
    static constexpr Word list[] = {word_for(moe::second_names[0], "all"), word_for(moe::second_names[1], "random"),
                                    word_for(moe::second_names[2], "sampling")};
    static_assert(std::size(list) == std::size(moe::second_names));
    static_assert(moe::second_names[1].value == moe::RouterPolicy::Second::likely);
};
template <>
struct WordsOf<QkNorm> {
    static constexpr Word list[] = {{uint8_t(QkNorm::none), "none"},
                                    {uint8_t(QkNorm::per_head), "per_head"},
                                    {uint8_t(QkNorm::full), "full"},
                                    {uint8_t(QkNorm::rotated), "rotated"},
                                    {uint8_t(QkNorm::after_rotation), "after_rotation"}};
};
template <>
struct WordsOf<GateKind> {
    static constexpr Word list[] = {{uint8_t(GateKind::none), "none"},
                                    {uint8_t(GateKind::sigmoid), "sigmoid"},
                                    {uint8_t(GateKind::softplus), "softplus"}};
};
template <>
struct WordsOf<OtherMixer> {
    static constexpr Word list[] = {{uint8_t(OtherMixer::state_space), "state_space"},
                                    {uint8_t(OtherMixer::short_conv), "short_conv"},
                                    {uint8_t(OtherMixer::delta_net), "delta_net"},
                                    {uint8_t(OtherMixer::mamba2), "mamba2"}};
};
template <>
struct WordsOf<NormKind> {
    static constexpr Word list[] = {{uint8_t(NormKind::rms), "rms"}, {uint8_t(NormKind::layer), "layer"}};
};
template <>
struct WordsOf<kernels::Activation::Kind> {
    static constexpr Word list[] = {{uint8_t(kernels::Activation::silu), "silu"},
                                    {uint8_t(kernels::Activation::gelu), "gelu"},
                                    {uint8_t(kernels::Activation::gelu_erf), "gelu_erf"},
                                    {uint8_t(kernels::Activation::relu), "relu"},
                                    {uint8_t(kernels::Activation::clamped_swiglu), "clamped_swiglu"},
                                    {uint8_t(kernels::Activation::relu_squared), "relu_squared", "relu2"},
                                    {uint8_t(kernels::Activation::capped_swiglu), "capped_swiglu"}};
};

// The entry for a value.
template <typename Enum>
constexpr const Word& word_of(Enum value) {
    for (const Word& word : WordsOf<Enum>::list)
        if (word.value == static_cast<uint8_t>(value)) return word;
    return WordsOf<Enum>::list[0];
}

}  // namespace gremium
