// What a recipe's values must satisfy together, and the architecture record they describe.
#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "model/archs/architecture.h"
#include "model/spec/validate.h"
#include "train/config.h"

namespace gremium::train {
namespace {

void check_domains(const TrainConfig& config, const std::string& source) {
    if (config.data.empty()) fail("{}: no [[data]]: at least one domain expected", source);
    std::set<std::string> names;
    for (const DomainConfig& domain : config.data) {
        const std::string& name = domain.name;
        if (name.empty() || name.find_first_of("/.\\\n\"") != std::string::npos) {
            fail("{}: [[data]] name \"{}\": a word without dots and slashes expected", source, name);
        }
        if (!names.insert(name).second) fail("{}: two [[data]] are named \"{}\"", source, name);
        if (domain.files.empty() == domain.tokens.empty()) {
            fail("{}: [[data]] \"{}\": either files or tokens expected", source, name);
        }
        if (!domain.tokens.empty() && config.tokenizer.path.empty()) {
            fail("{}: [[data]] \"{}\": tokens need the tokenizer.path that made them", source, name);
        }
        if (!(domain.weight > 0) || !std::isfinite(domain.weight)) {
            fail("{}: [[data]] \"{}\": weight must be positive", source, name);
        }
        if (!(domain.heldout_share >= 0 && domain.heldout_share < 1)) {
            fail("{}: [[data]] \"{}\": heldout_share must be in [0, 1)", source, name);
        }
        if (domain.heldout_share > 0 && (!domain.heldout_files.empty() || domain.files.empty())) {
            fail("{}: [[data]] \"{}\": heldout_share splits `files`; heldout_files are given apart", source, name);
        }
    }
}

void check_training(const TrainingConfig& train, const std::string& source) {
    const auto positive = [&](const char* key, double value) {
        if (!(value > 0) || !std::isfinite(value)) fail("{}: train.{} must be positive", source, key);
    };
    const auto not_negative = [&](const char* key, double value) {
        if (!(value >= 0) || !std::isfinite(value)) fail("{}: train.{} must not be negative", source, key);
    };
    positive("sequence", static_cast<double>(train.sequence));
    positive("batch_tokens", static_cast<double>(train.batch_tokens));
    positive("micro_batch", static_cast<double>(train.micro_batch));
    positive("lr", train.lr);
    positive("eps", train.eps);
    positive("log_every", static_cast<double>(train.log_every));
    positive("load_window", static_cast<double>(train.load_window));
    positive("keep", static_cast<double>(train.keep));
    not_negative("min_lr", train.min_lr);
    not_negative("warmup", static_cast<double>(train.warmup));
    not_negative("weight_decay", train.weight_decay);
    not_negative("clip", train.clip);
    not_negative("balance_coef", train.balance_coef);
    not_negative("z_coef", train.z_coef);
    not_negative("bias_rate", train.bias_rate);
    not_negative("eval_every", static_cast<double>(train.eval_every));
    not_negative("eval_tokens", static_cast<double>(train.eval_tokens));
    not_negative("checkpoint_every", static_cast<double>(train.checkpoint_every));
    not_negative("threads", train.threads);
    not_negative("steps", static_cast<double>(train.steps));
    not_negative("tokens", static_cast<double>(train.tokens));
    const auto share = [&](const char* key, double value) {
        if (!(value >= 0 && value < 1)) fail("{}: train.{} must be in [0, 1)", source, key);
    };
    share("beta1", train.beta1);
    share("beta2", train.beta2);
    if (!(train.decay_share >= 0 && train.decay_share <= 1)) fail("{}: train.decay_share must be in [0, 1]", source);
    if (train.batch_tokens % (train.sequence * train.micro_batch) != 0) {
        fail("{}: train.batch_tokens = {} must be a multiple of sequence · micro_batch = {} · {}", source,
             train.batch_tokens, train.sequence, train.micro_batch);
    }
}

// Asks the architecture to say the spec in its own config.json and to read it back: what got lost cannot be trained under
// that name, since no file could hold it.
void check_expressible(const ModelSpec& spec, const std::string& source) {
    const Architecture& architecture = architecture_of(spec);
    nlohmann::ordered_json said;
    architecture.to_hf(spec, said);
    said["model_type"] = architecture.hf_model_type;
    const ModelSpec heard = architecture.from_hf(HfConfig(said, source));
    const auto same = [&](bool equal, const char* keys) {
        if (!equal) fail("{}: architecture {} cannot say these values of model.{}", source, spec.architecture, keys);
    };
    same(heard.tied_head == spec.tied_head, "tied_head");
    same(heard.norm == spec.norm, "norm_eps");
    same(heard.layers.size() == spec.layers.size(), "layers");
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const LayerSpec &asked = spec.layers[l], &got = heard.layers[l];
        same((got.ssm() != nullptr) == (asked.ssm() != nullptr), "attention_period, attention_offset");
        if (const AttentionSpec* a = asked.attention()) {
            same(got.attention()->qk_norm == a->qk_norm, "qk_norm");
            same(got.attention()->qkv_bias == a->qkv_bias, "qkv_bias");
            same(*got.attention() == *a, "heads, kv_heads, head_dim, rope, rope_base");
        }
        same(got.mixer == asked.mixer, "ssm_inner, ssm_state, ssm_conv, ssm_dt_rank, ssm_norms");
        same((got.moe() != nullptr) == (asked.moe() != nullptr), "experts, dense_layers, expert_period, expert_offset");
        if (const MoeSpec* moe = asked.moe()) {
            same(got.moe()->router == moe->router,
                 "experts, top_k, score, normalise, correction_bias, scale, capacity_factor, second_expert");
            same(*got.moe() == *moe, "expert_hidden, shared_hidden, shared_gate");
        }
        same(got.feed_forward == asked.feed_forward, "dense_hidden");
    }
}

}  // namespace

void complete(TrainConfig& config, const std::string& source) {
    ModelConfig& model = config.model;
    TrainingConfig& train = config.train;
    if (model.heads <= 0) fail("{}: model.heads must be positive", source);
    if (model.attention_period < 0) fail("{}: model.attention_period must not be negative", source);
    if (model.expert_period <= 0) fail("{}: model.expert_period must be positive", source);
    if (model.head_dim == 0) model.head_dim = model.dim / model.heads;
    check_domains(config, source);
    check_training(train, source);
    if (train.sequence > model.context) {
        fail("{}: train.sequence = {} is longer than model.context = {}", source, train.sequence, model.context);
    }
    if ((train.steps == 0) == (train.tokens == 0)) fail("{}: either train.steps or train.tokens expected", source);
    if (train.steps == 0) {
        train.steps = (train.tokens + train.batch_tokens - 1) / train.batch_tokens;
        train.tokens = 0;
    }
    if (config.tokenizer.path.empty() && config.tokenizer.vocab_size < 300) {
        fail("{}: tokenizer.vocab_size must be at least 300 (256 bytes, specials, some words)", source);
    }
    if (config.tokenizer.sample_bytes <= 0) fail("{}: tokenizer.sample_bytes must be positive", source);
    if (config.output.dir.empty()) fail("{}: output.dir expected", source);
    const ModelSpec spec = model_spec(model, std::max(config.tokenizer.vocab_size, 1));
    validate(spec, source);
    check_expressible(spec, source);
}

namespace {

std::variant<AttentionSpec, SsmSpec> mixer(const ModelConfig& config, int layer) {
    if (config.attention_period == 0 || layer % config.attention_period != config.attention_offset)
        return SsmSpec{.inner = config.ssm_inner > 0 ? config.ssm_inner : 2 * config.dim,
                       .state = config.ssm_state,
                       .conv = config.ssm_conv,
                       .dt_rank = config.ssm_dt_rank > 0 ? config.ssm_dt_rank : (config.dim + 15) / 16,
                       .inner_norms = config.ssm_norms,
                       .log_rates = true};
    AttentionSpec attention;
    attention.heads = config.heads;
    attention.kv_heads = config.kv_heads;
    attention.head_dim = attention.value_dim = config.head_dim;
    attention.rope = {.enabled = config.rope};
    if (config.rope) {
        attention.rope.dims = config.head_dim;
        attention.rope.base = static_cast<float>(config.rope_base);
    }
    attention.qk_norm = config.qk_norm;
    attention.qkv_bias = config.qkv_bias;
    return attention;
}

}  // namespace

ModelSpec model_spec(const ModelConfig& config, int vocab) {
    const MoeSpec moe{.router = {.experts = config.experts,
                                 .top_k = config.top_k,
                                 .score = config.score,
                                 .correction_bias = config.correction_bias,
                                 .normalise = config.normalise,
                                 .scale = static_cast<float>(config.scale),
                                 .capacity_factor = static_cast<float>(config.capacity_factor),
                                 .second = config.second_expert},
                      .hidden = config.expert_hidden,
                      .shared_hidden = config.shared_hidden,
                      .shared_gate = config.shared_gate};
    ModelSpec spec;
    spec.architecture = config.architecture;
    spec.name = config.name;
    spec.dim = config.dim;
    spec.vocab = vocab;
    spec.context = config.context;
    spec.norm.eps = static_cast<float>(config.norm_eps);
    spec.tied_head = config.tied_head;
    for (int layer = 0; layer < config.layers; ++layer) {
        LayerSpec& added = spec.layers.emplace_back();
        added.mixer = mixer(config, layer);
        const bool experts = layer >= config.dense_layers && layer % config.expert_period == config.expert_offset;
        if (config.experts > 0 && experts)
            added.feed_forward = moe;
        else if (config.dense_hidden == 0)
            added.feed_forward = NoFeedForward{};
        else
            added.feed_forward = DenseSpec{.hidden = config.dense_hidden};
    }
    return spec;
}

}  // namespace gremium::train
