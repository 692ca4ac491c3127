// A recipe: a training run as data, from TOML. config.h reads and checks it.
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
    int64_t sample_bytes = int64_t{16} << 20;  // text to train it on, from all domains together
};

// [[data]]: documents are separated by NUL bytes, and by the ends of files.
struct DomainConfig {
    std::string name;
    std::vector<std::string> files;          // paths or globs, relative to the working directory
    std::vector<std::string> heldout_files;  // or, instead:
    double heldout_share = 0;                // share of the documents, chosen by a hash of their content
    std::string tokens, heldout_tokens;      // ready token files instead of text
    double weight = 1;                       // share of the sequences, relative to the other domains
};

enum class ScheduleKind : uint8_t { cosine, wsd };
// automatic: if the activations do not fit into memory.
enum class Recompute : uint8_t { automatic, always, never };

struct TrainingConfig {  // [train]
    int64_t steps = 0;   // 0: from `tokens`
    int64_t tokens = 0;
    int64_t sequence = 512;        // length in tokens
    int64_t batch_tokens = 16384;  // tokens per step
    int64_t micro_batch = 8;       // sequences computed together
    double lr = 1e-3, min_lr = 1e-4;
    ScheduleKind schedule = ScheduleKind::cosine;
    int64_t warmup = 100;      // steps
    double decay_share = 0.2;  // share of the steps (wsd)
    double beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1, clip = 1;
    DType compute = DType::bf16;
    double balance_coef = 0.01, z_coef = 0.001, bias_rate = 0.001;
    Recompute recompute = Recompute::automatic;  // recompute activations in the backward; changes no bit
    int64_t activation_memory = 0;               // MiB, limit above which to recompute; 0: most of the free memory
    int64_t seed = 0;
    int threads = 0;                                // 0: all cores
    int64_t eval_every = 250, eval_tokens = 65536;  // steps; tokens per domain (0: all)
    int64_t checkpoint_every = 500, keep = 2;
    int64_t log_every = 10;
    int64_t load_window = 50;  // steps over which expert loads are summed and judged
};

struct OutputConfig {  // [output]
    std::string dir;
};

// The model of a recipe whose [model] is empty.
Outline default_model();

struct TrainConfig {
    Outline model = default_model();  // [model]; model_spec() turns it into a specification
    TokenizerConfig tokenizer;
    std::vector<DomainConfig> data;
    TrainingConfig train;
    OutputConfig output;

    int64_t sequences_a_step() const { return train.batch_tokens / train.sequence; }
};

}  // namespace gremium::train
