// Checks a recipe's values together, and makes the specification they describe.
#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/printable.h"
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
        constexpr size_t longest = 100;  // it begins files' names
        if (name.empty() || name.size() > longest || name.find_first_of("/.\\\"") != std::string::npos ||
            first_unprintable(name) != std::string::npos) {
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

}  // namespace

Outline default_model() {
    Outline model;
    model.model.architecture = "dots1";
    model.model.name = "gremium";
    model.model.dim = 256;
    model.model.context = 512;
    model.model.norm.eps = 1e-6f;
    model.model.tied_head = true;
    model.layers = 8;
    model.attention.heads = model.attention.kv_heads = 8;
    model.ssm = {.state = 16, .conv = 4};
    model.mixture_layers.period = 1;
    model.moe.router.top_k = 2;
    model.moe.router.normalise = true;
    return model;
}

void complete(TrainConfig& config, const std::string& source) {
    Outline& model = config.model;
    TrainingConfig& train = config.train;
    if (model.attention.heads <= 0) fail("{}: model.heads must be positive", source);
    if (model.attention_layers.period < 0) fail("{}: model.attention_period must not be negative", source);
    if (model.mixture_layers.period <= 0) fail("{}: model.expert_period must be positive", source);
    if (model.whole_period < 0) fail("{}: model.full_attention_period must not be negative", source);
    if (model.attention.head_dim == 0) model.attention.head_dim = model.model.dim / model.attention.heads;
    check_domains(config, source);
    check_training(train, source);
    if (train.sequence > model.model.context) {
        fail("{}: train.sequence = {} is longer than model.context = {}", source, train.sequence, model.model.context);
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
    const int vocab = std::max(config.tokenizer.vocab_size, 1);
    validate(model_spec(model, vocab), source);
    check_sayable(model, vocab, source);
}

ModelSpec model_spec(const Outline& model, int vocab) {
    Outline o = model;
    o.model.vocab = vocab;
    if (o.ssm.inner <= 0) o.ssm.inner = 2 * o.model.dim;
    if (o.ssm.dt_rank <= 0) o.ssm.dt_rank = (o.model.dim + 15) / 16;
    o.ssm.log_rates = o.delta_net.log_rates = o.mamba2.log_rates = true;
    if (o.moe.router.experts <= 0) o.mixture_layers.period = 0;
    o.others_dense = o.dense.hidden != 0;
    if (!o.attention.rope.enabled) o.attention.rope = {.enabled = false};
    o.attention.rope.pairing = architecture_of(o.model).hf_pairing;
    return spec_of(o);
}

}  // namespace gremium::train
