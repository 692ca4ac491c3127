// Files that llama.cpp's tools wrote: they open, say what their names promise, and are written back bit for bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "formats/gguf/gguf.h"
#include "tests/formats/files.h"
#include "tests/source_directory.h"

namespace gremium {
namespace {

std::filesystem::path fixtures() {
    const char* shared = std::getenv("GREMIUM_SHARED");
    return (shared ? shared : test::source_directory() / "../shared") / "fixtures";
}

std::vector<std::filesystem::path> gguf_files() {
    std::vector<std::filesystem::path> files;
    for (const char* folder : {"models", "tokenizers"}) {
        if (!std::filesystem::is_directory(fixtures() / folder)) continue;
        for (const auto& entry : std::filesystem::directory_iterator(fixtures() / folder)) {
            if (entry.path().extension() == ".gguf") files.push_back(entry.path());
        }
    }
    return files;
}

TEST(GgufFixtures, ReadAndWrittenBackIdentical) {
    const auto files = gguf_files();
    if (files.empty()) GTEST_SKIP() << "no fixtures below " << fixtures();
    const test::TemporaryDirectory directory;
    for (const auto& path : files) {
        SCOPED_TRACE(path.filename().string());
        const GgufFile file = open_gguf(path);
        EXPECT_TRUE(file.metadata.contains("general.architecture"));
        GgufWriter writer(directory / "copy.gguf", file.metadata, file.tensors.declarations());
        test::copy_tensors(file.tensors, writer);
        EXPECT_TRUE(test::read_bytes(path) == test::read_bytes(directory / "copy.gguf"));
    }
}

TEST(GgufFixtures, StackedExpertsHaveTorchOrder) {
    const auto path = fixtures() / "models" / "mixtral.gguf";
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
    const GgufFile file = open_gguf(path);
    const auto experts = file.metadata.require<int64_t>("llama.expert_count");
    const auto width = file.metadata.require<int64_t>("llama.embedding_length");
    const auto hidden = file.metadata.require<int64_t>("llama.feed_forward_length");
    const auto tokens = file.metadata.require<std::vector<std::string>>("tokenizer.ggml.tokens");
    EXPECT_EQ(file.tensors.require("blk.0.ffn_gate_exps.weight", Shape{experts, hidden, width}).dtype, DType::f32);
    EXPECT_EQ(file.tensors.require("blk.0.ffn_down_exps.weight", Shape{experts, width, hidden}).dtype, DType::f32);
    EXPECT_EQ(file.tensors.require("token_embd.weight").shape[0], static_cast<int64_t>(tokens.size()));
}

}  // namespace
}  // namespace gremium
