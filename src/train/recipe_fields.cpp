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
// The types in which training computes.
template <>
struct WordsOf<DType> {
    static constexpr Word list[] = {{uint8_t(DType::bf16), "bf16"}, {uint8_t(DType::f32), "f32"}};
};

namespace train {
namespace {

constexpr RecipeField<Outline> model_fields[] = {
    {"architecture", FIELD_AT(model.architecture),
     "the architecture in whose Hugging Face layout checkpoints are written"},
    {"name", FIELD_AT(model.name), "the model's name"},
    {"dim", FIELD_AT(model.dim), "width of the residual stream"},
    {"layers", FIELD_AT(layers), "number of layers"},
    {"context", FIELD_AT(model.context), "the longest sequence, in tokens"},
    {"heads", FIELD_AT(attention.heads), "attention heads"},
    {"kv_heads", FIELD_AT(attention.kv_heads), "key/value heads, which the attention heads share"},
    {"head_dim", FIELD_AT(attention.head_dim), "width of a head's keys; 0: dim / heads"},
    {"rope", FIELD_AT(attention.rope.enabled), "rotary positions"},
    {"rope_base", FIELD_AT(attention.rope.base), "base of the rotary frequencies"},
    {"norm_eps", FIELD_AT(model.norm.eps), "epsilon of norms"},
    {"qk_norm", FIELD_AT(attention.qk_norm),
     "norm of queries and keys: per head, over the whole vector, or per head after rotation"},
    {"qkv_bias", FIELD_AT(attention.qkv_bias), "biases of queries, keys and values"},
    {"tied_head", FIELD_AT(model.tied_head), "the head is the embedding table"},
    {"attention_period", FIELD_AT(attention_layers.period),
     "layers l with l % attention_period = attention_offset have attention, others a state space mixer; 0: none has "
     "attention"},
    {"attention_offset", FIELD_AT(attention_layers.offset), "see attention_period"},
    {"expert_period", FIELD_AT(mixture_layers.period),
     "layers l with l % expert_period = expert_offset, from dense_layers on, are mixtures"},
    {"expert_offset", FIELD_AT(mixture_layers.offset), "see expert_period"},
    {"ssm_inner", FIELD_AT(ssm.inner), "channels of a state space; 0: 2 dim"},
    {"ssm_state", FIELD_AT(ssm.state), "state size per channel"},
    {"ssm_conv", FIELD_AT(ssm.conv), "taps of the convolution"},
    {"ssm_dt_rank", FIELD_AT(ssm.dt_rank), "rank of the projection of step sizes; 0: dim / 16"},
    {"ssm_norms", FIELD_AT(ssm.inner_norms), "norms of step sizes, B and C (Jamba)"},
    {"experts", FIELD_AT(moe.router.experts), "experts of a mixture; 0: a dense model"},
    {"top_k", FIELD_AT(moe.router.top_k), "experts per token"},
    {"expert_hidden", FIELD_AT(moe.hidden), "hidden width of one expert"},
    {"shared_hidden", FIELD_AT(moe.shared_hidden), "hidden width of the shared experts together; 0: none"},
    {"shared_gate", FIELD_AT(moe.shared_gate), "a gate for the shared experts (Qwen)"},
    {"dense_layers", FIELD_AT(mixture_layers.first), "the number of leading layers that are dense"},
    {"dense_hidden", FIELD_AT(dense.hidden),
     "hidden width of dense feed-forwards; 0: layers that are not mixtures have no feed-forward (Mamba)"},
    {"score", FIELD_AT(moe.router.score), "how the router's logits become scores"},
    {"normalise", FIELD_AT(moe.router.normalise), "routing weights of a token's experts sum to 1"},
    {"correction_bias", FIELD_AT(moe.router.correction_bias),
     "selection by score + bias, without a balance loss (DeepSeek-V3)"},
    {"capacity_factor", FIELD_AT(moe.router.capacity_factor),
     "in training, an expert accepts at most this times its even share of tokens; the rest is dropped; 0: no limit"},
    {"second_expert", FIELD_AT(moe.router.second),
     "the second of two experts: the second best; the second best with twice its weight as probability; or drawn by "
     "score"},
    {"scale", FIELD_AT(moe.router.scale), "factor of the routing weights"},
    // Keys added later: absent in the checkpoints of earlier runs.
    {"dense_also", FIELD_AT(mixture_layers.except), "further layers that are not mixtures"},
    {"norm", FIELD_AT(model.norm.kind), "RMSNorm or LayerNorm"},
    {"norm_bias", FIELD_AT(model.norm.bias), "biases of norms"},
    {"head_bias", FIELD_AT(model.head_bias), "a bias of the logits"},
    {"embedding_scale", FIELD_AT(model.embedding_scale), "factor of embeddings (Granite)"},
    {"residual_scale", FIELD_AT(model.residual_scale),
     "factor of what each part of a block adds to the residual stream (Granite)"},
    {"logit_divisor", FIELD_AT(model.logit_divisor), "divisor of logits (Granite)"},
    {"value_dim", FIELD_AT(attention.value_dim), "width of a head's values; 0: head_dim"},
    {"out_bias", FIELD_AT(attention.out_bias), "a bias of attention's output"},
    {"sinks", FIELD_AT(attention.sinks), "one score per head takes part in the softmax without a value (gpt-oss)"},
    {"window", FIELD_AT(attention.window), "sliding window: the number of positions that attention sees; 0: all"},
    {"chunk", FIELD_AT(attention.chunk),
     "attention sees positions back to the last multiple of this (Llama 4); 0: to the beginning"},
    {"full_attention_period", FIELD_AT(whole_period),
     "every n-th layer sees the whole context, without window and chunk; 0: none"},
    {"full_attention_rope", FIELD_AT(whole_rotated), "those layers have rotary positions"},
    {"attention_scale", FIELD_AT(attention.scale), "factor of attention's scores; 0: 1/√head_dim"},
    {"temperature", FIELD_AT(attention.temperature),
     "queries are multiplied by 1 + temperature · ln(1 + ⌊(position + 1) / temperature_stretch⌋), in layers without "
     "rotary positions if there are any"},
    {"temperature_stretch", FIELD_AT(attention.temperature_stretch), "see temperature"},
    {"latent_rank", FIELD_AT(attention.latent.rank),
     "rank of the latent vector of keys and values (DeepSeek); 0: they are projected from the input"},
    {"latent_query_rank", FIELD_AT(attention.latent.query_rank),
     "rank of the latent vector of queries; 0: they are projected from the input"},
    {"rope_dims", FIELD_AT(attention.rope.dims), "rotated dimensions of a head; 0: all"},
    {"rope_linear_factor", FIELD_AT(attention.rope.linear_factor), "positions are divided by this"},
    {"rope_divisors", FIELD_AT(attention.rope.divisors), "one divisor per rotary frequency"},
    {"rope_long_divisors", FIELD_AT(attention.rope.long_divisors),
     "rope_divisors for contexts beyond original_context (longrope)"},
    {"rope_magnitude", FIELD_AT(attention.rope.magnitude), "factor of the rotary cosines and sines"},
    {"original_context", FIELD_AT(attention.rope.original_context), "context before YaRN or longrope"},
    {"yarn_factor", FIELD_AT(attention.rope.yarn.factor), "how much YaRN lengthens the context; 1: no YaRN"},
    {"yarn_beta_fast", FIELD_AT(attention.rope.yarn.beta_fast),
     "frequencies with more turns than this in the original context are kept"},
    {"yarn_beta_slow", FIELD_AT(attention.rope.yarn.beta_slow), "frequencies with fewer turns than this are divided"},
    {"yarn_truncate", FIELD_AT(attention.rope.yarn.truncate),
     "the blend between them begins and ends at whole dimensions"},
    {"yarn_log_multiplier", FIELD_AT(attention.rope.yarn.log_multiplier),
     "scores are multiplied by (1 + this · ln yarn_factor)² (DeepSeek)"},
    {"dense_activation", FIELD_AT(dense.activation.kind), "activation of dense feed-forwards"},
    {"dense_gated", FIELD_AT(dense.gated), "dense feed-forwards have a gate"},
    {"dense_bias", FIELD_AT(dense.bias), "dense feed-forwards have biases"},
    {"expert_activation", FIELD_AT(moe.activation.kind), "activation of experts"},
    {"expert_limit", FIELD_AT(moe.activation.limit), "limit of the clamped SwiGLU"},
    {"expert_alpha", FIELD_AT(moe.activation.alpha), "alpha of the clamped SwiGLU"},
    {"expert_gated", FIELD_AT(moe.gated), "experts have a gate"},
    {"expert_bias", FIELD_AT(moe.bias), "experts have biases"},
    {"router_bias", FIELD_AT(moe.router_bias), "a bias of the router's logits"},
    {"sparse_epsilon", FIELD_AT(moe.router.sparse_epsilon),
     "SparseMixer: how near the best logit an expert must be to compete"},
    {"weight_on_input", FIELD_AT(moe.router.weight_on_input),
     "the routing weight multiplies the expert's input, not its output (Llama 4)"},
    {"groups", FIELD_AT(moe.router.groups), "equal groups of neighbouring experts (DeepSeek)"},
    {"groups_used", FIELD_AT(moe.router.groups_used), "groups from which a token's experts are chosen"},
    {"group_score", FIELD_AT(moe.router.group_score),
     "the score of a group: that of its best expert, or the sum of its two best"},
    {"capacity", FIELD_AT(moe.router.capacity),
     "the most tokens that an expert accepts; the rest is dropped; 0: no limit"},
    {"normalise_dropped", FIELD_AT(moe.router.normalise_dropped),
     "dropped choices count in the sum of routing weights"},
    {"attention_gate", FIELD_AT(attention.gate.kind),
     "what multiplies the heads' results: a function of a product of the layer's input; none: nothing"},
    {"attention_gate_per_head", FIELD_AT(attention.gate.per_head), "one gate a head instead of one an element"},
    {"attention_gate_beside_queries", FIELD_AT(attention.gate.beside_queries),
     "its rows are in the queries' matrix, each head's behind its queries (Qwen3-Next)"},
};

constexpr RecipeField<TokenizerConfig> tokenizer_fields[] = {
    {"path", FIELD_AT(path), "tokenizer.model, a GGUF file or a Hugging Face directory; empty: one is trained"},
    {"vocab_size", FIELD_AT(vocab_size),
     "size of the vocabulary that is trained; smaller if the texts have fewer tokens"},
    {"sample_bytes", FIELD_AT(sample_bytes), "bytes of text to train it on, from all domains together"},
};

constexpr RecipeField<DomainConfig> domain_fields[] = {
    {"name", FIELD_AT(name), "the domain's name, a word"},
    {"files", FIELD_AT(files),
     "training texts: paths or patterns such as *.txt or **/*.txt; a document ends with a NUL byte or its file"},
    {"heldout_files", FIELD_AT(heldout_files), "held-out texts, used only for evaluation"},
    {"heldout_share", FIELD_AT(heldout_share),
     "instead of heldout_files: share of the documents, chosen by a hash of their content; of few documents, the end"},
    {"tokens", FIELD_AT(tokens), "a prepared token file, instead of files"},
    {"heldout_tokens", FIELD_AT(heldout_tokens), "a prepared token file of held-out text"},
    {"weight", FIELD_AT(weight), "share of the sequences, relative to the other domains"},
};

constexpr RecipeField<TrainingConfig> training_fields[] = {
    {"steps", FIELD_AT(steps), "training steps; or set tokens", WhenResumed::replanned},
    {"tokens", FIELD_AT(tokens), "training tokens; or set steps", WhenResumed::replanned},
    {"sequence", FIELD_AT(sequence), "sequence length in tokens"},
    {"batch_tokens", FIELD_AT(batch_tokens), "tokens per step"},
    {"micro_batch", FIELD_AT(micro_batch), "sequences that are computed together"},
    {"lr", FIELD_AT(lr), "the highest learning rate, after the warm-up", WhenResumed::replanned},
    {"min_lr", FIELD_AT(min_lr), "the learning rate at the last step", WhenResumed::replanned},
    {"schedule", FIELD_AT(schedule), "learning-rate schedule: cosine, or constant with a linear decay at the end (wsd)",
     WhenResumed::replanned},
    {"warmup", FIELD_AT(warmup), "warm-up steps, in which the learning rate rises", WhenResumed::replanned},
    {"decay_share", FIELD_AT(decay_share), "share of the steps in which the learning rate falls (wsd)",
     WhenResumed::replanned},
    {"beta1", FIELD_AT(beta1), "AdamW's decay rate of the first moment"},
    {"beta2", FIELD_AT(beta2), "AdamW's decay rate of the second moment"},
    {"eps", FIELD_AT(eps), "AdamW's epsilon"},
    {"weight_decay", FIELD_AT(weight_decay), "AdamW's weight decay of matrices"},
    {"clip", FIELD_AT(clip), "clip gradients to this norm; 0: no clipping"},
    {"compute", FIELD_AT(compute), "type of matrix products"},
    {"balance_coef", FIELD_AT(balance_coef), "factor of the balance loss"},
    {"z_coef", FIELD_AT(z_coef), "factor of the z-loss of router logits"},
    {"bias_rate", FIELD_AT(bias_rate), "step size of the correction biases"},
    {"recompute", FIELD_AT(recompute),
     "recompute activations in the backward pass (auto: if they do not fit into memory)", WhenResumed::free},
    {"activation_memory", FIELD_AT(activation_memory),
     "MiB of activations above which auto recomputes; 0: most of the free memory", WhenResumed::free},
    {"seed", FIELD_AT(seed), "seed of initial weights, order of texts and noise"},
    {"threads", FIELD_AT(threads), "number of threads; 0: all cores", WhenResumed::free},
    {"eval_every", FIELD_AT(eval_every), "steps between evaluations; 0: only at the end", WhenResumed::free},
    {"eval_tokens", FIELD_AT(eval_tokens), "held-out tokens per domain; 0: all", WhenResumed::free},
    {"checkpoint_every", FIELD_AT(checkpoint_every), "steps between checkpoints; 0: only at the end",
     WhenResumed::free},
    {"keep", FIELD_AT(keep), "number of checkpoints to keep", WhenResumed::free},
    {"log_every", FIELD_AT(log_every), "steps between entries in metrics.jsonl", WhenResumed::free},
    {"load_window", FIELD_AT(load_window), "steps over which the loads of experts are summed and checked for balance",
     WhenResumed::free},
};

constexpr RecipeField<OutputConfig> output_fields[] = {
    {"dir", FIELD_AT(dir), "output directory for checkpoints, metrics and the report"},
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

// The shortest decimal number that reads back as the same value.
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
