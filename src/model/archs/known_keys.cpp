#include "model/archs/known_keys.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace gremium::archs {

namespace {

using nlohmann::json;

struct KnownKey {
    std::string_view name;  // ending in "*": all that begin so
    // Nothing: no value of it changes a result. Else the values, JSON with | between them, that say what a model
    // without the key does; any other one does change results.
    std::string_view neutral = {};
};

// Behind "ARCHITECTURE." in GGUF.
constexpr KnownKey known_gguf_keys[] = {
    {"attention.layer_norm_epsilon"},  // beside that of RMSNorm, which is used
    {"attention.head_count"},          // mamba: 0
    {"attention.head_count_kv"},
    {"classifier.*"},
    {"context_length"},
    {"expert_count", "0"},
    {"expert_used_count", "0"},
    {"expert_shared_count"},  // beside their width together
    {"feed_forward_length"},
    {"rope.dimension_count"},
    {"rope.freq_base"},
    {"rope.dimension_sections"},  // of positions that are equal for text
    {"rope.scaling.finetuned"},
    {"tensor_data_layout"},
    {"vocab_size"},
    {"attention.causal", "true"},
    {"attention.clamp_kqv", "0"},
    {"attention.max_alibi_bias", "0"},
    {"attention.scale", "0"},
    {"attn_logit_softcapping", "0"},
    {"final_logit_softcapping", "0"},
    {"router_logit_softcapping", "0"},
    {"embedding_scale", "0|1"},
    {"residual_scale", "0|1"},
    {"logit_scale", "0|1"},
    {"expert_weights_scale", "0|1"},
    {"expert_gating_func", "0|1"},
    {"pooling_type", "0"},
    {"rope.scaling.alpha", "0|1"},
    {"rope.scaling.factor", "0|1"},
    {"rope.scale_linear", "0|1"},
    {"rope.scaling.yarn_ext_factor", "1|-1"},
    {"use_parallel_residual", "false"},
    {"swiglu_clamp_exp", "0"},
    {"swiglu_clamp_shexp", "0"},
};

// In GGUF whatever the architecture.
constexpr KnownKey gguf_general_keys[] = {
    {"tokenizer.chat_template*"},
    {"tokenizer.huggingface.json"},
    {"tokenizer.rwkv.world"},
    {"tokenizer.ggml.add_sep_token", "false"},
    {"tokenizer.ggml.add_space_prefix"},  // byte-level: no reader looks at it
    {"tokenizer.ggml.remove_extra_whitespaces"},
    {"tokenizer.ggml.token_type_count"},
    {"tokenizer.ggml.cls_token_id"},
    {"tokenizer.ggml.mask_token_id"},
    {"tokenizer.ggml.sep_token_id"},
    {"tokenizer.ggml.seperator_token_id"},
    {"tokenizer.ggml.separator_token_id"},
    {"tokenizer.ggml.eom_token_id"},
    {"tokenizer.ggml.eog_token_ids"},
    {"tokenizer.ggml.fim_*"},
    {"tokenizer.ggml.prefix_token_id"},
    {"tokenizer.ggml.suffix_token_id"},
    {"tokenizer.ggml.middle_token_id"},
    {"tokenizer.ggml.scores"},
    {"tokenizer.ggml.merges"},
    {"tokenizer.ggml.added_tokens"},
    {"general.sampling.xtc_probability", "0"},
    {"general.sampling.xtc_threshold"},
    {"general.sampling.mirostat", "0"},
    {"general.sampling.mirostat_tau"},
    {"general.sampling.mirostat_eta"},
};

// In config.json.
constexpr KnownKey known_hf_keys[] = {
    {"_*"},
    {"architectures"},
    {"model_type"},
    {"auto_map"},
    {"torch_dtype"},
    {"dtype"},
    {"transformers_version"},
    {"transformers.js_config"},
    {"unsloth_*"},
    {"attn_implementation"},
    {"use_cache"},
    {"use_mamba_kernels"},
    {"use_mambapy"},
    {"use_associative_scan"},
    {"fused_add_norm"},
    {"residual_in_fp32"},
    {"for_llm_compressor"},
    {"ep_size"},
    {"pretraining_tp"},
    // Tokens: the tokenizer's files say them.
    {"bos_token_id"},
    {"eos_token_id"},
    {"pad_token_id"},
    {"unk_token_id"},
    {"sep_token_id"},
    {"cls_token_id"},
    {"decoder_start_token_id"},
    {"forced_bos_token_id"},
    {"forced_eos_token_id"},
    {"tokenizer_class"},
    // Training.
    {"initializer_range"},
    {"initializer_factor"},
    {"init_std"},
    {"rescale_prenorm_residual"},
    {"time_step_init_scheme"},
    {"time_step_min"},
    {"time_step_max"},
    {"time_step_floor"},
    {"time_step_scale"},
    {"time_step_limit"},
    {"attention_dropout"},
    {"activation_dropout"},
    {"dropout"},
    {"dropout_rate"},
    {"classifier_dropout"},
    {"hidden_dropout"},
    {"resid_pdrop"},
    {"embd_pdrop"},
    {"embd_layer_norm_bias"},
    {"encoder_layerdrop"},
    {"decoder_layerdrop"},
    {"input_jitter_noise"},
    {"router_jitter_noise"},
    {"router_aux_loss_coef"},
    {"router_z_loss_coef"},
    {"output_router_logits"},
    {"add_router_probs"},
    {"aux_loss_alpha"},
    {"seq_aux"},
    {"moe_token_dropout"},
    {"router_dtype"},
    {"router_type"},
    {"router_ignore_padding_tokens"},
    {"feed_forward_proj"},
    {"output_past"},
    {"calc_logits_for_entire_prompt"},
    // Of generating: generation_config.json says it now.
    {"temperature"},
    {"top_k"},
    {"top_p"},
    {"do_sample"},
    {"repetition_penalty"},
    {"length_penalty"},
    {"diversity_penalty"},
    {"num_beams"},
    {"num_beam_groups"},
    {"num_return_sequences"},
    {"early_stopping"},
    {"max_length"},
    {"min_length"},
    {"no_repeat_ngram_size"},
    {"encoder_no_repeat_ngram_size"},
    {"bad_words_ids"},
    {"return_dict_in_generate"},
    {"output_scores"},
    {"remove_invalid_values"},
    {"typical_p"},
    {"suppress_tokens"},
    {"begin_suppress_tokens"},
    {"exponential_decay_length_penalty"},
    // What follows from others.
    {"attn_cfg"},
    {"d_inner"},
    {"initial_context_length"},
    {"n_layer"},
    {"pad_vocab_size_multiple"},
    {"ssm_cfg"},
    {"head_dim"},
    {"intermediate_size"},
    {"is_encoder_decoder"},
    {"is_decoder"},
    {"num_hidden_layers"},
    {"num_heads"},
    {"num_attention_heads"},
    {"num_key_value_heads"},
    {"num_sparse_encoder_layers"},
    {"num_sparse_decoder_layers"},
    {"num_logits_to_keep"},
    {"original_max_position_embeddings"},
    {"max_position_embeddings"},
    {"max_window_layers"},
    {"qk_head_dim"},
    {"rope_theta"},
    {"topk_method"},
    // Of other parts of a larger model.
    {"boi_token_index"},
    {"eoi_token_index"},
    {"image_token_index"},
    {"image_token_id"},
    {"vision_config"},
    // Of classes of transformers that do more than predict tokens.
    {"id2label"},
    {"label2id"},
    {"task_specific_params"},
    {"problem_type"},
    {"finetuning_task"},
    {"return_dict"},
    {"output_attentions"},
    {"output_hidden_states"},
    {"torchscript"},
    {"tf_legacy_loss"},
    {"use_bfloat16"},
    {"add_cross_attention"},
    {"cross_attention_hidden_size"},
    {"tie_encoder_decoder"},
    {"chunk_size_feed_forward"},
    {"pruned_heads"},
    {"prefix"},
    {"quantization_config.activation_scheme"},
    {"quantization_config.dequantize"},
    {"quantization_config.ignored_layers"},
    {"quantization_config.modules_to_not_convert"},
    {"quantization_config.scale_fmt"},
    {"quantization_config.fmt", "\"e4m3\"|\"float8_e4m3fn\""},
    {"rope_scaling.finetuned"},
    {"attention_bias", "false"},
    {"attn_logit_softcapping", "0"},
    {"final_logit_softcapping", "0"},
    {"clip_qkv", "null"},
    {"mlp_bias", "false"},
    {"use_bias", "false"},
    {"alibi", "false"},
    {"norm_topk_prob", "true"},
    {"embedding_multiplier", "1"},
    {"residual_multiplier", "1"},
    {"logits_scaling", "1"},
    {"logit_scale", "1"},
    {"parallel_attn", "false"},
    {"use_parallel_residual", "false"},
    {"swiglu_alpha", "1.702"},
    {"moe_layer_freq", "1"},
    {"moe_eval_capacity_length_independent", "false"},
    {"decoder_sparse_step", "1"},
    {"mamba_inner_layernorms", "true"},
    {"rms_norm", "true"},
    {"rope_parameters.mrope_section"},
    {"rope_parameters.mrope_interleaved"},
    {"rope_scaling.mrope_section"},
    {"rope_scaling.mrope_interleaved"},
    {"full_attention_interval"},  // beside layer_types
    {"mamba_expand"},             // beside the width of heads
    {"expand"},
    {"mamba_chunk_size"},
    {"chunk_size"},
    {"mamba_conv_bias", "true"},
    {"use_conv_bias", "true"},
    {"mamba_proj_bias", "false"},
    {"mamba_hidden_act", "\"silu\""},
    {"conv_dim"},
    {"conv_dim_out"},
    {"conv_use_xavier_init"},
    {"num_heads"},
    {"theta"},
    {"rescale_prenorm_residual"},
    {"router_bias", "false"},
    // MiniMax-M2.
    {"attn_type_list", "1"},
    {"layernorm_full_attention_beta", "1"},
    {"layernorm_linear_attention_beta", "1"},
    {"layernorm_mlp_beta", "1"},
    {"mlp_intermediate_size"},
    {"mtp_transformer_layers"},
    {"qk_norm_type", "\"per_layer\""},
    {"shared_intermediate_size", "0"},
    {"shared_moe_mode"},
    {"use_mtp"},
    // Ling and Hunyuan.
    {"embedding_dropout"},
    {"output_dropout"},
    {"mtp_loss_scaling_factor"},
    {"norm_head", "false"},
    {"norm_softmax", "false"},
    {"use_qkv_bias", "false"},
    {"use_rmsnorm", "true"},
    {"cla_share_factor"},
    {"moe_drop_tokens"},
    {"moe_layer_num_skipped", "0"},
    {"moe_random_routing_dropped_token"},
    {"norm_type", "\"rms\""},
    {"use_mixed_mlp_moe", "true"},
    {"use_rotary_pos_emb", "true"},
    // ERNIE 4.5.
    {"moe_capacity"},
    {"moe_norm_min"},
    {"moe_use_aux_free", "true"},
};

// In generation_config.json.
constexpr KnownKey generation_keys[] = {
    {"_*"},
    {"transformers_version"},
    {"bos_token_id"},
    {"eos_token_id"},
    {"pad_token_id"},
    {"decoder_start_token_id"},
    {"forced_bos_token_id"},
    {"cache_implementation"},
    {"max_length"},
    {"max_new_tokens"},
    {"min_length", "0"},
    {"num_beams", "1"},
    {"num_return_sequences", "1"},
    {"use_cache"},
    {"return_dict_in_generate"},
    {"output_attentions"},
    {"output_hidden_states"},
    {"output_scores"},
    {"trust_remote_code"},
    {"typical_p", "1"},
    {"epsilon_cutoff", "0"},
    {"eta_cutoff", "0"},
    {"diversity_penalty", "0"},
    {"length_penalty", "1"},
    {"no_repeat_ngram_size", "0"},
    {"renormalize_logits"},
};

const KnownKey* find_known(std::span<const KnownKey> known, std::string_view name) {
    const auto fits = [&](const KnownKey& key) {
        return key.name.ends_with('*') ? name.starts_with(key.name.substr(0, key.name.size() - 1)) : key.name == name;
    };
    const auto found = std::ranges::find_if(known, fits);
    return found == known.end() ? nullptr : &*found;
}

// True and 1 are the same, and so are false and 0; a list is neutral when all of it is.
bool is_neutral(const json& value, std::string_view neutral) {
    if (value.is_array())
        return std::ranges::all_of(value, [&](const json& element) { return is_neutral(element, neutral); });
    const json plain = value.is_boolean() ? json(value.get<bool>() ? 1 : 0) : value;
    for (size_t begin = 0; begin <= neutral.size();) {
        const size_t end = std::min(neutral.find('|', begin), neutral.size());
        const json one = json::parse(neutral.substr(begin, end - begin));
        const json other = one.is_boolean() ? json(one.get<bool>() ? 1 : 0) : one;
        const bool near = plain.is_number() && other.is_number() &&
                          std::abs(plain.get<double>() - other.get<double>()) < 1e-6 * std::abs(other.get<double>());
        if (plain == other || near) return true;
        begin = end + 1;
    }
    return false;
}

// Collects what is not known.
class Leftovers {
  public:
    explicit Leftovers(const std::string& source) : source_(source) {}

    // Of settings that keep no model from computing: they are named only.
    void name(std::span<const KnownKey> known, const std::string& name, const json& value) {
        const KnownKey* const key = find_known(known, name);
        if (!key || !(key->neutral.empty() || is_neutral(value, key->neutral))) names_.push_back(name);
    }

    // `shown` is the key as the file has it, `name` as the table does.
    void add(std::span<const KnownKey> known, std::string_view name, const std::string& shown, const json& value) {
        const KnownKey* const key = find_known(known, name);
        if (key && key->neutral.empty()) return;
        if (key && is_neutral(value, key->neutral)) return;
        if (key) {
            std::string neutral(key->neutral);
            for (size_t at; (at = neutral.find('|')) != std::string::npos;) neutral.replace(at, 1, " or ");
            fail("{}: {} is {}, which is not supported here (only {} is)", source_, shown, text(value), neutral);
        }
        names_.push_back(shown);
    }

    std::optional<std::string> warning() const {
        if (names_.empty()) return std::nullopt;
        return fmt::format("{}: {} {} not understood and not used; results may differ from what {}", source_,
                           fmt::join(names_, ", "), names_.size() == 1 ? "is" : "are",
                           names_.size() == 1 ? "it asks for" : "they ask for");
    }

  private:
    static std::string text(const json& value) {
        constexpr size_t longest = 60;
        const std::string all = value.dump(-1, ' ', false, json::error_handler_t::replace);
        return all.size() > longest ? all.substr(0, longest) + "…" : all;
    }

    const std::string& source_;
    std::vector<std::string> names_;
};

json as_json(const MetaValue& value) {
    return std::visit(
        [](const auto& v) -> json {
            if constexpr (std::is_same_v<std::decay_t<decltype(v)>, MetaArray>)
                return std::visit(
                    [](const auto& elements) -> json {
                        if constexpr (std::is_same_v<std::decay_t<decltype(elements)>, std::monostate>)
                            return json::array();
                        else
                            return json(elements);
                    },
                    v);
            else
                return json(v);
        },
        value);
}

}  // namespace

std::optional<std::string> warning_of_unread(const HfConfig& config) {
    constexpr std::string_view text_model = "text_config.";
    Leftovers left(config.source());
    for (const HfConfig::Unread& unread : config.unread()) {
        std::string_view name = unread.key;
        if (name.starts_with(text_model)) name.remove_prefix(text_model.size());
        left.add(known_hf_keys, name, unread.key, unread.value);
    }
    return left.warning();
}

std::optional<std::string> warning_of_unread(const Metadata& metadata, bool with_tokenizer) {
    Leftovers left(metadata.source());
    const std::string own = metadata.require<std::string>("general.architecture") + ".";
    const auto context = metadata.get<int64_t>(own + "context_length", 0);
    for (const Metadata::Entry& entry : metadata.unread(own)) {
        const json value = as_json(entry.value);
        // A window as long as the context is none.
        if (entry.key == own + "attention.sliding_window" && value.is_number() && (value == 0 || value >= context))
            continue;
        left.add(known_gguf_keys, std::string_view(entry.key).substr(own.size()), entry.key, value);
    }
    for (const std::string_view beginning : {"tokenizer.", "general.sampling."})
        for (const Metadata::Entry& entry : metadata.unread(beginning))
            if (with_tokenizer || beginning != "tokenizer.")
                left.name(gguf_general_keys, entry.key, as_json(entry.value));
    return left.warning();
}

std::optional<std::string> warning_of_unread_generation(const HfConfig& config) {
    Leftovers left(config.source());
    for (const HfConfig::Unread& unread : config.unread()) left.name(generation_keys, unread.key, unread.value);
    return left.warning();
}

}  // namespace gremium::archs
