// Every fault of a file is one clear line that names the file and what was expected.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include <nlohmann/json.hpp>

#include <unistd.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "engine/session.h"
#include "formats/gguf/gguf.h"
#include "formats/hugging_face/hf.h"
#include "model/files/bind.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "model/spec/tensors.h"
#include "tests/model/tiny_model.h"

namespace gremium::test {
namespace {

std::string error_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

class BadInput : public testing::Test {
  protected:
    void SetUp() override { std::filesystem::create_directories(directory_); }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    using Change = std::function<void(Metadata&, std::vector<TensorDecl>&)>;

    // Loads a tiny model's GGUF file after `change`; the error is expected to name the file and every
    // fragment.
    void expect_gguf_error(const std::string& architecture, const Change& change,
                           std::vector<std::string> fragments) const {
        const std::filesystem::path good = directory_ / "good.gguf", bad = directory_ / "bad.gguf";
        save_model(*tiny_model(architecture), good);
        GgufFile file = open_gguf(good);
        std::vector<TensorDecl> decls = file.tensors.declarations();
        change(file.metadata, decls);
        GgufWriter writer(bad, file.metadata, decls);
        for (const TensorDecl& decl : decls)
            writer.write(decl.name, std::vector<std::byte>(static_cast<size_t>(decl.shape.count()) * 4));
        writer.finish();
        expect_error(bad, std::move(fragments));
    }

    void expect_hf_error(const std::string& architecture, const std::function<void(nlohmann::json&)>& change,
                         std::vector<std::string> fragments) const {
        const std::filesystem::path path = directory_ / "hf", config_path = path / "config.json";
        save_model(*tiny_model(architecture), path, {.container = Container::hugging_face});
        nlohmann::json config = nlohmann::json::parse(read_text_file(config_path));
        change(config);
        write_file_atomically(config_path, config.dump());
        expect_error(path, std::move(fragments));
    }

    static void expect_error(const std::filesystem::path& path, std::vector<std::string> fragments) {
        const std::string message = error_of([&] { load_model(path); });
        fragments.push_back(path.string());
        for (const std::string& fragment : fragments)
            EXPECT_NE(message.find(fragment), std::string::npos) << "expected \"" << fragment << "\" in: " << message;
        EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }

    static TensorDecl& tensor(std::vector<TensorDecl>& decls, const std::string& name) {
        return *std::ranges::find(decls, name, &TensorDecl::name);
    }

    std::filesystem::path directory_ =
        std::filesystem::temp_directory_path() / ("gremium-bad-input-" + std::to_string(getpid()));
};

TEST_F(BadInput, UnknownArchitectureListsTheSupportedOnes) {
    expect_gguf_error("qwen3", [](Metadata& m, auto&) { m.set("general.architecture", std::string("rwkv")); },
                      {"\"rwkv\"",
                       "deepseek2 (deepseek_v3), dots1, ernie4_5-moe (ernie4_5_moe), exaone-moe, glm4moe (glm4_moe), "
                       "gptoss (gpt_oss), granitehybrid (granitemoehybrid), granitemoe, ",
                       "mixtral, moe_mamba, nemotron_h_moe (nemotron_h), nllb_moe (nllb-moe), olmoe, phimoe, qwen2, "
                       "qwen2moe (qwen2_moe), qwen3, "});
    expect_hf_error("qwen3", [](nlohmann::json& c) { c["model_type"] = "rwkv"; }, {"\"rwkv\"", "qwen2_moe", "mixtral"});
    // Known ones that stay out.
    expect_gguf_error("qwen3", [](Metadata& m, auto&) { m.set("general.architecture", std::string("bailingmoe")); },
                      {"\"bailingmoe\"", "the nearest supported one is bailingmoe2"});
    expect_hf_error("qwen3", [](nlohmann::json& c) { c["model_type"] = "exaone_moe"; },
                    {"\"exaone_moe\"", "GGUF files are supported, as exaone-moe"});
}

TEST_F(BadInput, MissingTensors) {
    for (const char* name :
         {"token_embd.weight", "output_norm.weight", "blk.1.attn_q.weight", "blk.2.ffn_gate_inp.weight",
          "blk.0.ffn_norm.weight", "blk.1.ffn_up_exps.weight", "blk.0.attn_k_norm.weight"})
        expect_gguf_error(
            "qwen3moe",
            [&](auto&, auto& decls) { std::erase_if(decls, [&](const auto& d) { return d.name == name; }); }, {name});
    expect_hf_error("qwen3moe", [](nlohmann::json& c) { c["num_hidden_layers"] = 4; }, {"model.layers.3."});
}

TEST_F(BadInput, WrongShapes) {
    const auto reshaped = [&](const char* name, Shape shape, std::vector<std::string> fragments) {
        expect_gguf_error(
            "mixtral", [&](auto&, auto& decls) { tensor(decls, name).shape = shape; }, std::move(fragments));
    };
    reshaped("blk.1.attn_q.weight", {31, 32}, {"blk.1.attn_q.weight", "[31, 32]", "[32, 32]"});
    reshaped("blk.0.ffn_down_exps.weight", {5, 32, 12}, {"blk.0.ffn_down_exps.weight", "[5, 32, 12]", "[6, 32, 12]"});
    reshaped("blk.2.attn_norm.weight", {33}, {"blk.2.attn_norm.weight", "[33]", "[32]"});
    reshaped("token_embd.weight", {299, 32}, {"token_embd.weight", "[299, 32]", "[300, 32]"});
}

TEST_F(BadInput, Integers) {
    for (const char* name : {"blk.1.attn_q.weight", "output_norm.weight", "blk.0.ffn_up_exps.weight"})
        expect_gguf_error("mixtral", [&](auto&, auto& decls) { tensor(decls, name).dtype = DType::i32; },
                          {name, "integers"});
    expect_gguf_error("llama",
                      [](auto&, auto& decls) {
                          decls.push_back({"rope_freqs.weight", DType::i32, {4}});
                      },
                      {"rope_freqs.weight", "integers"});
}

TEST_F(BadInput, MetadataThatContradictTheTensors) {
    const auto with = [&](const char* architecture, const char* key, MetaValue value,
                          std::vector<std::string> fragments) {
        expect_gguf_error(
            architecture, [&](Metadata& m, auto&) { m.set(key, value); }, std::move(fragments));
    };
    with("llama", "llama.block_count", uint32_t{2}, {"blk.2.", "2 layers"});
    with("llama", "llama.attention.head_count", uint32_t{8}, {"blk.0.attn_q.weight", "[32, 32]", "[64, 32]"});
    with("llama", "llama.attention.head_count", uint32_t{3}, {"3 attention heads", "2 key/value heads"});
    with("llama", "llama.attention.head_count", uint32_t{0}, {"attention heads is 0"});
    with("llama", "llama.block_count", uint32_t{4000000000}, {"llama.block_count"});
    with("llama", "llama.rope.dimension_count", uint32_t{7}, {"rotary dimensions is 7"});
    with("llama", "llama.rope.dimension_count", uint32_t{80}, {"rotary dimensions is 80"});
    with("llama", "llama.rope.scaling.type", std::string("ntk"), {"\"ntk\""});
    with("llama", "llama.rope.scaling.type", std::string("yarn"), {"llama.rope.scaling.factor"});
    with("llama", "llama.context_length", std::string("long"), {"llama.context_length"});
    with("mixtral", "llama.expert_used_count", uint32_t{7}, {"experts used", "7"});
    with("mixtral", "llama.expert_count", uint32_t{7}, {"[7, 32]", "[6, 32]"});
    with("mixtral", "llama.expert_count", uint32_t{0}, {"blk.0.ffn_gate"});
    with("dots1", "dots1.expert_gating_func", uint32_t{4}, {"dots1.expert_gating_func"});
    with("deepseek2", "deepseek2.expert_group_count", uint32_t{4}, {"4 groups", "6 experts"});
    with("deepseek2", "deepseek2.attention.kv_lora_rank", uint32_t{13}, {"blk.0.attn_kv_a_mqa.weight"});
    with("deepseek2", "deepseek2.rope.dimension_count", uint32_t{8}, {"partly rotated"});
    with("gptoss", "gpt-oss.attention.sliding_window", uint32_t{4000000000}, {"sliding_window"});
    with("dots1", "dots1.expert_shared_count", uint32_t{4000000}, {"shared experts"});
    with("dots1", "dots1.leading_dense_block_count", uint32_t{2}, {"blk.1.ffn_gate.weight"});
    with("llama", "llama.vocab_size", uint32_t{299}, {"token_embd.weight"});
    for (const char* key :
         {"llama.block_count", "llama.embedding_length", "llama.attention.head_count", "llama.context_length",
          "llama.feed_forward_length", "llama.attention.layer_norm_rms_epsilon"})
        expect_gguf_error("llama", [&](Metadata& m, auto&) { m.erase(key); }, {key});
}

TEST_F(BadInput, TensorsThatNobodyKnows) {
    expect_gguf_error("qwen3",
                      [](auto&, auto& decls) {
                          decls.push_back({"blk.0.attn_sinks.weight", DType::f32, {4}});
                      },
                      {"blk.0.attn_sinks.weight", "qwen3"});
}

TEST_F(BadInput, ConfigurationsThatContradictTheTensors) {
    const auto with = [&](const char* architecture, const char* key, nlohmann::json value,
                          std::vector<std::string> fragments) {
        expect_hf_error(
            architecture, [&](nlohmann::json& c) { c[key] = value; }, std::move(fragments));
    };
    with("llama", "num_hidden_layers", 2, {"model.layers.2.", "2 layers"});
    with("llama", "num_hidden_layers", -1, {"num_hidden_layers is -1"});
    with("llama", "hidden_size", 48, {"[300, 48]", "[300, 32]"});
    with("llama", "num_attention_heads", 0, {"attention heads is 0"});
    with("llama", "attention_bias", true, {"self_attn.q_proj.bias"});
    with("llama", "hidden_act", "relu", {"\"relu\""});
    with("llama", "quantization_config", {{"bits", 4}}, {"quantization_config"});
    with("llama", "rope_scaling", {{"rope_type", "dynamic"}}, {"\"dynamic\""});
    with("llama", "rope_scaling", {{"rope_type", "yarn"}}, {"factor"});
    with("granitemoe", "intermediate_size", 13, {"input_linear", "[6, 24, 32]", "[6, 26, 32]"});
    with("llama", "tie_word_embeddings", "yes", {"tie_word_embeddings"});
    with("mixtral", "num_local_experts", 7, {"[7, 32]", "[6, 32]"});
    expect_hf_error("mixtral", [](nlohmann::json& c) { c["sliding_window"] = 16, c["max_window_layers"] = 1; },
                    {"sliding window"});
    expect_hf_error("qwen3", [](nlohmann::json& c) { c["use_sliding_window"] = true, c["sliding_window"] = 16; },
                    {"sliding window"});
    with("qwen3moe", "mlp_only_layers", {1}, {"model.layers.1.mlp.gate_proj.weight"});
    with("dots1", "n_group", 4, {"4 groups", "6 experts"});
    with("dots1", "first_k_dense_replace", 0, {"model.layers.0.mlp.gate.weight"});
    expect_hf_error("llama", [](nlohmann::json& c) { c.erase("vocab_size"); }, {"vocab_size"});
    expect_hf_error("llama", [](nlohmann::json& c) { c = 3; }, {"config.json"});
}

TEST_F(BadInput, MoreTokensThanEmbeddings) {
    expect_gguf_error("llama",
                      [](Metadata& m, auto& decls) {
                          m.set("llama.vocab_size", uint32_t{299});
                          tensor(decls, "token_embd.weight").shape = tensor(decls, "output.weight").shape = {299, 32};
                      },
                      {"300 tokens", "299"});
}

// Without a tokenizer that is understood, a model still computes, and says why there is none; it cannot be written, for
// the tokenizer would be lost.
TEST_F(BadInput, UnsupportedTokenizers) {
    const std::filesystem::path good = directory_ / "good.gguf", other = directory_ / "other.gguf";
    save_model(*tiny_model("llama"), good);
    const auto expect_unsupported = [&](const char* model, const char* pre, const std::string& named,
                                        const std::string& supported) {
        GgufFile file = open_gguf(good);
        file.metadata.set("tokenizer.ggml.model", std::string(model));
        file.metadata.set("tokenizer.ggml.pre", std::string(pre));
        GgufWriter writer(other, file.metadata, file.tensors.declarations());
        for (const TensorEntry& t : file.tensors) writer.write(t.name, t.view);
        writer.finish();
        const auto read = load_model(other);
        EXPECT_FALSE(read->tokenizer);
        for (const std::string& message : {read->tokenizer_error, error_of([&] { save_model(*read, good); }),
                                           error_of([&] { load_tokenizer(other); })})
            for (const std::string& part : {named, supported, other.string()}) {
                EXPECT_NE(message.find(part), std::string::npos) << part << " expected in " << message;
                EXPECT_EQ(message.find('\n'), std::string::npos) << message;
            }
    };
    expect_unsupported("rwkv", "default", "tokenizer model \"rwkv\"", "supported: \"llama\"");
    expect_unsupported("gpt2", "klingon", "pre-tokenizer \"klingon\"", "supported: llama-bpe, ");
}

TEST_F(BadInput, UnsupportedTensorTypes) {
    const std::filesystem::path good = directory_ / "good.gguf", other = directory_ / "other.gguf";
    save_model(*tiny_model("llama"), good);
    std::string bytes = read_text_file(good);
    const std::string name = "output_norm.weight";  // followed by rank, one dimension and the type
    bytes[bytes.find(name) + name.size() + 4 + 8] = 31;
    write_file_atomically(other, bytes);
    expect_error(other, {"tensor \"output_norm.weight\" has unknown type 31", "supported are F32, F16, Q4_0"});
}

TEST_F(BadInput, PathsThatAreNoModel) {
    expect_error(directory_ / "absent.gguf", {});
    expect_error(directory_, {});
    write_file_atomically(directory_ / "text.gguf", "not a model");
    expect_error(directory_ / "text.gguf", {});
}

// Every third byte of a file's header and every so many of its data, changed in turn: an Error or a model
// that computes.
TEST_F(BadInput, FlippedBytesNeverCrash) {
    for (const char* architecture : {"mixtral", "dots1"}) {
        const std::filesystem::path good = directory_ / "good.gguf", bad = directory_ / "bad.gguf";
        save_model(*tiny_model(architecture, {.layers = 1, .leading_dense = 0}), good);
        const std::string bytes = read_text_file(good);
        const size_t metadata_end = bytes.find("tokenizer.ggml.tokens");
        int loaded = 0;
        for (size_t at = 0; at < bytes.size(); at += at < metadata_end ? 3 : 997) {
            std::string damaged = bytes;
            damaged[at] = static_cast<char>(damaged[at] ^ (at % 2 ? 0x80 : 0x01));
            std::ofstream(bad, std::ios::binary) << damaged;
            try {
                const auto model = load_model(bad);
                engine::Session(model, {.context = 4}).evaluate(std::vector<int32_t>{0, 1, 2});
                ++loaded;
            } catch (const Error& error) {
                EXPECT_STRNE(error.what(), "");
            }
        }
        EXPECT_GT(loaded, 10);
    }
}

TEST(BindModel, SaysWhichTensorIsMissingOrMisshapen) {
    const ModelSpec spec = tiny_spec("dots1");
    const auto tensors = tiny_tensors(spec);
    const auto bind = [&](const std::string& name, const ops::Weight& instead) {
        return error_of([&] {
            bind_model(
                spec,
                [&](const TensorSlot& slot) {
                    return slot.name == name ? instead : ops::Weight{tensors->at(slot.name), {}};
                },
                moe::Residency::mapped);
        });
    };
    EXPECT_EQ(bind("blk.1.exp_probs_b.bias", {}), "tensor blk.1.exp_probs_b.bias is missing");
    EXPECT_EQ(bind("blk.0.ffn_up.weight", {tensors->at("output.weight"), {}}),
              "tensor blk.0.ffn_up.weight has shape [300, 32], expected [24, 32]");
}

}  // namespace
}  // namespace gremium::test
