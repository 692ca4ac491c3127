// A recipe small enough to train in a second.
#pragma once

#include <string>
#include <vector>

#include "tests/train/scratch.h"
#include "text/hf_tokenizer.h"
#include "train/trainer.h"

namespace gremium::train {

// Two domains of toy text, a mixture of experts with a shared one, correction biases and a dense layer.
inline TrainConfig toy_recipe(const ScratchDirectory& dir, const std::string& output,
                              const std::vector<std::string>& overrides = {}) {
    if (!std::filesystem::exists(dir / "one.txt")) {
        write_text(dir / "one.txt", toy_text(120, 1));
        write_text(dir / "two.txt", toy_text(120, 2));
        std::filesystem::create_directory(dir / "tokenizer");
        write_hf_tokenizer(byte_vocabulary(), dir / "tokenizer");
    }
    const std::string base = dir.path().string();
    const std::string text = R"(
[model]
architecture = "dots1"
dim = 32
layers = 2
heads = 2
kv_heads = 1
context = 32
qk_norm = "per_head"
experts = 4
top_k = 2
expert_hidden = 16
shared_hidden = 16
dense_layers = 1
dense_hidden = 32
score = "sigmoid"
correction_bias = true
[tokenizer]
path = ")" + base + R"(/tokenizer"
[[data]]
name = "one"
files = ")" + base + R"(/one.txt"
heldout_share = 0.2
[[data]]
name = "two"
files = ")" + base + R"(/two.txt"
heldout_share = 0.2
weight = 0.5
[train]
steps = 40
sequence = 32
batch_tokens = 256
micro_batch = 4
lr = 1e-2
min_lr = 1e-3
warmup = 5
compute = "f32"
eval_every = 10
checkpoint_every = 5
log_every = 1
load_window = 7
[output]
dir = ")" + base + "/" + output +
                             "\"\n";
    return parse_config(text, "toy.toml", overrides);
}

// Everything a checkpoint holds of the model and the optimiser, as bytes.
inline std::string checkpoint_bytes(const std::filesystem::path& checkpoint) {
    std::string bytes;
    for (const char* name : {"model.safetensors", "optimizer.safetensors", "config.json"}) {
        std::ifstream in(checkpoint / name, std::ios::binary);
        bytes.append(std::istreambuf_iterator<char>(in), {});
        bytes += '|';
    }
    return bytes;
}

}  // namespace gremium::train
