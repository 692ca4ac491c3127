// bench_random_model OUT.gguf [TYPE]: a mixture of real size with random weights, to measure speed with. The shape is
// that of 8 of the 48 layers of Qwen3-30B-A3B; with q4_0 (the default) 2.7 GiB, of which a token reads 0.29 GB. Routing
// over random weights is nearly even: the worst case for any cache.
#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "formats/gguf/gguf.h"
#include "tensor/quantised/blocks.h"

using namespace gremium;

namespace {

constexpr int64_t layers = 8, dim = 2048, experts = 128, used = 8, ffn = 768, heads = 32, kv_heads = 4, head_dim = 128,
                  vocab = 32000;

Metadata metadata() {
    Metadata m;
    m.set("general.architecture", std::string("qwen3moe"));
    m.set("general.name", std::string("random weights"));
    m.set("general.quantization_version", uint32_t{2});
    const auto number = [&](std::string_view key, int64_t value) {
        m.set(fmt::format("qwen3moe.{}", key), static_cast<uint32_t>(value));
    };
    number("block_count", layers);
    number("context_length", 32768);
    number("embedding_length", dim);
    number("feed_forward_length", 3 * dim);
    number("attention.head_count", heads);
    number("attention.head_count_kv", kv_heads);
    number("attention.key_length", head_dim);
    number("attention.value_length", head_dim);
    number("expert_count", experts);
    number("expert_used_count", used);
    number("expert_feed_forward_length", ffn);
    m.set("qwen3moe.attention.layer_norm_rms_epsilon", 1e-6f);
    m.set("qwen3moe.rope.freq_base", 1e6f);

    std::vector<std::string> tokens{"<unk>", "<s>", "</s>"};
    std::vector<int32_t> types{2, 3, 3};  // unknown, control, control
    for (int byte = 0; byte < 256; ++byte) tokens.push_back(fmt::format("<0x{:02X}>", byte));
    types.resize(tokens.size(), 6);  // bytes
    while (tokens.size() < vocab) tokens.push_back(fmt::format("▁w{}", tokens.size()));
    types.resize(tokens.size(), 1);  // ordinary
    std::vector<float> scores(vocab);
    for (size_t i = 259; i < scores.size(); ++i) scores[i] = 259 - static_cast<float>(i);
    m.set("tokenizer.ggml.model", std::string("llama"));
    m.set("tokenizer.ggml.tokens", MetaArray(tokens));
    m.set("tokenizer.ggml.scores", MetaArray(scores));
    m.set("tokenizer.ggml.token_type", MetaArray(types));
    m.set("tokenizer.ggml.bos_token_id", uint32_t{1});
    m.set("tokenizer.ggml.eos_token_id", uint32_t{2});
    return m;
}

std::vector<TensorDecl> tensors(DType type) {
    std::vector<TensorDecl> all{{"token_embd.weight", type, {vocab, dim}},
                                {"output_norm.weight", DType::f32, {dim}},
                                {"output.weight", type, {vocab, dim}}};
    for (int64_t l = 0; l < layers; ++l) {
        const auto add = [&](std::string_view name, DType dtype, Shape shape) {
            all.push_back({fmt::format("blk.{}.{}.weight", l, name), dtype, shape});
        };
        add("attn_norm", DType::f32, {dim});
        add("attn_q_norm", DType::f32, {head_dim});
        add("attn_k_norm", DType::f32, {head_dim});
        add("attn_q", type, {heads * head_dim, dim});
        add("attn_k", type, {kv_heads * head_dim, dim});
        add("attn_v", type, {kv_heads * head_dim, dim});
        add("attn_output", type, {dim, heads * head_dim});
        add("ffn_norm", DType::f32, {dim});
        add("ffn_gate_inp", DType::f32, {experts, dim});
        add("ffn_gate_exps", type, {experts, ffn, dim});
        add("ffn_up_exps", type, {experts, ffn, dim});
        add("ffn_down_exps", type, {experts, dim, ffn});
    }
    return all;
}

// Rows of a tensor are drawn from a bank of this many that differ: quantising billions of weights would take minutes.
constexpr size_t bank_rows = 256;

class RowBank {
  public:
    RowBank(DType type, int64_t cols, double deviation, Random& random) {
        std::vector<float> row(static_cast<size_t>(cols));
        for (size_t r = 0; r < bank_rows; ++r) {
            for (float& w : row) w = static_cast<float>(deviation * random.normal());
            rows_.emplace_back(row_bytes(type, cols));
            quantise_row(type, row.data(), rows_.back().data(), cols);
        }
    }
    std::span<const std::byte> draw(Random& random) const { return rows_[random.below(bank_rows)]; }

  private:
    std::vector<std::vector<std::byte>> rows_;
};

void write(const std::filesystem::path& path, DType type) {
    Random random(1);
    GgufWriter writer(path, metadata(), tensors(type));
    for (const TensorDecl& t : writer.tensors()) {
        const int64_t cols = t.shape[t.shape.rank - 1];
        if (t.shape.rank == 1) {  // a norm
            const std::vector<float> ones(static_cast<size_t>(cols), 1.0f);
            writer.write(t.name, std::as_bytes(std::span(ones)));
            continue;
        }
        const double deviation = t.name == "token_embd.weight" ? 1 : 1 / std::sqrt(static_cast<double>(cols));
        const RowBank bank(t.dtype, cols, deviation, random);
        for (int64_t r = t.shape.count() / cols; r > 0; --r) writer.write(t.name, bank.draw(random));
    }
    writer.finish();
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 2 || argc > 3) {
        fmt::print(stderr, "usage: bench_random_model OUT.gguf [TYPE]\n");
        return 2;
    }
    const std::string_view name = argc > 2 ? argv[2] : "q4_0";
    const std::optional<DType> type = dtype_from_name(name);
    if (!type) fail("unknown element type '{}'", name);
    write(argv[1], *type);
} catch (const Error& error) {
    fmt::print(stderr, "bench_random_model: {}\n", error.what());
    return 1;
}
