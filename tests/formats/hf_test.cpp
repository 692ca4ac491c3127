#include "formats/hugging_face/hf.h"

#include <gmock/gmock.h>

#include "base/json.h"
#include "tests/formats/files.h"

namespace gremium {
namespace {

using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

HfConfig example() {
    return {parse_json(R"({"hidden_size": 64, "num_experts": 8, "rope_theta": 1000000, "eps": 1e-6, "tie": false,
                          "window": null, "big": 5000000000, "name": "qwen", "eos": [1, 2], "negative": -1,
                          "rope_scaling": {"factor": 2.0, "type": "yarn"}})",
                       "config.json"),
            "config.json"};
}

TEST(HfConfig, ReadsTypedValuesUnderAnyOfTheirNames) {
    const HfConfig c = example();
    EXPECT_EQ(c.require<int32_t>("hidden_size"), 64);
    EXPECT_EQ(c.require<uint32_t>({"num_local_experts", "num_experts"}), 8u);
    EXPECT_EQ(c.require<float>("rope_theta"), 1e6f);
    EXPECT_EQ(c.require<double>("eps"), 1e-6);
    EXPECT_EQ(c.get<bool>("tie", true), false);
    EXPECT_EQ(c.get<int32_t>("window", 7), 7);  // null is absent
    EXPECT_EQ(c.require<int64_t>("big"), 5'000'000'000);
    EXPECT_EQ(c.require<std::string>("name"), "qwen");
    EXPECT_THAT(c.require<std::vector<int32_t>>("eos"), ElementsAre(1, 2));
    EXPECT_EQ(c.child("rope_scaling")->require<float>("factor"), 2.0f);
    EXPECT_EQ(c.child("absent"), std::nullopt);
    EXPECT_EQ(c.find<int32_t>("absent"), std::nullopt);
}

TEST(HfConfig, ErrorsNameFileKeyFoundAndExpected) {
    const HfConfig c = example();
    EXPECT_EQ(error_of([&] { c.require<int32_t>({"a", "b"}); }), "config.json: a or b is missing, expected i32");
    EXPECT_EQ(error_of([&] { c.require<int32_t>("big"); }), "config.json: big: found 5000000000, expected i32");
    EXPECT_EQ(error_of([&] { c.require<uint32_t>("negative"); }), "config.json: negative: found -1, expected u32");
    EXPECT_EQ(error_of([&] { c.require<int32_t>("eps"); }), "config.json: eps: found 1e-06, expected i32");
    EXPECT_EQ(error_of([&] { c.find<int32_t>("name"); }), "config.json: name: found \"qwen\", expected i32");
    EXPECT_EQ(error_of([&] { c.find<bool>("hidden_size"); }), "config.json: hidden_size: found 64, expected bool");
    EXPECT_EQ(error_of([&] { c.find<std::string>("eos"); }), "config.json: eos: found an array of 2, expected string");
    EXPECT_EQ(error_of([&] { c.child("rope_scaling")->require<bool>("type"); }),
              "config.json: rope_scaling: type: found \"yarn\", expected bool");
    EXPECT_EQ(error_of([&] { c.child("name"); }), "config.json: name: expected a JSON object");
}

TEST(HfJson, IsBounded) {
    EXPECT_EQ(error_of([] { parse_json("{\"a\": tru}", "f"); }), "f: not valid JSON at byte 10");
    EXPECT_EQ(error_of([] { parse_json("1e999", "f"); }), "f: JSON has a number that is out of range");
    EXPECT_EQ(error_of([] { parse_json(std::string(100000, '['), "f"); }), "f: JSON is nested more than 64 deep");
    const test::TemporaryDirectory directory;
    test::write_bytes(directory / "big.json", std::string(2000, ' '));
    EXPECT_THAT(error_of([&] { read_json(directory / "big.json", 1000); }), HasSubstr("more than 1000 bytes"));
}

// Writes tensors whose bytes are the first letters of their names.
void write_model(const std::filesystem::path& directory, int64_t max_shard_bytes) {
    const auto writer =
        create_hf(directory,
                  {{"a", DType::f32, {4}}, {"b", DType::bf16, {2, 2}}, {"c", DType::f32, {8}}, {"d", DType::bf16, {1}}},
                  {.config = {{"model_type", "qwen2_moe"}, {"hidden_size", 4}},
                   .generation_config = {{"eos_token_id", 2}},
                   .shards = {.max_bytes = max_shard_bytes}});
    for (const TensorDecl& t : writer->tensors())
        writer->write(t.name, test::bytes_of(std::string(checked_bytes(t, "t"), t.name[0])));
    writer->finish();
}

void expect_model(const HfModel& model) {
    EXPECT_EQ(model.config.require<std::string>("model_type"), "qwen2_moe");
    EXPECT_EQ(model.generation_config->require<int32_t>("eos_token_id"), 2);
    EXPECT_EQ(model.tensors.size(), 4u);
    EXPECT_EQ(test::text_of(model.tensors.require("a", {4})), std::string(16, 'a'));
    EXPECT_EQ(test::text_of(model.tensors.require("b", {2, 2})), std::string(8, 'b'));
    EXPECT_EQ(test::text_of(model.tensors.require("c", {8})), std::string(32, 'c'));
    EXPECT_EQ(test::text_of(model.tensors.require("d", {1})), std::string(2, 'd'));
}

TEST(HfDirectory, OneFileOrShardsReadBackTheSame) {
    const test::TemporaryDirectory directory;
    write_model(directory / "m", 1000);
    expect_model(open_hf(directory / "m"));
    EXPECT_TRUE(std::filesystem::exists(directory / "m" / "model.safetensors"));

    write_model(directory / "m", 30);  // a b | c | d: a tensor above the limit stands alone
    EXPECT_FALSE(std::filesystem::exists(directory / "m" / "model.safetensors"));
    const nlohmann::json index = read_json(directory / "m" / "model.safetensors.index.json");
    EXPECT_EQ(index, nlohmann::json::parse(R"({"metadata": {"total_size": 58}, "weight_map": {
        "a": "model-00001-of-00003.safetensors", "b": "model-00001-of-00003.safetensors",
        "c": "model-00002-of-00003.safetensors", "d": "model-00003-of-00003.safetensors"}})"));
    expect_model(open_hf(directory / "m"));

    write_model(directory / "m", 1000);
    EXPECT_FALSE(std::filesystem::exists(directory / "m" / "model.safetensors.index.json"));
    expect_model(open_hf(directory / "m"));
}

TEST(HfDirectory, ConfigKeepsItsOrder) {
    const test::TemporaryDirectory directory;
    write_model(directory / "m", 1000);
    EXPECT_EQ(test::read_bytes(directory / "m" / "config.json"),
              "{\n  \"model_type\": \"qwen2_moe\",\n  \"hidden_size\": 4\n}\n");
}

TEST(HfDirectory, ErrorsSayWhatIsMissing) {
    const test::TemporaryDirectory directory;
    EXPECT_THAT(error_of([&] { open_hf(directory.path()); }), HasSubstr("config.json: not a readable file"));
    test::write_bytes(directory / "config.json", "[]");
    EXPECT_THAT(error_of([&] { open_hf(directory.path()); }), HasSubstr("config.json: expected a JSON object"));
    test::write_bytes(directory / "config.json", "{}");
    EXPECT_THAT(error_of([&] { open_hf(directory.path()); }), HasSubstr("expected model.safetensors or"));
}

TEST(HfDirectory, IndexesMustBeTrue) {
    const test::TemporaryDirectory directory;
    write_model(directory.path(), 30);
    const auto error_of_index = [&](const std::string& json) {
        test::write_bytes(directory / "model.safetensors.index.json", json);
        return error_of([&] { open_hf(directory.path()); });
    };
    EXPECT_THAT(error_of_index(R"({"weight_map": {"c": "model-00001-of-00003.safetensors"}})"),
                HasSubstr("model-00001-of-00003.safetensors: tensor \"c\" is missing"));
    EXPECT_THAT(error_of_index(R"({"weight_map": {"c": "../c.safetensors"}})"), HasSubstr("beside the index"));
    EXPECT_THAT(error_of_index(R"({"weight_map": {"c": "/etc/passwd"}})"), HasSubstr("beside the index"));
    EXPECT_THAT(error_of_index(R"({"weight_map": {"c": 1}})"), HasSubstr("\"c\": expected a string"));
    EXPECT_THAT(error_of_index(R"({"weight_map": {"c": "gone.safetensors"}})"),
                HasSubstr("gone.safetensors: cannot open"));
    EXPECT_THAT(error_of_index(R"({"weight_map": {}})"), HasSubstr("at least one tensor"));
    EXPECT_THAT(error_of_index("[]"), HasSubstr("weight_map"));
    std::filesystem::copy(directory / "model-00001-of-00003.safetensors", directory / "again.safetensors");
    EXPECT_THAT(
        error_of_index(R"({"weight_map": {"a": "model-00001-of-00003.safetensors", "b": "again.safetensors"}})"),
        HasSubstr("appears twice"));
}

}  // namespace
}  // namespace gremium
