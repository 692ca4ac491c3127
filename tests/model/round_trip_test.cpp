// Models written and read back.
#include <gtest/gtest.h>

#include <unistd.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "formats/gguf/gguf.h"
#include "formats/hugging_face/hf.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "tensor/quantised/blocks.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"

namespace gremium::test {
namespace {

struct Entry {
    DType dtype;
    Shape shape;
    std::string bytes;
    friend bool operator==(const Entry&, const Entry&) = default;
};
using Entries = std::map<std::string, Entry>;

Entries entries(const TensorIndex& tensors) {
    Entries result;
    for (const TensorEntry& t : tensors)
        result[t.name] = {t.view.dtype,
                          t.view.shape,
                          {reinterpret_cast<const char*>(t.view.data), static_cast<size_t>(t.view.bytes())}};
    return result;
}

class RoundTrip : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override { std::filesystem::create_directories(directory_); }
    void TearDown() override { std::filesystem::remove_all(directory_); }
    std::filesystem::path path(const std::string& name) const { return directory_ / name; }

    std::shared_ptr<const Model> saved(const Model& model, const std::string& name, SaveOptions options = {}) const {
        save_model(model, path(name), options);
        return load_model(path(name));
    }

    std::filesystem::path directory_ =
        std::filesystem::temp_directory_path() / ("gremium-round-trip-" + std::to_string(getpid()));
};

const SaveOptions hf{.container = Container::hugging_face};

std::vector<std::vector<double>> outputs(std::shared_ptr<const Model> model) {
    const auto tokens = random_tokens(model->spec.vocab, 16);
    return all_logprobs(std::move(model), tokens);
}

TEST_P(RoundTrip, HuggingFaceKeepsEveryBit) {
    const auto model = tiny_model(GetParam());
    const auto read = saved(*model, "hf", hf);
    EXPECT_EQ(read->spec, model->spec);
    EXPECT_EQ(outputs(read), outputs(model));
    ASSERT_TRUE(read->tokenizer);
    EXPECT_EQ(read->tokenizer->vocabulary(), model->tokenizer->vocabulary());
}

// Whoever names them: the tokenizer's EOS, further ids of metadata, a published name, the chat template.
TEST(RoundTripOfVocabularies, TurnsEndAtTheSameTokensAfterAnyConversions) {
    const std::filesystem::path directory =
        std::filesystem::temp_directory_path() / ("gremium-ends-" + std::to_string(getpid()));
    std::filesystem::create_directories(directory);
    Random random(7, 0);
    for (int round = 0; round < 12; ++round) {
        const auto model = tiny_model("llama");
        Vocabulary v = model->tokenizer->vocabulary();
        const auto some = [&] { return static_cast<int32_t>(random.below(static_cast<uint64_t>(v.size()))); };
        for (uint64_t n = random.below(6); n > 0; --n) add_end(v, some());
        if (round % 3 == 1) v.eos = -1;
        if (round % 2 == 1) {
            const auto end = static_cast<size_t>(some());
            v.types[end] = TokenType::control;
            v.tokens[end] = "<|over|>";
            v.chat_template = "{% for m in messages %}{{ m.content }} {{ '<|over|>' }}{% endfor %}";
        }
        if (round % 4 == 2) {
            v.tokens[280] = "<|im_end|>";
            v.types[280] = TokenType::control;
        }
        model->tokenizer = make_tokenizer(v);
        const std::vector<int32_t> expected = model->tokenizer->ends_of_generation();
        std::shared_ptr<const Model> last = model;
        for (int step = 0; step < 4; ++step) {
            const bool to_gguf = (step + round) % 2 == 0;
            const auto path = directory / fmt::format("{}-{}{}", round, step, to_gguf ? ".gguf" : "");
            save_model(*last, path, to_gguf ? SaveOptions{} : hf);
            last = load_model(path);
            EXPECT_EQ(last->tokenizer->ends_of_generation(), expected) << path;
        }
    }
    std::filesystem::remove_all(directory);
}

TEST_P(RoundTrip, GgufKeepsEveryBit) {
    const auto model = tiny_model(GetParam());
    const auto first = saved(*model, "first.gguf");
    save_model(*first, path("second.gguf"));
    EXPECT_EQ(read_text_file(path("first.gguf")), read_text_file(path("second.gguf")));
    // Only up to rounding: interleaved rotation sums the products of a head in another order.
    const auto expected = outputs(model), actual = outputs(first);
    for (size_t t = 0; t < expected.size(); ++t)
        for (size_t i = 0; i < expected[t].size(); ++i) EXPECT_NEAR(expected[t][i], actual[t][i], 5e-5);
    ASSERT_TRUE(first->tokenizer);
    Vocabulary vocabulary = first->tokenizer->vocabulary();
    vocabulary.pre = "";  // GGUF says "default"
    EXPECT_EQ(vocabulary, model->tokenizer->vocabulary());
}

TEST_P(RoundTrip, GgufToHuggingFaceToGguf) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
        const auto first = saved(*tiny_model(GetParam()), "first.gguf", {.dtype = dtype});
        const auto middle = saved(*first, "hf", {.container = Container::hugging_face, .dtype = dtype});
        save_model(*middle, path("second.gguf"), {.dtype = dtype});
        Entries before = entries(open_gguf(path("first.gguf")).tensors),
                after = entries(open_gguf(path("second.gguf")).tensors);
        // Hugging Face has the logarithms of a state space's rates.
        const auto is_rates = [](const auto& entry) { return entry.first.ends_with("ssm_a"); };
        const bool rounded = std::erase_if(before, is_rates) > 0;
        std::erase_if(after, is_rates);
        EXPECT_EQ(before, after);
        const auto expected = outputs(first), actual = outputs(load_model(path("second.gguf")));
        for (size_t t = 0; t < expected.size(); ++t)
            for (size_t i = 0; i < expected[t].size(); ++i)
                EXPECT_NEAR(expected[t][i], actual[t][i], rounded ? 5e-5 : 0);
    }
}

// Files whose metadata somebody else wrote.
TEST(Fixtures, GgufToHuggingFaceToGguf) {
    const std::filesystem::path directory =
        std::filesystem::temp_directory_path() / ("gremium-fixtures-" + std::to_string(getpid()));
    for (const char* name : {"deepseek2-lite", "deepseek2-v3", "gpt-oss", "granitemoe", "llama-dense", "llama4",
                             "mixtral", "olmoe", "phimoe", "qwen2moe", "qwen3-dense", "qwen3moe"}) {
        const std::filesystem::path fixture = shared_fixture(std::string("models/") + name);
        if (fixture.empty()) GTEST_SKIP() << "the models of ../shared/fixtures are not here";
        const auto first = load_model(fixture.string() + ".gguf");
        save_model(*first, directory / "hf", hf);
        save_model(*load_model(directory / "hf"), directory / "second.gguf");
        EXPECT_EQ(entries(open_gguf(fixture.string() + ".gguf").tensors),
                  entries(open_gguf(directory / "second.gguf").tensors))
            << name;
        EXPECT_EQ(outputs(load_model(directory / "second.gguf")), outputs(first)) << name;
    }
    std::filesystem::remove_all(directory);
}

TEST_P(RoundTrip, MappedEqualsResident) {
    save_model(*tiny_model(GetParam()), path("model.gguf"), {.dtype = DType::f16});
    EXPECT_EQ(outputs(load_model(path("model.gguf"), {.experts = moe::Residency::mapped})),
              outputs(load_model(path("model.gguf"), {.experts = moe::Residency::resident})));
}

TEST_P(RoundTrip, TiedHead) {
    const auto model = tiny_model(GetParam(), {.tied = true});
    EXPECT_EQ(outputs(saved(*model, "hf", hf)), outputs(model));
    const auto read = saved(*model, "model.gguf");
    const auto expected = outputs(model), actual = outputs(read);
    for (size_t t = 0; t < expected.size(); ++t)
        for (size_t i = 0; i < expected[t].size(); ++i) EXPECT_NEAR(expected[t][i], actual[t][i], 5e-5);
}

INSTANTIATE_TEST_SUITE_P(Architectures, RoundTrip, testing::ValuesIn(tiny_architectures()),
                         [](const auto& test) { return test.param; });

class ModelFiles : public RoundTrip {};
INSTANTIATE_TEST_SUITE_P(Once, ModelFiles, testing::Values("mixtral"));

TEST_P(ModelFiles, CapacityAndSecondExpertsOfMoeMamba) {
    auto model = tiny_model("moe_mamba");
    for (LayerSpec& layer : model->spec.layers) {
        moe::RouterPolicy& router = std::get<MoeSpec>(layer.feed_forward).router;
        router.capacity_factor = 1.25f;
        router.second = moe::RouterPolicy::Second::sampled;
    }
    EXPECT_EQ(saved(*model, "hf", hf)->spec, model->spec);
    EXPECT_EQ(saved(*model, "model.gguf")->spec.layers[0].feed_forward, model->spec.layers[0].feed_forward);
}

// 32 columns divide by q8_0's blocks, an expert's 12 do not: these fall back to f16.
TEST_P(ModelFiles, QuantisedTypesFallBackToF16) {
    const auto model = tiny_model(GetParam());
    save_model(*model, path("model.gguf"), {.dtype = DType::q8_0});
    const TensorIndex tensors = open_gguf(path("model.gguf")).tensors;
    EXPECT_EQ(tensors.require("token_embd.weight").dtype, DType::q8_0);
    EXPECT_EQ(tensors.require("blk.0.attn_q.weight").dtype, DType::q8_0);
    EXPECT_EQ(tensors.require("blk.0.ffn_down_exps.weight").dtype, DType::f16);
    EXPECT_EQ(tensors.require("blk.0.ffn_gate_inp.weight").dtype, DType::f32);
    EXPECT_EQ(tensors.require("blk.0.attn_norm.weight").dtype, DType::f32);
    const auto expected = outputs(model), actual = outputs(load_model(path("model.gguf")));
    double total = 0;
    for (size_t i = 0; i < expected[15].size(); ++i)
        total += std::exp(expected[15][i]) * std::abs(expected[15][i] - actual[15][i]);
    EXPECT_LT(total, 0.05);
    EXPECT_THROW(save_model(*model, path("hf"), {.container = Container::hugging_face, .dtype = DType::q8_0}), Error);
    EXPECT_FALSE(std::filesystem::exists(path("hf")));
    EXPECT_FALSE(std::filesystem::exists(path("hf.tmp")));
}

// Rows of q by the published rule: GGUF row 2i is Hugging Face's row i of the head, row 2i + 1 is row i +
// d/2.
TEST_P(ModelFiles, LlamaRowsArePermutedInGguf) {
    const auto model = tiny_model(GetParam());
    save_model(*model, path("model.gguf"));
    save_model(*model, path("hf"), hf);
    const TensorIndex gguf = open_gguf(path("model.gguf")).tensors;
    const TensorIndex directory = open_hf(path("hf")).tensors;
    for (const auto& [ours, theirs, heads] :
         {std::tuple{"blk.1.attn_q.weight", "model.layers.1.self_attn.q_proj.weight", 4},
          std::tuple{"blk.1.attn_k.weight", "model.layers.1.self_attn.k_proj.weight", 2}}) {
        const TensorView a = gguf.require(ours), b = directory.require(theirs);
        for (int64_t head = 0; head < heads; ++head)
            for (int64_t i = 0; i < 4; ++i)
                for (int64_t half : {0, 1})
                    EXPECT_EQ(std::memcmp(a.row(head * 8 + 2 * i + half), b.row(head * 8 + i + 4 * half),
                                          static_cast<size_t>(a.row_bytes())),
                              0);
    }
}

// llama.cpp loads dots1 and olmoe with keys and values for every head; the shared ones are written for each.
TEST_P(ModelFiles, SharedKeysAreRepeatedWhereGgufWantsThem) {
    for (const char* architecture : {"dots1", "olmoe"}) {
        const auto model = tiny_model(architecture);
        EXPECT_EQ(saved(*model, "hf", hf)->spec.layers[1].attention()->kv_heads, 2);
        EXPECT_EQ(saved(*model, "model.gguf")->spec.layers[1].attention()->kv_heads, 4);
        const TensorIndex gguf = open_gguf(path("model.gguf")).tensors, directory = open_hf(path("hf")).tensors;
        const TensorView all = gguf.require("blk.1.attn_v.weight", {32, 32});
        const TensorView shared = directory.require("model.layers.1.self_attn.v_proj.weight", {16, 32});
        for (int64_t head = 0; head < 4; ++head)
            EXPECT_EQ(std::memcmp(all.row(8 * head), shared.row(8 * (head / 2)), 8 * 32 * sizeof(float)), 0);
    }
}

TEST_P(ModelFiles, OldAndFusedExpertTensors) {
    const auto model = tiny_model(GetParam());
    save_model(*model, path("model.gguf"));
    const GgufFile file = open_gguf(path("model.gguf"));
    const auto expected = outputs(load_model(path("model.gguf")));

    const auto rewrite = [&](const std::string& name, bool fused) {
        std::vector<TensorDecl> decls;
        std::map<std::string, std::string> bytes;
        const auto put = [&](const std::string& tensor, Shape shape, std::initializer_list<TensorView> parts) {
            decls.push_back({tensor, DType::f32, shape});
            for (const TensorView& part : parts)
                bytes[tensor].append(reinterpret_cast<const char*>(part.data), static_cast<size_t>(part.bytes()));
        };
        for (const TensorEntry& t : file.tensors) {
            const size_t exps = t.name.find("_exps");
            const std::string layer = t.name.substr(0, t.name.find("ffn_") + 4);
            if (exps == std::string::npos || (fused && t.name.find("down") != std::string::npos)) {
                put(t.name, t.view.shape, {t.view});
            } else if (!fused) {
                for (int64_t e = 0; e < t.view.shape[0]; ++e)
                    put(fmt::format("{}.{}.weight", t.name.substr(0, exps), e), t.view.at(e).shape, {t.view.at(e)});
            } else if (t.name.find("gate") != std::string::npos) {
                const TensorView up = file.tensors.require(layer + "up_exps.weight");
                put(layer + "gate_up_exps.weight", {6, 24, 32}, {});
                for (int64_t e = 0; e < 6; ++e)
                    for (const TensorView& part : {t.view.at(e), up.at(e)})
                        bytes[layer + "gate_up_exps.weight"].append(reinterpret_cast<const char*>(part.data),
                                                                    static_cast<size_t>(part.bytes()));
            }
        }
        GgufWriter writer(path(name), file.metadata, decls);
        for (const TensorDecl& decl : decls) writer.write(decl.name, std::as_bytes(std::span(bytes.at(decl.name))));
        writer.finish();
        return outputs(load_model(path(name)));
    };
    EXPECT_EQ(rewrite("old.gguf", false), expected);
    EXPECT_EQ(rewrite("fused.gguf", true), expected);
}

TEST_P(ModelFiles, SplitFilesAndVersionTwo) {
    save_model(*tiny_model(GetParam()), path("model.gguf"));
    const GgufFile file = open_gguf(path("model.gguf"));
    const auto expected = outputs(load_model(path("model.gguf")));
    const std::vector<TensorDecl> all = file.tensors.declarations();
    for (size_t part = 0; part < 3; ++part) {
        Metadata metadata = part == 0 ? file.metadata : Metadata();
        metadata.set("split.no", static_cast<uint16_t>(part));
        metadata.set("split.count", uint16_t{3});
        metadata.set("split.tensors.count", static_cast<int32_t>(all.size()));
        const std::vector<TensorDecl> decls(all.begin() + static_cast<std::ptrdiff_t>(part * all.size() / 3),
                                            all.begin() + static_cast<std::ptrdiff_t>((part + 1) * all.size() / 3));
        GgufWriter writer(path(fmt::format("split-{:05}-of-00003.gguf", part + 1)), metadata, decls);
        for (const TensorDecl& decl : decls) writer.write(decl.name, file.tensors.require(decl.name));
        writer.finish();
    }
    for (const char* part : {"split-00001-of-00003.gguf", "split-00003-of-00003.gguf"})
        EXPECT_EQ(outputs(load_model(path(part))), expected);

    std::string bytes = read_text_file(path("model.gguf"));
    ASSERT_EQ(bytes[4], 3);
    bytes[4] = 2;
    write_file_atomically(path("second.gguf"), bytes);
    EXPECT_EQ(outputs(load_model(path("second.gguf"))), expected);
}

// Files of March 2025 and before: keys' and values' matrices of all heads in one, sizes of heads as they are.
TEST_P(ModelFiles, LatentTensorsOfOlderFiles) {
    save_model(*tiny_model("deepseek2"), path("model.gguf"));
    const GgufFile file = open_gguf(path("model.gguf"));
    Metadata metadata = file.metadata;
    const auto copy = [&](const std::string& to, const std::string& from) {
        metadata.set("deepseek2.attention." + to, *file.metadata.value("deepseek2.attention." + from));
    };
    copy("key_length", "key_length_mla");
    copy("value_length", "value_length_mla");
    copy("head_count_kv", "head_count");
    for (const char* name : {"key_length_mla", "value_length_mla"})
        metadata.erase(std::string("deepseek2.attention.") + name);

    std::vector<TensorDecl> decls;
    std::map<std::string, std::vector<float>> values;
    for (const TensorEntry& t : file.tensors) {
        if (t.name.find("attn_v_b") != std::string::npos) continue;
        const size_t at = t.name.find("attn_k_b");
        values[t.name] = to_floats(t.view);
        decls.push_back({t.name, DType::f32, t.view.shape});
        if (at == std::string::npos) continue;
        const TensorView keys = t.view, v = file.tensors.require(t.name.substr(0, at) + "attn_v_b.weight");
        const int64_t heads = keys.shape[0], rank = keys.shape[1], plain = keys.shape[2], value = v.shape[1];
        decls.back() = {t.name.substr(0, at) + "attn_kv_b.weight", DType::f32, {heads * (plain + value), rank}};
        std::vector<float>& joined = values[decls.back().name];
        for (int64_t h = 0; h < heads; ++h) {
            for (int64_t i = 0; i < plain; ++i)
                for (int64_t c = 0; c < rank; ++c) joined.push_back(keys.f32()[(h * rank + c) * plain + i]);
            joined.insert(joined.end(), v.at(h).f32(), v.at(h).f32() + value * rank);
        }
    }
    GgufWriter writer(path("older.gguf"), metadata, decls);
    for (const TensorDecl& decl : decls) writer.write(decl.name, std::as_bytes(std::span(values.at(decl.name))));
    writer.finish();
    EXPECT_EQ(load_model(path("older.gguf"))->spec, load_model(path("model.gguf"))->spec);
    EXPECT_EQ(outputs(load_model(path("older.gguf"))), outputs(load_model(path("model.gguf"))));
}

TEST_P(ModelFiles, GraniteWithSharedExperts) {
    ModelSpec spec = tiny_spec("granitemoe");
    for (LayerSpec& layer : spec.layers) std::get<MoeSpec>(layer.feed_forward).shared_hidden = 10;
    const auto model = tiny_model(spec, tiny_tensors(spec));
    EXPECT_EQ(outputs(saved(*model, "hf", hf)), outputs(model));
    EXPECT_EQ(open_hf(path("hf")).config.require<std::string>("model_type"), "granitemoeshared");
    open_hf(path("hf")).tensors.require("model.layers.1.shared_mlp.input_linear.weight", {20, 32});
    const auto read = saved(*model, "model.gguf");
    EXPECT_EQ(*read->spec.layers[1].moe(), *model->spec.layers[1].moe());
}

// Llama 4's text model inside the one that also sees.
TEST_P(ModelFiles, TextModelWithinALargerOne) {
    const auto model = tiny_model("llama4");
    save_model(*model, path("hf"), hf);
    {
        const TensorIndex tensors = open_hf(path("hf")).tensors;
        std::vector<TensorDecl> decls{{"vision_model.patch_embedding.weight", DType::f32, {4, 4}}};
        for (const TensorDecl& decl : tensors.declarations())
            decls.push_back({"language_model." + decl.name, decl.dtype, decl.shape});
        SafetensorsWriter writer(path("hf") / "other.safetensors", decls);
        for (const TensorDecl& decl : writer.tensors()) {
            const TensorView* known = tensors.find(decl.name.substr(decl.name.find('.') + 1));
            if (known)
                writer.write(decl.name, *known);
            else
                writer.write(decl.name, std::vector<std::byte>(64));
        }
        writer.finish();
    }
    std::filesystem::rename(path("hf") / "other.safetensors", path("hf") / "model.safetensors");
    const auto text = nlohmann::json::parse(read_text_file(path("hf") / "config.json"));
    write_file_atomically(path("hf") / "config.json",
                          nlohmann::json{{"model_type", "llama4"}, {"text_config", text}}.dump());
    EXPECT_EQ(load_model(path("hf"))->spec, model->spec);
    EXPECT_EQ(outputs(load_model(path("hf"))), outputs(model));
}

TEST_P(ModelFiles, RotaryDivisorsTravel) {
    ModelSpec spec = tiny_spec("llama");
    // Llama 3.1's at head_dim 8 and base 500000: wavelengths 6.28, 167, 4443 and 118144 of an original
    // context of 8192.
    const float smooth = static_cast<float>((8192.0 / (2 * M_PI * std::pow(500000.0, 0.5)) - 1) / 3);
    for (LayerSpec& layer : spec.layers) layer.attention()->rope.divisors = {1, 1, 1 / ((1 - smooth) / 8 + smooth), 8};
    const auto model = tiny_model(spec, tiny_tensors(spec));
    const auto gguf = saved(*model, "model.gguf");
    EXPECT_EQ(gguf->spec.layers[0].attention()->rope.divisors, spec.layers[0].attention()->rope.divisors);
    const auto directory = saved(*model, "hf", hf);
    for (size_t i = 0; i < 4; ++i)
        EXPECT_FLOAT_EQ(directory->spec.layers[2].attention()->rope.divisors[i],
                        spec.layers[2].attention()->rope.divisors[i]);
    spec.layers[0].attention()->rope.divisors = {1, 2, 3, 4};
    EXPECT_THROW(save_model(*tiny_model(spec, tiny_tensors(spec)), path("odd"), hf), Error);
}

TEST_P(ModelFiles, WhatALayoutCannotExpressIsRefused) {
    const auto refused = [&](const std::function<void(ModelSpec&)>& change, const std::string& part) {
        ModelSpec spec = tiny_spec(GetParam());
        change(spec);
        const auto model = tiny_model(spec, tiny_tensors(spec));
        for (const SaveOptions& options : {SaveOptions{}, hf}) {
            try {
                save_model(*model, path("refused"), options);
                ADD_FAILURE() << part << " was written";
            } catch (const Error& error) {
                EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
            }
            EXPECT_FALSE(std::filesystem::exists(path("refused")));
        }
    };
    refused([](ModelSpec& s) { s.layers[1].attention()->window = 8; }, "attention of layer 1");
    refused([](ModelSpec& s) { s.layers[2].feed_forward = DenseSpec{.hidden = 8}; }, "feed-forward of layer");
    refused([](ModelSpec& s) { std::get<MoeSpec>(s.layers[0].feed_forward).router.normalise = false; },
            "feed-forward of layer");
    refused([](ModelSpec& s) { s.norm.kind = NormKind::layer; }, "norms");
}

TEST_P(ModelFiles, OtherDirectoriesAreNotReplaced) {
    std::filesystem::create_directories(path("home"));
    write_file_atomically(path("home") / "letter.txt", "dear");
    EXPECT_THROW(save_model(*tiny_model(GetParam()), path("home"), hf), Error);
    EXPECT_EQ(read_text_file(path("home") / "letter.txt"), "dear");
    save_model(*tiny_model(GetParam(), {}, 1), path("hf"), hf);
    save_model(*tiny_model(GetParam(), {}, 2), path("hf"), hf);
    EXPECT_EQ(outputs(load_model(path("hf"))), outputs(tiny_model(GetParam(), {}, 2)));
}

TEST_P(ModelFiles, TokenizerAlone) {
    const auto model = tiny_model(GetParam());
    save_model(*model, path("hf"), hf);
    for (const char* file : {"config.json", "model.safetensors"}) std::filesystem::remove(path("hf") / file);
    EXPECT_EQ(load_tokenizer(path("hf"))->encode("the hat"), model->tokenizer->encode("the hat"));

    save_model(*model, path("model.gguf"));
    GgufWriter(path("vocabulary.gguf"), open_gguf(path("model.gguf")).metadata, {}).finish();
    EXPECT_EQ(load_tokenizer(path("vocabulary.gguf"))->encode("the hat"), model->tokenizer->encode("the hat"));
    EXPECT_THROW(load_tokenizer(directory_), Error);
}

}  // namespace
}  // namespace gremium::test
