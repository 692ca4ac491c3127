// A training run as data: what a recipe (TOML) says. config.h reads and checks it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/spec/outline.h"
#include "tensor/dtype.h"

namespace gremium::train {

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

// What a recipe means that says nothing of its model.
Outline default_model();

struct TrainConfig {
    Outline model = default_model();  // [model]; model_spec makes the specification of it
    TokenizerConfig tokenizer;
    std::vector<DomainConfig> data;
    TrainingConfig train;
    OutputConfig output;

    int64_t sequences_a_step() const { return train.batch_tokens / train.sequence; }
};

}  // namespace gremium::train
