// A training run as data: what a recipe (TOML) says. One list of fields in config.cpp reads it, applies `--set`
// overrides, names the nearest valid key after a misspelling, and writes the record back as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "model/spec/spec.h"

namespace gremium::train {

struct ModelConfig {                     // [model]
    std::string architecture = "dots1";  // a name of model/archs; must be able to say what the other keys ask for
    std::string name = "gremium";
    int dim = 256, layers = 8, context = 512;
    int heads = 8, kv_heads = 8, head_dim = 0;  // head_dim 0: dim / heads
    bool rope = true;
    double rope_base = 10000, norm_eps = 1e-6;
    QkNorm qk_norm = QkNorm::none;
    bool qkv_bias = false, tied_head = true;
    // Layers l with l % attention_period = attention_offset have attention, all others a state space mixer; period 0:
    // none has attention. The same for mixtures, behind the leading dense layers.
    int attention_period = 1, attention_offset = 0, expert_period = 1, expert_offset = 0;
    // inner 0: 2 · dim; dt_rank 0: dim / 16
    int ssm_inner = 0, ssm_state = 16, ssm_conv = 4, ssm_dt_rank = 0;
    bool ssm_norms = false;                         // of step sizes, B and C (Jamba)
    int experts = 0, top_k = 2, expert_hidden = 0;  // experts 0: a dense model
    int shared_hidden = 0;                          // width of the shared experts together
    bool shared_gate = false;
    // So many leading layers are dense; hidden 0: layers that are no mixture have no feed-forward (Mamba).
    int dense_layers = 0, dense_hidden = 0;
    moe::RouterPolicy::Score score = moe::RouterPolicy::Score::softmax;
    bool normalise = true, correction_bias = false;
    double capacity_factor = 0;  // of an expert's even share; what overflows is dropped; 0: nothing
    moe::RouterPolicy::Second second_expert = moe::RouterPolicy::Second::best;
    double scale = 1;
};

struct TokenizerConfig {  // [tokenizer]
    std::string path;     // tokenizer.model, a GGUF file or a Hugging Face directory; empty: one is trained
    int vocab_size = 8192;
    int64_t sample_bytes = int64_t{16} << 20;  // text it is trained on, all domains together
};

// [[data]]: documents are separated by NUL bytes, and by the ends of files.
struct DomainConfig {
    std::string name;
    std::vector<std::string> files;          // paths or globs, relative to the working directory
    std::vector<std::string> heldout_files;  // or else:
    double heldout_share = 0;                // of the documents, chosen by their content
    std::string tokens, heldout_tokens;      // ready token files instead of text
    double weight = 1;                       // share of the sequences, relative to the other domains
};

enum class ScheduleKind : uint8_t { cosine, wsd };
// Automatic: when memory would not hold the activations.
enum class Recompute : uint8_t { automatic, always, never };

struct TrainingConfig {  // [train]
    int64_t steps = 0;   // 0: from `tokens`
    int64_t tokens = 0;
    int64_t sequence = 512;        // tokens
    int64_t batch_tokens = 16384;  // a step
    int64_t micro_batch = 8;       // sequences computed together
    double lr = 1e-3, min_lr = 1e-4;
    ScheduleKind schedule = ScheduleKind::cosine;
    int64_t warmup = 100;      // steps
    double decay_share = 0.2;  // of the steps (wsd)
    double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1, clip = 1;
    DType compute = DType::bf16;
    double balance_coef = 0.01, z_coef = 0.001, bias_rate = 0.001;
    Recompute recompute = Recompute::automatic;  // of activations in the backward; changes no bit
    int64_t activation_memory = 0;               // MiB that activations may take before; 0: most of what is free
    int64_t seed = 0;
    int threads = 0;                                // 0: all cores
    int64_t eval_every = 250, eval_tokens = 65536;  // steps; tokens a domain (0: all of it)
    int64_t checkpoint_every = 500, keep = 2;
    int64_t log_every = 10;
    int64_t load_window = 50;  // steps over which expert loads are summed and judged
};

struct OutputConfig {  // [output]
    std::string dir;
};

struct TrainConfig {
    ModelConfig model;
    TokenizerConfig tokenizer;
    std::vector<DomainConfig> data;
    TrainingConfig train;
    OutputConfig output;

    int64_t sequences_a_step() const { return train.batch_tokens / train.sequence; }
};

// Reads and validates. `overrides` are "section.key=value" ("data.NAME.key=value" for a domain), the value as in TOML or
// a bare word. Throws Error with file, line and what was expected.
TrainConfig read_config(const std::filesystem::path& path, std::span<const std::string> overrides = {});
TrainConfig parse_config(std::string_view text, const std::string& source, std::span<const std::string> overrides = {});

// Fills in what is derived (steps, head_dim) and checks the values against each other.
void complete(TrainConfig& config, const std::string& source);

nlohmann::json to_json(const TrainConfig& config);

// The first key that differs and that a resumed run may not change: all but what only concerns speed, reporting and the
// learning-rate plan. Empty when there is none.
std::string first_conflict(const nlohmann::json& saved, const nlohmann::json& now);

// The architecture record of the model to train; throws Error when `architecture` cannot express it.
ModelSpec model_spec(const ModelConfig& config, int vocab);

}  // namespace gremium::train
