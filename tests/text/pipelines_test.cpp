// Small tokenizers of every part that a tokenizer.json may have, against Hugging Face's tokenizers library
// (pipelines/goldens.json, written by pipelines/pipelines.mjs).
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/source_directory.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json.h"

namespace gremium {
namespace {

using Json = nlohmann::json;

Json goldens() {
    std::ifstream file(test::source_directory() / "tests/text/pipelines/goldens.json");
    Json all = Json::parse(file);
    for (Json& pipeline : all["pipelines"])
        pipeline["tokenizer"]["model"] = all["models"].at(pipeline["tokenizer"]["model"].get<size_t>());
    return all;
}

// FNV-1a over the ids.
uint32_t hash(const std::vector<int32_t>& ids) {
    uint32_t h = 0x811C9DC5;
    for (const int32_t id : ids) {
        for (int shift = 0; shift < 32; shift += 8) h = (h ^ (static_cast<uint32_t>(id) >> shift & 255)) * 0x01000193;
    }
    return h;
}

TEST(Pipelines, IdsAreTheLibrarys) {
    const Json all = goldens();
    ASSERT_GT(all["pipelines"].size(), 140U);
    for (const Json& pipeline : all["pipelines"]) {
        SCOPED_TRACE(pipeline["name"].get<std::string>());
        const auto tokenizer = make_tokenizer(read_tokenizer_json(pipeline["tokenizer"].dump(), "tokenizer.json"));
        for (size_t i = 0; i < all["texts"].size(); ++i) {
            const auto ids = tokenizer->encode(all["texts"][i].get<std::string>());
            EXPECT_EQ(hash(ids), pipeline["hashes"][i].get<uint32_t>()) << all["texts"][i] << ": " << Json(ids);
        }
    }
}

TEST(Pipelines, WrittenAndReadTheyAreTheSame) {
    const Json all = goldens();
    for (const Json& pipeline : all["pipelines"]) {
        SCOPED_TRACE(pipeline["name"].get<std::string>());
        const Vocabulary v = read_tokenizer_json(pipeline["tokenizer"].dump(), "tokenizer.json");
        EXPECT_EQ(read_tokenizer_json(write_tokenizer_json(v), "written"), v);
    }
}

}  // namespace
}  // namespace gremium
