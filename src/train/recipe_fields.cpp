#include "train/recipe_fields.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/convert_number.h"

namespace gremium {

template <>
struct WordsOf<train::ScheduleKind> {
    static constexpr Word list[] = {{uint8_t(train::ScheduleKind::cosine), "cosine"},
                                    {uint8_t(train::ScheduleKind::wsd), "wsd"}};
};
template <>
struct WordsOf<train::Recompute> {
    static constexpr Word list[] = {{uint8_t(train::Recompute::automatic), "auto"},
                                    {uint8_t(train::Recompute::always), "always"},
                                    {uint8_t(train::Recompute::never), "never"}};
};
// Those that training computes in.
template <>
struct WordsOf<DType> {
    static constexpr Word list[] = {{uint8_t(DType::bf16), "bf16"}, {uint8_t(DType::f32), "f32"}};
};

namespace train {
namespace {

constexpr RecipeField<Outline> model_fields[] = {
    {"architecture", FIELD_AT(model.architecture), "whose Hugging Face layout checkpoints have"},
    {"name", FIELD_AT(model.name), "of the model"},
    {"dim", FIELD_AT(model.dim), "width of the residual stream"},
    {"layers", FIELD_AT(layers), "number of layers"},
    {"context", FIELD_AT(model.context), "the longest sequence, tokens"},
    {"heads", FIELD_AT(attention.heads), "attention heads"},
    {"kv_heads", FIELD_AT(attention.kv_heads), "heads of keys and values, which the others share"},
    {"head_dim", FIELD_AT(attention.head_dim), "width of a head's keys; 0: dim / heads"},
    {"rope", FIELD_AT(attention.rope.enabled), "rotary positions"},
    {"rope_base", FIELD_AT(attention.rope.base), "base of the rotary frequencies"},
    {"norm_eps", FIELD_AT(model.norm.eps), "epsilon of norms"},
    {"qk_norm", FIELD_AT(attention.qk_norm),
     "norm of queries and keys: per head, over all, or of each head when rotated"},
    {"qkv_bias", FIELD_AT(attention.qkv_bias), "biases of queries, keys and values"},
    {"tied_head", FIELD_AT(model.tied_head), "the head is the embedding table"},
    {"attention_period", FIELD_AT(attention_layers.period),
     "layers l with l % attention_period = attention_offset have attention, others a state space; 0: none has"},
    {"attention_offset", FIELD_AT(attention_layers.offset), "see attention_period"},
    {"expert_period", FIELD_AT(mixture_layers.period),
     "layers l with l % expert_period = expert_offset, from dense_layers on, are mixtures"},
    {"expert_offset", FIELD_AT(mixture_layers.offset), "see expert_period"},
    {"ssm_inner", FIELD_AT(ssm.inner), "channels of a state space; 0: 2 dim"},
    {"ssm_state", FIELD_AT(ssm.state), "numbers of state a channel"},
    {"ssm_conv", FIELD_AT(ssm.conv), "positions that the convolution sees"},
    {"ssm_dt_rank", FIELD_AT(ssm.dt_rank), "numbers a token that step sizes are made of; 0: dim / 16"},
    {"ssm_norms", FIELD_AT(ssm.inner_norms), "norms of step sizes, B and C (Jamba)"},
    {"experts", FIELD_AT(moe.router.experts), "experts of a mixture; 0: a dense model"},
    {"top_k", FIELD_AT(moe.router.top_k), "experts that a token uses"},
    {"expert_hidden", FIELD_AT(moe.hidden), "width of an expert"},
    {"shared_hidden", FIELD_AT(moe.shared_hidden), "width of the shared experts together; 0: none"},
    {"shared_gate", FIELD_AT(moe.shared_gate), "a gate for the shared experts (Qwen)"},
    {"dense_layers", FIELD_AT(mixture_layers.first), "so many leading layers are dense"},
    {"dense_hidden", FIELD_AT(dense.hidden),
     "width of a dense feed-forward; 0: layers that are no mixture have none (Mamba)"},
    {"score", FIELD_AT(moe.router.score), "how the router's logits become scores"},
    {"normalise", FIELD_AT(moe.router.normalise), "weights of the selected experts sum to 1"},
    {"correction_bias", FIELD_AT(moe.router.correction_bias),
     "selection by score + bias, without a balance loss (DeepSeek-V3)"},
    {"capacity_factor", FIELD_AT(moe.router.capacity_factor),
     "when training an expert takes this times its even share, the rest is dropped; 0: all"},
    {"second_expert", FIELD_AT(moe.router.second),
     "the second of two experts: the second best, that with twice its weight as probability, or drawn by score"},
    {"scale", FIELD_AT(moe.router.scale), "factor of the weights"},
    // What came later: absent in the checkpoints of earlier runs.
    {"dense_also", FIELD_AT(mixture_layers.except), "further layers that are no mixtures"},
    {"norm", FIELD_AT(model.norm.kind), "RMSNorm or LayerNorm"},
    {"norm_bias", FIELD_AT(model.norm.bias), "biases of norms"},
    {"head_bias", FIELD_AT(model.head_bias), "a bias of the logits"},
    {"embedding_scale", FIELD_AT(model.embedding_scale), "factor of embeddings (Granite)"},
    {"residual_scale", FIELD_AT(model.residual_scale), "factor of what each part of a block adds (Granite)"},
    {"logit_divisor", FIELD_AT(model.logit_divisor), "divisor of logits (Granite)"},
    {"value_dim", FIELD_AT(attention.value_dim), "width of a head's values; 0: head_dim"},
    {"out_bias", FIELD_AT(attention.out_bias), "a bias of attention's output"},
    {"sinks", FIELD_AT(attention.sinks), "a score a head that takes part in the softmax without a value (gpt-oss)"},
    {"window", FIELD_AT(attention.window), "positions that attention looks back; 0: all"},
    {"chunk", FIELD_AT(attention.chunk),
     "attention looks back to the last multiple of this (Llama 4); 0: to the beginning"},
    {"full_attention_period", FIELD_AT(whole_period),
     "every so many-th layer sees all, without window and chunk; 0: none"},
    {"full_attention_rope", FIELD_AT(whole_rotated), "those layers have rotary positions"},
    {"attention_scale", FIELD_AT(attention.scale), "factor of attention's scores; 0: 1/√head_dim"},
    {"temperature", FIELD_AT(attention.temperature),
     "queries times 1 + temperature · ln(1 + ⌊(position + 1) / temperature_stretch⌋), in layers without rotary "
     "positions if "
     "there are some"},
    {"temperature_stretch", FIELD_AT(attention.temperature_stretch), "see temperature"},
    {"latent_rank", FIELD_AT(attention.latent.rank),
     "keys and values are made of so many numbers (DeepSeek); 0: of the input"},
    {"latent_query_rank", FIELD_AT(attention.latent.query_rank),
     "queries are made of so many numbers; 0: of the input"},
    {"rope_dims", FIELD_AT(attention.rope.dims), "rotated dimensions of a head; 0: all"},
    {"rope_linear_factor", FIELD_AT(attention.rope.linear_factor), "positions are divided by this"},
    {"rope_divisors", FIELD_AT(attention.rope.divisors), "a divisor for each rotary frequency"},
    {"rope_long_divisors", FIELD_AT(attention.rope.long_divisors), "others beyond original_context (longrope)"},
    {"rope_magnitude", FIELD_AT(attention.rope.magnitude), "factor of cosines and sines"},
    {"original_context", FIELD_AT(attention.rope.original_context), "context before YaRN or longrope"},
    {"yarn_factor", FIELD_AT(attention.rope.yarn.factor), "how much YaRN lengthens the context; 1: no YaRN"},
    {"yarn_beta_fast", FIELD_AT(attention.rope.yarn.beta_fast),
     "turns in the original context from which on frequencies stay"},
    {"yarn_beta_slow", FIELD_AT(attention.rope.yarn.beta_slow), "turns up to which frequencies are divided"},
    {"yarn_truncate", FIELD_AT(attention.rope.yarn.truncate), "the blend between begins and ends at whole dimensions"},
    {"yarn_log_multiplier", FIELD_AT(attention.rope.yarn.log_multiplier),
     "scores times (1 + this · ln yarn_factor)² (DeepSeek)"},
    {"dense_activation", FIELD_AT(dense.activation.kind), "of dense feed-forwards"},
    {"dense_gated", FIELD_AT(dense.gated), "dense feed-forwards have a gate"},
    {"dense_bias", FIELD_AT(dense.bias), "dense feed-forwards have biases"},
    {"expert_activation", FIELD_AT(moe.activation.kind), "of experts"},
    {"expert_limit", FIELD_AT(moe.activation.limit), "of the clamped SwiGLU"},
    {"expert_alpha", FIELD_AT(moe.activation.alpha), "of the clamped SwiGLU"},
    {"expert_gated", FIELD_AT(moe.gated), "experts have a gate"},
    {"expert_bias", FIELD_AT(moe.bias), "experts have biases"},
    {"router_bias", FIELD_AT(moe.router_bias), "a bias of the router's logits"},
    {"sparse_epsilon", FIELD_AT(moe.router.sparse_epsilon), "of SparseMixer: how near the best other experts compete"},
    {"weight_on_input", FIELD_AT(moe.router.weight_on_input), "an expert's weight is a factor of its input (Llama 4)"},
    {"groups", FIELD_AT(moe.router.groups), "equal groups of neighbouring experts (DeepSeek)"},
    {"groups_used", FIELD_AT(moe.router.groups_used), "groups that a token's experts are in"},
    {"group_score", FIELD_AT(moe.router.group_score),
     "a group is as good as its best expert, or its two best together"},
    {"capacity", FIELD_AT(moe.router.capacity), "tokens that an expert takes, the rest is dropped; 0: all"},
    {"normalise_dropped", FIELD_AT(moe.router.normalise_dropped), "dropped experts count in the sum of weights"},
};

constexpr RecipeField<TokenizerConfig> tokenizer_fields[] = {
    {"path", FIELD_AT(path), "tokenizer.model, a GGUF file or a Hugging Face directory; empty: one is trained"},
    {"vocab_size", FIELD_AT(vocab_size), "tokens of the one that is trained; fewer if the texts have not so many"},
    {"sample_bytes", FIELD_AT(sample_bytes), "text it is trained on, all domains together"},
};

constexpr RecipeField<DomainConfig> domain_fields[] = {
    {"name", FIELD_AT(name), "of the domain, a word"},
    {"files", FIELD_AT(files),
     "texts: paths or patterns such as *.txt or **/*.txt; documents end with NUL bytes and files"},
    {"heldout_files", FIELD_AT(heldout_files), "texts that are not trained on but evaluated"},
    {"heldout_share", FIELD_AT(heldout_share),
     "or this share of the documents, chosen by their content, or of few documents the end"},
    {"tokens", FIELD_AT(tokens), "a ready token file instead of texts"},
    {"heldout_tokens", FIELD_AT(heldout_tokens), "the same of what is held out"},
    {"weight", FIELD_AT(weight), "share of the sequences, relative to the other domains"},
};

constexpr RecipeField<TrainingConfig> training_fields[] = {
    {"steps", FIELD_AT(steps), "updates; or else:", WhenResumed::replanned},
    {"tokens", FIELD_AT(tokens), "tokens to train on", WhenResumed::replanned},
    {"sequence", FIELD_AT(sequence), "tokens of a sequence"},
    {"batch_tokens", FIELD_AT(batch_tokens), "tokens of a step"},
    {"micro_batch", FIELD_AT(micro_batch), "sequences computed together"},
    {"lr", FIELD_AT(lr), "the highest learning rate", WhenResumed::replanned},
    {"min_lr", FIELD_AT(min_lr), "the last learning rate", WhenResumed::replanned},
    {"schedule", FIELD_AT(schedule), "how the rate falls: a cosine, or a line in the last steps (wsd)",
     WhenResumed::replanned},
    {"warmup", FIELD_AT(warmup), "steps in which the rate rises", WhenResumed::replanned},
    {"decay_share", FIELD_AT(decay_share), "share of the steps in which it falls (wsd)", WhenResumed::replanned},
    {"beta1", FIELD_AT(beta1), "of AdamW"},
    {"beta2", FIELD_AT(beta2), "of AdamW"},
    {"eps", FIELD_AT(eps), "of AdamW"},
    {"weight_decay", FIELD_AT(weight_decay), "of matrices"},
    {"clip", FIELD_AT(clip), "the largest norm of the gradient; 0: any"},
    {"compute", FIELD_AT(compute), "type of the products"},
    {"balance_coef", FIELD_AT(balance_coef), "factor of the balance loss"},
    {"z_coef", FIELD_AT(z_coef), "factor of the z-loss of router logits"},
    {"bias_rate", FIELD_AT(bias_rate), "step of the correction biases"},
    {"recompute", FIELD_AT(recompute), "activations are computed again in the backward pass (auto: if memory is short)",
     WhenResumed::free},
    {"activation_memory", FIELD_AT(activation_memory), "MiB that activations may take before; 0: most of what is free",
     WhenResumed::free},
    {"seed", FIELD_AT(seed), "of weights, order and noise"},
    {"threads", FIELD_AT(threads), "0: all cores", WhenResumed::free},
    {"eval_every", FIELD_AT(eval_every), "steps between evaluations; 0: only at the end", WhenResumed::free},
    {"eval_tokens", FIELD_AT(eval_tokens), "held-out tokens a domain; 0: all", WhenResumed::free},
    {"checkpoint_every", FIELD_AT(checkpoint_every), "steps between checkpoints; 0: only at the end",
     WhenResumed::free},
    {"keep", FIELD_AT(keep), "checkpoints that are kept", WhenResumed::free},
    {"log_every", FIELD_AT(log_every), "steps between lines of the log", WhenResumed::free},
    {"load_window", FIELD_AT(load_window), "steps over which experts' loads are summed and judged", WhenResumed::free},
};

constexpr RecipeField<OutputConfig> output_fields[] = {
    {"dir", FIELD_AT(dir), "where checkpoints, the log and the report go"},
};

bool read_number(int64_t value, int& into) {
    const auto fitting = convert_number<int32_t>(value);
    if (fitting) into = *fitting;
    return fitting.has_value();
}

template <typename Number>
bool read_list(const nlohmann::json& json, std::vector<Number>& values) {
    values.clear();
    if (!json.is_array()) return false;
    for (const nlohmann::json& item : json)
        if (!read_value(ref_to(values.emplace_back()), item)) return false;
    return true;
}

bool read_texts(const nlohmann::json& json, std::vector<std::string>& texts) {
    return json.is_string() ? read_list(nlohmann::json::array({json}), texts) : read_list(json, texts);
}

// The shortest decimal that reads back.
nlohmann::json decimal(float value) { return std::strtod(fmt::format("{}", value).c_str(), nullptr); }

struct Expected {
    std::string operator()(const bool*) const { return "true or false"; }
    std::string operator()(const int*) const { return "an integer"; }
    std::string operator()(const int64_t*) const { return "an integer"; }
    std::string operator()(const float*) const { return "a number"; }
    std::string operator()(const double*) const { return "a number"; }
    std::string operator()(const std::string*) const { return "a string"; }
    std::string operator()(const std::vector<std::string>*) const { return "a string or a list of strings"; }
    std::string operator()(const std::vector<int>*) const { return "a list of integers"; }
    std::string operator()(const std::vector<float>*) const { return "a list of numbers"; }
    std::string operator()(const Choice& choice) const {
        std::string text = "one of";
        for (const Word& word : choice.words) text += fmt::format(" \"{}\"", word.name);
        return text;
    }
};

struct ReadValue {
    const nlohmann::json& json;
    bool operator()(bool* value) const {
        if (json.is_boolean()) *value = json.get<bool>();
        return json.is_boolean();
    }
    bool operator()(int* value) const { return json.is_number_integer() && read_number(json.get<int64_t>(), *value); }
    bool operator()(int64_t* value) const {
        if (json.is_number_integer()) *value = json.get<int64_t>();
        return json.is_number_integer();
    }
    bool operator()(float* value) const {
        if (json.is_number()) *value = json.get<float>();
        return json.is_number();
    }
    bool operator()(double* value) const {
        if (json.is_number()) *value = json.get<double>();
        return json.is_number();
    }
    bool operator()(std::string* value) const {
        if (json.is_string()) *value = json.get<std::string>();
        return json.is_string();
    }
    bool operator()(std::vector<std::string>* value) const { return read_texts(json, *value); }
    bool operator()(std::vector<int>* value) const { return read_list(json, *value); }
    bool operator()(std::vector<float>* value) const { return read_list(json, *value); }
    bool operator()(const Choice& choice) const {
        if (!json.is_string()) return false;
        for (const Word& word : choice.words)
            if (word.name == json.get_ref<const std::string&>()) return *choice.value = word.value, true;
        return false;
    }
};

struct WriteValue {
    template <typename T>
    nlohmann::json operator()(T* value) const {
        return *value;
    }
    nlohmann::json operator()(float* value) const { return decimal(*value); }
    nlohmann::json operator()(std::vector<float>* values) const {
        nlohmann::json list = nlohmann::json::array();
        for (const float value : *values) list.push_back(decimal(value));
        return list;
    }
    nlohmann::json operator()(const Choice& choice) const {
        for (const Word& word : choice.words)
            if (word.value == *choice.value) return word.name;
        return nullptr;
    }
};

template <typename Record>
void add_reference(std::vector<RecipeKey>& keys, const char* section, Record defaults) {
    for (const RecipeField<Record>& field : recipe_fields<Record>()) {
        const ValueRef value = field.member(defaults);
        keys.push_back(
            {section, std::string(field.name), expected_of(value), write_value(value).dump(), std::string(field.help)});
    }
}

}  // namespace

template <>
std::span<const RecipeField<Outline>> recipe_fields() {
    return model_fields;
}
template <>
std::span<const RecipeField<TokenizerConfig>> recipe_fields() {
    return tokenizer_fields;
}
template <>
std::span<const RecipeField<DomainConfig>> recipe_fields() {
    return domain_fields;
}
template <>
std::span<const RecipeField<TrainingConfig>> recipe_fields() {
    return training_fields;
}
template <>
std::span<const RecipeField<OutputConfig>> recipe_fields() {
    return output_fields;
}

bool read_value(const ValueRef& value, const nlohmann::json& json) { return std::visit(ReadValue{json}, value); }
nlohmann::json write_value(const ValueRef& value) { return std::visit(WriteValue{}, value); }
std::string expected_of(const ValueRef& value) { return std::visit(Expected{}, value); }

std::vector<RecipeKey> recipe_reference() {
    std::vector<RecipeKey> keys;
    add_reference(keys, "model", default_model());
    add_reference(keys, "tokenizer", TokenizerConfig{});
    add_reference(keys, "data", DomainConfig{});
    add_reference(keys, "train", TrainingConfig{});
    add_reference(keys, "output", OutputConfig{});
    return keys;
}

}  // namespace train
}  // namespace gremium
