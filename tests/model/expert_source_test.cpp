// Where experts can be read from: the bytes of a source are, in their order, what the expert's hash is of.
#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>
#include <iterator>

#include "base/hash.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "model/model.h"
#include "tests/model/tiny_model.h"

namespace gremium::test {
namespace {

std::string read(const FilePart& part) {
    std::ifstream file(part.file->path(), std::ios::binary);
    file.seekg(static_cast<std::streamoff>(part.offset));
    std::string bytes(part.bytes, '\0');
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    EXPECT_TRUE(file) << part.file->path();
    return bytes;
}

std::string read(const std::vector<FilePart>& source) {
    std::string bytes;
    for (const FilePart& part : source) bytes += read(part);
    return bytes;
}

template <typename Visit>
void for_each_expert(const moe::ExpertStore& store, Visit&& visit) {
    for (int l = 0; l < store.layers(); ++l)
        for (int e = 0; e < store.experts(l); ++e) visit(moe::ExpertId{l, e});
}

void expect_readable(const moe::ExpertStore& store) {
    for_each_expert(store, [&](moe::ExpertId id) {
        const std::string bytes = read(store.source(id));
        EXPECT_EQ(static_cast<int64_t>(bytes.size()), moe::bytes_of(store.peek(id)));
        EXPECT_EQ(content_hash(std::as_bytes(std::span(bytes))), store.hash(id)) << id.layer << "." << id.expert;
    });
}

void expect_no_source(const moe::ExpertStore& store) {
    for_each_expert(store, [&](moe::ExpertId id) { EXPECT_TRUE(store.source(id).empty()); });
}

class ExpertSources : public testing::TestWithParam<std::string> {
  protected:
    std::filesystem::path path(const char* name) const { return directory_ / name; }
    void SetUp() override { std::filesystem::create_directories(directory_); }
    void TearDown() override { std::filesystem::remove_all(directory_); }

  private:
    std::filesystem::path directory_ =
        std::filesystem::temp_directory_path() / ("gremium-sources-" + GetParam() + std::to_string(getpid()));
};

TEST_P(ExpertSources, InGgufAndInShards) {
    const auto model = tiny_model(GetParam());
    expect_no_source(*model->experts);
    save_model(*model, path("model.gguf"), {.dtype = DType::f16});
    for (const moe::Residency residency : {moe::Residency::mapped, moe::Residency::resident})
        expect_readable(*load_model(path("model.gguf"), {.experts = residency})->experts);

    save_model(*model, path("hf"), {.container = Container::hugging_face, .shard_bytes = 20'000});
    const auto shards = load_model(path("hf"));
    EXPECT_GT(shards->experts->files().size(), 1u);
    // These families transpose or interleave the matrices of their experts, so that they are copied.
    if (GetParam() == "gptoss" || GetParam() == "llama4")
        expect_no_source(*shards->experts);
    else
        expect_readable(*shards->experts);
}

std::vector<std::string> with_experts() {
    std::vector<std::string> names;
    for (const std::string& name : tiny_architectures())
        if (tiny_model(name)->experts) names.push_back(name);
    return names;
}
INSTANTIATE_TEST_SUITE_P(All, ExpertSources, testing::ValuesIn(with_experts()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace gremium::test
