// Keys of metadata in all spellings that files have, and what happens to those that nobody understands.
#include <gtest/gtest.h>

#include <fstream>

#include "base/atomic_file.h"
#include "base/json.h"
#include "model/archs/architecture.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "tests/model/edit_files.h"
#include "tests/model/hf_layout.h"
#include "tests/temporary_directory.h"

namespace gremium::test {
namespace {

const SaveOptions hf{.container = Container::hugging_face};

class MetadataKeys : public testing::TestWithParam<std::string> {
  protected:
    std::filesystem::path gguf() const {
        save_model(*tiny_model(GetParam()), directory_ / "plain.gguf");
        return directory_ / "plain.gguf";
    }
    std::shared_ptr<const Model> edited(const std::filesystem::path& from, const EditGguf& edit) const {
        edit_gguf(from, directory_ / "edited.gguf", edit);
        return load_model(directory_ / "edited.gguf");
    }
    TemporaryDirectory directory_;
};
INSTANTIATE_TEST_SUITE_P(Architectures, MetadataKeys, testing::ValuesIn(tiny_architectures()),
                         [](const auto& test) { return test.param; });

TEST_P(MetadataKeys, UnknownOnesOfGgufAreNamed) {
    const auto file = gguf();
    EXPECT_EQ(load_model(file)->warnings, std::vector<std::string>());
    const auto model = edited(file, [](Metadata& metadata, NamedViews&) {
        metadata.set(own_key(metadata, "attention.of_the_future"), uint32_t{7});
        metadata.set("tokenizer.ggml.of_the_future", std::string("x"));
        metadata.set("general.sampling.of_the_future", 1.0f);
        metadata.set("general.of_nobody", std::string("x"));
        metadata.set(own_key(metadata, "tensor_data_layout"), std::string("x"));
    });
    ASSERT_EQ(model->warnings.size(), 1u);
    for (const char* named : {".attention.of_the_future", "tokenizer.ggml.of_the_future", "general.sampling.of_the_"})
        EXPECT_TRUE(says(model->warnings, named)) << model->warnings[0];
    for (const char* harmless : {"of_nobody", "tensor_data_layout"})
        EXPECT_FALSE(says(model->warnings, harmless)) << model->warnings[0];
    const auto with_softcap = [&](float value) {
        return error_of([&] {
            edited(file, [&](Metadata& metadata, NamedViews&) {
                metadata.set(own_key(metadata, "final_logit_softcapping"), value);
            });
        });
    };
    EXPECT_EQ(with_softcap(0), "");
    EXPECT_NE(with_softcap(30).find("final_logit_softcapping is 30"), std::string::npos);
}

TEST_P(MetadataKeys, UnknownOnesOfConfigJsonAreNamed) {
    save_model(*tiny_model(GetParam()), directory_ / "hf", hf);
    EXPECT_EQ(load_model(directory_ / "hf")->warnings, std::vector<std::string>());
    const auto with = [&](const nlohmann::json& more) {
        nlohmann::json config = read_json(directory_ / "hf" / "config.json");
        config.update(more);
        write_file_atomically(directory_ / "hf" / "config.json", config.dump());
        return load_model(directory_ / "hf");
    };
    const auto model =
        with({{"key_of_the_future", 3}, {"initializer_range", 0.02}, {"final_logit_softcapping", nullptr}});
    ASSERT_EQ(model->warnings.size(), 1u);
    EXPECT_TRUE(says(model->warnings, "config.json: key_of_the_future is not understood"));
    EXPECT_NE(error_of([&] {
                  with({{"final_logit_softcapping", 30.0}});
              }).find("final_logit_softcapping is 30"),
              std::string::npos);
}

// Layers that predict further tokens are behind the model's and are not used, in every family.
TEST_P(MetadataKeys, FurtherLayersAreSkipped) {
    const auto file = gguf();
    const auto plain = load_model(file);
    const auto layers = static_cast<int>(plain->spec.layers.size());
    const auto model = edited(file, [&](Metadata& metadata, NamedViews& tensors) {
        metadata.set(own_key(metadata, "block_count"), static_cast<uint32_t>(layers + 1));
        metadata.set(own_key(metadata, "nextn_predict_layers"), uint32_t{1});
        for (const char* per_layer : {"attention.head_count_kv", "attention.head_count", "feed_forward_length"}) {
            auto values = metadata.value(own_key(metadata, per_layer));
            if (values && std::holds_alternative<MetaArray>(*values)) {
                auto each = metadata.require<std::vector<int32_t>>(own_key(metadata, per_layer));
                each.push_back(each.back());
                metadata.set(own_key(metadata, per_layer), MetaArray(each));
            }
        }
        const std::string last = fmt::format("blk.{}.", layers - 1), further = fmt::format("blk.{}.", layers);
        NamedViews added;
        for (const auto& [name, view] : tensors)
            if (name.starts_with(last)) added.emplace_back(further + name.substr(last.size()), view);
        added.emplace_back(further + "nextn.eh_proj.weight", tensors.front().second);
        tensors.insert(tensors.end(), added.begin(), added.end());
    });
    EXPECT_EQ(model->spec, plain->spec);
    EXPECT_EQ(outputs_of(model), outputs_of(plain));
    EXPECT_EQ(model->warnings, std::vector<std::string>());
}

// A special token that the vocabulary has not is none.
TEST_P(MetadataKeys, SpecialTokensOutOfRangeAreNone) {
    for (const uint32_t id : {300u, 305u, UINT32_MAX}) {
        const auto model = edited(
            gguf(), [&](Metadata& metadata, NamedViews&) { metadata.set("tokenizer.ggml.padding_token_id", id); });
        ASSERT_TRUE(model->tokenizer) << model->tokenizer_error;
        EXPECT_EQ(model->tokenizer->vocabulary().pad, -1);
        EXPECT_EQ(says(model->warnings, "padding_token_id"), id != UINT32_MAX);
    }
}

Metadata metadata_of(const std::string& architecture, const TemporaryDirectory& directory) {
    save_model(*tiny_model(architecture), directory / "of.gguf");
    return open_gguf(directory / "of.gguf").metadata;
}

RopeSpec rope_of(const Metadata& metadata) {
    return architecture_of(metadata).from_gguf(metadata).layers.back().attention()->rope;
}

TEST(RopeKeys, OfGguf) {
    const TemporaryDirectory directory;
    const Metadata plain = metadata_of("llama", directory);
    const auto with = [&](const std::vector<Metadata::Entry>& entries) {
        Metadata metadata = plain;
        for (const auto& [key, value] : entries) metadata.set("llama.rope." + key, value);
        return rope_of(metadata);
    };
    const RopeSpec linear = with({{"scaling.type", std::string("linear")}, {"scaling.factor", 4.0f}});
    EXPECT_EQ(linear.linear_factor, 4);
    EXPECT_EQ(with({{"scaling.factor", 4.0f}}), linear);
    EXPECT_EQ(with({{"scale_linear", 4.0f}}), linear);
    EXPECT_EQ(with({{"scale_linear", 2.0f}, {"scaling.factor", 4.0f}}), linear);
    EXPECT_EQ(with({{"scaling.factor", 0.0f}}), with({}));
    EXPECT_EQ(with({{"scaling.type", std::string("none")}, {"scaling.factor", 4.0f}}), with({}));
    const RopeSpec yarn = with({{"scaling.type", std::string("yarn")},
                                {"scaling.factor", 4.0f},
                                {"scaling.original_context_length", uint32_t{128}}});
    EXPECT_EQ(with({{"scaling.type", std::string("yarn")}, {"scaling.factor", 4.0f}}), yarn);
    EXPECT_EQ(with({{"scaling.yarn_attn_factor", 1.5f}}).magnitude, 1.5f);
    EXPECT_NE(error_of([&] {
                  with({{"freq_base", std::numeric_limits<float>::infinity()}});
              }).find("expected a number"),
              std::string::npos);
}

RopeSpec rope_of(const std::string& architecture, const nlohmann::json& more,
                 const std::vector<std::string>& less = {"rope_scaling", "rope_theta"}) {
    const ModelSpec spec = tiny_spec(architecture);
    const auto tensors = tiny_tensors(spec);
    nlohmann::json config = HfLayout(spec, *tensors).config();
    for (const std::string& key : less) config.erase(key);
    config.update(more);
    const HfConfig said(config, "config.json");
    return architecture_of(said).from_hf(said).layers.back().attention()->rope;
}

TEST(RopeKeys, OfConfigJson) {
    using json = nlohmann::json;
    const RopeSpec old = rope_of("llama", {{"rope_theta", 5e5}, {"rope_scaling", {{"type", "linear"}, {"factor", 4}}}});
    const json now{{"rope_type", "linear"}, {"factor", 4}, {"rope_theta", 5e5}};
    EXPECT_EQ(old.linear_factor, 4);
    EXPECT_EQ(rope_of("llama", {{"rope_parameters", now}}), old);
    EXPECT_EQ(rope_of("llama", {{"rope_parameters", {{"full_attention", now}}}}), old);
    const json by_kind{{"full_attention", now}, {"sliding_attention", now}};
    const json kinds{"full_attention", "full_attention", "full_attention"};
    EXPECT_EQ(rope_of("llama", {{"rope_parameters", by_kind}, {"layer_types", kinds}}), old);
    // A factor of part of each head, at either place, and what a class means that its files do not say.
    EXPECT_EQ(rope_of("llama", {{"partial_rotary_factor", 0.5}}).dims, 4);
    EXPECT_EQ(rope_of("llama", {{"rope_parameters", {{"partial_rotary_factor", 0.5}}}}).dims, 4);
    EXPECT_EQ(rope_of("glm4moe", json::object(), {"partial_rotary_factor"}).dims, 4);
    EXPECT_EQ(rope_of("gptoss", json::object()).yarn, (YarnSpec{.factor = 32, .truncate = false}));
    EXPECT_EQ(rope_of("gptoss", json::object()).original_context, 4096);
    EXPECT_EQ(rope_of("gptoss", {{"rope_scaling", nullptr}}).yarn.factor, 1);
    // Of layers of two kinds with two rotations.
    json differ = by_kind;
    differ["sliding_attention"]["factor"] = 8;
    const json both{"sliding_attention", "full_attention", "sliding_attention"};
    EXPECT_NE(error_of([&] {
                  rope_of("gptoss", {{"rope_parameters", differ}, {"layer_types", both}});
              }).find("other rotation"),
              std::string::npos);
    // Yarn without the length before it, or without the factor that follows from it.
    const auto yarn = [&](const json& said) { return rope_of("llama", {{"rope_scaling", said}}); };
    EXPECT_EQ(yarn({{"rope_type", "yarn"}, {"factor", 4}}).original_context, 128);
    EXPECT_EQ(yarn({{"rope_type", "yarn"}, {"original_max_position_embeddings", 32}}).yarn.factor, 4);
}

// The embedding may be padded beyond the tokens.
TEST(Widths, OfTheEmbeddingWhereThereAreFewerTokens) {
    const TemporaryDirectory directory;
    save_model(*tiny_model("llama"), directory / "said.gguf");
    edit_gguf(directory / "said.gguf", directory / "fewer.gguf", [](Metadata& metadata, NamedViews&) {
        metadata.erase("llama.vocab_size");
        for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type"}) {
            MetaArray values = std::get<MetaArray>(*metadata.value(key));
            std::visit(
                [](auto& v) {
                    if constexpr (requires { v.resize(290); }) v.resize(290);
                },
                values);
            metadata.set(key, values);
        }
    });
    const auto model = load_model(directory / "fewer.gguf");
    EXPECT_EQ(model->spec.vocab, 300);
    ASSERT_TRUE(model->tokenizer) << model->tokenizer_error;
    EXPECT_EQ(outputs_of(model), outputs_of(load_model(directory / "said.gguf")));
}

TEST(Widths, ThatOldFilesDoNotSay) {
    const TemporaryDirectory directory;
    TinyShape shape{.hidden = 24, .expert_hidden = 12, .shared_hidden = 24};  // two of six experts a token
    for (const char* architecture : {"qwen2moe", "qwen3moe"}) {
        save_model(*tiny_model(architecture, shape), directory / "said.gguf");
        edit_gguf(directory / "said.gguf", directory / "old.gguf", [](Metadata& metadata, NamedViews&) {
            metadata.set(own_key(metadata, "feed_forward_length"), uint32_t{24});
            metadata.erase(own_key(metadata, "expert_feed_forward_length"));
            metadata.erase(own_key(metadata, "expert_shared_feed_forward_length"));
        });
        EXPECT_EQ(load_model(directory / "old.gguf")->spec, load_model(directory / "said.gguf")->spec) << architecture;
        edit_gguf(directory / "said.gguf", directory / "new.gguf",
                  [](Metadata& metadata, NamedViews&) { metadata.erase(own_key(metadata, "feed_forward_length")); });
        EXPECT_EQ(load_model(directory / "new.gguf")->spec, load_model(directory / "said.gguf")->spec) << architecture;
    }
    save_model(*tiny_model("llama"), directory / "dense.gguf");
    edit_gguf(directory / "dense.gguf", directory / "cut.gguf",
              [](Metadata& metadata, NamedViews&) { metadata.erase("llama.feed_forward_length"); });
    EXPECT_NE(error_of([&] { load_model(directory / "cut.gguf"); }).find("llama.feed_forward_length is missing"),
              std::string::npos);
}

// Kept by every conversion, and read from what others write.
TEST(SamplingDefaultsOfFiles, GoFromFormatToFormat) {
    const TemporaryDirectory directory;
    const auto model = tiny_model("mixtral");
    model->sampling = {.temperature = 0.6f, .top_k = 20, .top_p = 0.95f, .min_p = 0.1f, .repetition_penalty = 1.05f};
    save_model(*model, directory / "a.gguf");
    EXPECT_EQ(load_model(directory / "a.gguf")->sampling, model->sampling);
    save_model(*load_model(directory / "a.gguf"), directory / "hf", hf);
    EXPECT_EQ(load_model(directory / "hf")->sampling, model->sampling);
    const nlohmann::json written = read_json(directory / "hf" / "generation_config.json");
    EXPECT_EQ(written["temperature"], 0.6);
    EXPECT_EQ(written["do_sample"], true);
    const auto with = [&](const char* text) {
        std::ofstream(directory / "hf" / "generation_config.json") << text;
        return load_model(directory / "hf");
    };
    EXPECT_EQ(with(R"({"do_sample": false, "top_k": 5})")->sampling,
              (SamplingDefaults{.temperature = 0.0f, .top_k = 5}));
    const auto odd = with(R"({"top_p": 1.5, "temperature": 0.7, "typical_p": 0.2, "no_such": 1})");
    EXPECT_EQ(odd->sampling, (SamplingDefaults{.temperature = 0.7f}));
    for (const char* named : {"top_p is 1.5, which is out of range", "typical_p", "no_such"})
        EXPECT_TRUE(says(odd->warnings, named)) << named;
}

TEST(Names, DoNotTellWhereAModelWasLoadedFrom) {
    const auto name = [](const std::string& said) {
        const ModelSpec spec = tiny_spec("llama");
        const auto tensors = tiny_tensors(spec);
        nlohmann::json config = HfLayout(spec, *tensors).config();
        config["_name_or_path"] = said;
        const HfConfig read(config, "config.json");
        return architecture_of(read).from_hf(read).name;
    };
    EXPECT_EQ(name("Qwen/Qwen3-30B-A3B"), "Qwen/Qwen3-30B-A3B");
    EXPECT_EQ(name("/home/someone/models/mine"), "mine");
    EXPECT_EQ(name("./mine/"), "mine");
    EXPECT_EQ(name("~/models/mine"), "mine");
    EXPECT_EQ(name("C:\\models\\mine"), "mine");
    EXPECT_EQ(name("work/models/mine"), "mine");
    EXPECT_EQ(name("/cache/models--a--b/snapshots/0123456789abcdef0123456789abcdef01234567"), "");
}

// NaN, infinities and what a type cannot hold are named, and nothing is written.
TEST(NotANumber, IsNotWritten) {
    const TemporaryDirectory directory;
    const auto with = [](float value, const char* tensor = "blk.1.ffn_down_exps.weight", int64_t at = 12 * 32 + 5) {
        const ModelSpec spec = tiny_spec("mixtral");
        const auto tensors = tiny_tensors(spec);
        tensors->at(tensor).get().f32()[at] = value;
        return tiny_model(spec, tensors);
    };
    const auto saving = [&](float value, DType dtype, Container container) {
        return error_of([&] { save_model(*with(value), directory / "out", {.container = container, .dtype = dtype}); });
    };
    for (const Container container : {Container::gguf, Container::hugging_face}) {
        for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
            const std::string error = saving(value, DType::f16, container);
            EXPECT_NE(error.find("blk.1.ffn_down_exps.weight, expert 1: row 0, column 5"), std::string::npos) << error;
        }
        const std::string error = saving(1e6f, DType::f16, container);
        EXPECT_NE(error.find("as f16, which cannot hold it"), std::string::npos) << error;
        EXPECT_FALSE(std::filesystem::exists(directory / "out"));
    }
    for (const DType dtype : {DType::q8_0, DType::q4_0, DType::mxfp4, DType::bf16, DType::f32})
        EXPECT_NE(saving(std::nanf(""), dtype, Container::gguf), "") << info(dtype).name;
    const std::string run = error_of([&] { outputs_of(with(std::nanf(""), "output_norm.weight", 7)); });
    EXPECT_NE(run.find("the logit of token 0 is nan: tensor output_norm.weight: row 0, column 7 is nan"),
              std::string::npos)
        << run;
    EXPECT_NE(error_of([&] { outputs_of(with(std::nanf(""), "blk.1.attn_output.weight", 0)); }), "");
}

}  // namespace
}  // namespace gremium::test
