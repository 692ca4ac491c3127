// Directories as people have them: names with and without prefixes, experts in stacks, other types of numbers, heads
// beside a flag that ties them, links, files that did not arrive.
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "tests/model/edit_files.h"
#include "tests/model/hf_layout.h"
#include "tests/temporary_directory.h"
#include "text/hf_tokenizer.h"

namespace gremium::test {
namespace {

namespace fs = std::filesystem;

// A model as transformers saves it, to be changed.
struct Directory {
    explicit Directory(const std::string& architecture, const TinyShape& shape = {})
        : spec(tiny_spec(architecture, shape)), numbers(tiny_tensors(spec)) {
        const HfLayout layout(spec, *numbers);
        config = layout.config();
        tensors = layout.tensors();
    }
    std::shared_ptr<const Model> loaded() const {
        write_hf(at / "hf", config, tensors);
        return load_model(at / "hf");
    }
    std::string refused() const {
        return error_of([&] { loaded(); });
    }

    TemporaryDirectory at;
    ModelSpec spec;
    std::shared_ptr<Tensors> numbers;
    Json config;
    RawTensors tensors;
};

class Directories : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Architectures, Directories, testing::ValuesIn(written_families()),
                         [](const auto& test) { return test.param; });

TEST_P(Directories, NamesMayHavePrefixes) {
    Directory d(GetParam());
    const auto expected = outputs_of(d.loaded());
    const RawTensors usual = d.tensors;
    const bool has_model = usual.contains("model.embed_tokens.weight");
    for (const char* model : {"language_model.model.", "model.language_model.", "", "language_model."}) {
        if (!has_model && std::string(model) != "language_model.model.") continue;
        d.tensors.clear();
        for (const auto& [name, tensor] : usual) {
            const bool inside = name.starts_with("model.");
            const std::string before = std::string_view(model).starts_with("language_model.") ? "language_model." : "";
            d.tensors[inside ? model + name.substr(6) : before + name] = tensor;
        }
        EXPECT_EQ(outputs_of(d.loaded()), expected) << model;
    }
}

// Experts in stacks of gate and up in one, as transformers has kept them since version 5.
TEST_P(Directories, ExpertsMayBeStacks) {
    Directory d(GetParam());
    const auto expected = outputs_of(d.loaded());
    std::map<std::string, std::map<std::string, std::map<int, RawTensor>>> stacks;  // by path, matrix, expert
    for (const auto& [name, tensor] : RawTensors(d.tensors)) {
        const size_t at = name.find(".experts.");
        if (at == std::string::npos || !std::isdigit(name[at + 9])) continue;
        const std::string rest = name.substr(at + 9), matrix = rest.substr(rest.find('.') + 1);
        stacks[name.substr(0, at)][matrix][std::stoi(rest)] = tensor;
        d.tensors.erase(name);
    }
    if (stacks.empty()) GTEST_SKIP() << "no experts, or stacks already";
    for (auto& [path, matrices] : stacks) {
        const bool numbered = matrices.contains("w1.weight");
        const auto& gate = matrices[numbered ? "w1.weight" : "gate_proj.weight"];
        const auto& up = matrices[numbered ? "w3.weight" : "up_proj.weight"];
        const auto& down = matrices[numbered ? "w2.weight" : "down_proj.weight"];
        const auto experts = static_cast<int64_t>(gate.size());
        const int64_t F = gate.at(0).shape[0], D = gate.at(0).shape[1];
        RawTensor both{"F32", {experts, 2 * F, D}, {}}, downs{"F32", {experts, D, F}, {}};
        for (int e = 0; e < experts; ++e) {
            both.bytes += gate.at(e).bytes + up.at(e).bytes;
            downs.bytes += down.at(e).bytes;
        }
        std::string parent = path;
        if (const size_t at = path.find(".block_sparse_moe"); at != std::string::npos) {
            parent = path.substr(0, at) + ".mlp";
            d.tensors[parent + ".gate.weight"] = d.tensors.at(path + ".gate.weight");
            d.tensors.erase(path + ".gate.weight");
        }
        d.tensors[parent + ".experts.gate_up_proj"] = both;
        d.tensors[parent + ".experts.down_proj"] = downs;
    }
    const auto model = d.loaded();
    EXPECT_EQ(outputs_of(model), expected);
    save_model(*model, d.at / "model.gguf");
    EXPECT_EQ(load_model(d.at / "model.gguf")->spec.layers.size(), d.spec.layers.size());
}

TEST(OneDirectory, NumbersOf64Bits) {
    Directory d("llama");
    const auto expected = outputs_of(d.loaded());
    const auto widened = [](const RawTensor& t, double factor) {
        RawTensor wide{"F64", t.shape, {}};
        for (size_t i = 0; i < t.bytes.size(); i += 4) {
            float number;
            std::memcpy(&number, t.bytes.data() + i, 4);
            const double value = number * factor;
            wide.bytes.append(reinterpret_cast<const char*>(&value), 8);
        }
        return wide;
    };
    const RawTensors usual = d.tensors;
    for (auto& [name, tensor] : d.tensors) tensor = widened(tensor, 1);
    EXPECT_EQ(outputs_of(d.loaded()), expected);
    d.tensors["model.norm.weight"] = widened(usual.at("model.norm.weight"), 1e300);
    EXPECT_NE(d.refused().find("model.norm.weight: number 0 is not finite, or too large for f32"), std::string::npos);
}

// Where both are there and differ, what the file holds counts.
TEST(OneDirectory, AHeadBesideATiedFlag) {
    Directory d("llama");
    const auto own = outputs_of(d.loaded());
    d.config["tie_word_embeddings"] = true;
    const auto model = d.loaded();
    EXPECT_EQ(outputs_of(model), own);
    EXPECT_TRUE(says(model->warnings, "lm_head.weight is not the embedding"));
    d.tensors["lm_head.weight"] = d.tensors["model.embed_tokens.weight"];
    EXPECT_TRUE(d.loaded()->spec.tied_head);
    EXPECT_EQ(d.loaded()->warnings, std::vector<std::string>());
    d.tensors.erase("lm_head.weight");
    EXPECT_TRUE(d.loaded()->spec.tied_head);
}

TEST(OneDirectory, ATensorInTwoFilesIsRefused) {
    Directory d("llama");
    write_hf(d.at / "hf", d.config, d.tensors, 2);
    RawTensors second{{"model.norm.weight", d.tensors.at("model.norm.weight")}};
    for (const char* file : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
        RawTensors part;
        size_t next = 0;
        for (const auto& [name, tensor] : d.tensors)
            if (next++ % 2 == (std::string(file).find("00001") == std::string::npos ? 1 : 0)) part[name] = tensor;
        part.insert(second.begin(), second.end());
        write_safetensors(d.at / "hf" / file, part);
    }
    EXPECT_NE(error_of([&] { load_model(d.at / "hf"); }).find("\"model.norm.weight\" appears twice"),
              std::string::npos);
}

TEST(OneDirectory, FilesThatDidNotArriveAreNamed) {
    Directory d("llama");
    const std::string pointer =
        "version https://git-lfs.github.com/spec/v1\noid sha256:0123456789abcdef\nsize 4976698672\n";
    write_hf(d.at / "hf", d.config, d.tensors);
    std::ofstream(d.at / "hf" / "model.safetensors") << pointer;
    const auto error = [&] { return error_of([&] { load_model(d.at / "hf"); }); };
    EXPECT_NE(error().find("model.safetensors: holds a git-lfs pointer"), std::string::npos) << error();
    fs::remove(d.at / "hf" / "model.safetensors");
    fs::create_symlink("../../blobs/none", d.at / "hf" / "model.safetensors");
    EXPECT_NE(error().find("is a link to ../../blobs/none, which is not there"), std::string::npos) << error();
    std::ofstream(d.at / "hf" / "config.json") << pointer;
    EXPECT_NE(error().find("config.json: holds a git-lfs pointer"), std::string::npos) << error();
    std::ofstream(d.at / "model.gguf") << pointer;
    EXPECT_NE(error_of([&] { load_model(d.at / "model.gguf"); }).find("git-lfs pointer"), std::string::npos);
}

// A download cache holds blobs by hash, and snapshots of links to them.
TEST(OneDirectory, ADownloadCacheIsRead) {
    Directory d("mixtral");
    const auto expected = outputs_of(d.loaded());
    write_hf(d.at / "hf", d.config, d.tensors, 3);
    const fs::path cache = d.at / "models--someone--mixtral", snapshot = cache / "snapshots" / "0123abc";
    fs::create_directories(snapshot);
    fs::create_directories(cache / "blobs");
    fs::create_directories(cache / "refs");
    std::ofstream(cache / "refs" / "main") << "0123abc";
    int blob = 0;
    for (const auto& entry : fs::directory_iterator(d.at / "hf")) {
        const std::string hash = fmt::format("{:064}", blob++);
        fs::rename(entry.path(), cache / "blobs" / hash);
        fs::create_symlink("../../blobs/" + hash, snapshot / entry.path().filename());
    }
    EXPECT_EQ(outputs_of(load_model(snapshot)), expected);
    EXPECT_EQ(outputs_of(load_model(cache)), expected);
    fs::remove_all(snapshot);
    EXPECT_NE(error_of([&] { load_model(cache); }).find("names a snapshot that is not there"), std::string::npos);
}

// Infinity and NaN, which Python writes into JSON, are numbers that nothing may be computed with.
TEST(OneDirectory, WordsOfPythonInConfigJson) {
    Directory d("llama");
    write_hf(d.at / "hf", d.config, d.tensors);
    const auto with = [&](const std::string& more) {
        std::string text = d.config.dump();
        text.insert(1, more + ", ");
        std::ofstream(d.at / "hf" / "config.json") << text;
        return error_of([&] { load_model(d.at / "hf"); });
    };
    EXPECT_EQ(with(R"("time_step_limit": [0.0, Infinity], "_a": [NaN, -Infinity], "_text": "a, NaN: \"Infinity")"), "");
    d.config.erase("rms_norm_eps");
    EXPECT_NE(with(R"("rms_norm_eps": NaN)").find("rms_norm_eps is nan, expected a number"), std::string::npos);
    d.config.erase("hidden_size");
    EXPECT_NE(with(R"("hidden_size": Infinity)").find("hidden_size: found inf, expected i32"), std::string::npos);
    EXPECT_NE(with(R"("a": NaNa)").find("not valid JSON"), std::string::npos);
}

// Old directories list tokens beyond a SentencePiece model's in a file of their own; a tokenizer.model may be
// tiktoken's.
TEST(OneDirectory, OtherFilesOfTokenizers) {
    const TemporaryDirectory at;
    write_hf_tokenizer(tiny_vocabulary(290), at.path());
    std::ofstream(at / "added_tokens.json") << R"({"<later>": 291, "<sooner>": 290, "the": 277})";
    const Vocabulary& v = load_tokenizer(at.path())->vocabulary();
    EXPECT_EQ(v.size(), 292);
    EXPECT_EQ(v.tokens[290], "<sooner>");
    EXPECT_EQ(v.tokens[291], "<later>");
    std::ofstream(at / "added_tokens.json") << R"({"<later>": "x"})";
    EXPECT_NE(error_of([&] { load_tokenizer(at.path()); }).find("the id of \"<later>\" is \"x\""), std::string::npos);
    std::ofstream(at / "tokenizer.model") << "IQ== 0\nIg== 1\n";
    EXPECT_NE(error_of([&] { load_tokenizer(at.path()); }).find("is a vocabulary of tiktoken"), std::string::npos);
    std::ofstream(at / "tokenizer.json") << "{}";
    EXPECT_NE(error_of([&] { load_tokenizer(at.path()); }).find("tokenizer.json"), std::string::npos);
}

// Tokens that were added behind those of the embedding are left out; other ones say that files are of two models.
TEST(OneDirectory, MoreTokensThanTheEmbedding) {
    const TemporaryDirectory directory;
    save_model(*tiny_model("llama"), directory / "model.gguf");
    const auto with = [&](int32_t type) {
        edit_gguf(directory / "model.gguf", directory / "more.gguf", [&](Metadata& metadata, NamedViews&) {
            auto tokens = metadata.require<std::vector<std::string>>("tokenizer.ggml.tokens");
            auto types = metadata.require<std::vector<int32_t>>("tokenizer.ggml.token_type");
            auto scores = metadata.require<std::vector<float>>("tokenizer.ggml.scores");
            tokens.push_back("<pad>");
            types.push_back(type);
            scores.push_back(0);
            metadata.set("tokenizer.ggml.tokens", MetaArray(tokens));
            metadata.set("tokenizer.ggml.token_type", MetaArray(types));
            metadata.set("tokenizer.ggml.scores", MetaArray(scores));
            metadata.set("tokenizer.ggml.padding_token_id", uint32_t{300});
        });
        return load_model(directory / "more.gguf");
    };
    const auto model = with(3);
    ASSERT_TRUE(model->tokenizer) << model->tokenizer_error;
    EXPECT_EQ(model->tokenizer->vocabulary().size(), 300);
    EXPECT_TRUE(says(model->warnings, "the tokenizer has 301 tokens, the embedding 300"));
    EXPECT_NE(error_of([&] { with(1); }).find("the tokenizer has 301 tokens"), std::string::npos);
}

}  // namespace
}  // namespace gremium::test
