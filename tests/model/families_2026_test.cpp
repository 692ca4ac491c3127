// Families of 2026 from files that somebody else wrote: what is written of them is read as the same model, bit for bit.
#include <gtest/gtest.h>

#include <unistd.h>

#include "base/error.h"
#include "model/archs/architecture.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "model/named_weights.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"

namespace gremium::test {
namespace {

std::vector<std::vector<double>> outputs_of(std::shared_ptr<const Model> model) {
    const auto tokens = random_tokens(model->spec.vocab, 24);
    return all_logprobs(std::move(model), tokens);
}

class Families2026 : public testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        const std::filesystem::path base = shared_fixture(std::string("models2026/") + GetParam());
        if (base.empty()) GTEST_SKIP() << "the models of ../shared/fixtures/models2026 are not here";
        model_ = load_model(base.string() + ".gguf");
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    void expect_same(const std::shared_ptr<const Model>& read) const {
        ModelSpec named = read->spec;
        named.name = model_->spec.name;
        EXPECT_EQ(named, model_->spec);
        EXPECT_EQ(outputs_of(read), outputs_of(model_));
        EXPECT_TRUE(read->warnings.empty()) << read->warnings.front();
    }

    std::filesystem::path directory_ =
        std::filesystem::temp_directory_path() / ("gremium-families-2026-" + std::to_string(getpid()));
    std::shared_ptr<const Model> model_;
};

TEST_P(Families2026, AreOpenedWithoutWarnings) { EXPECT_TRUE(model_->warnings.empty()) << model_->warnings.front(); }

TEST_P(Families2026, AreWrittenAsGguf) {
    std::filesystem::create_directories(directory_);
    save_model(*model_, directory_ / "written.gguf");
    expect_same(load_model(directory_ / "written.gguf"));
}

TEST_P(Families2026, AreWrittenForHuggingFaceOrRefused) {
    const SaveOptions hf{.container = Container::hugging_face};
    // Shared experts that are no multiple of routed ones, and queries that grow with the position: config.json has no
    // word for them.
    const auto unsayable = {"ernie4_5-moe", "hunyuan-moe", "deepseek2-mistral3"};
    if (!architecture_of(model_->spec).hf_model_type.empty() &&
        std::ranges::count(unsayable, std::string(GetParam())) == 0) {
        save_model(*model_, directory_, hf);
        return expect_same(load_model(directory_));
    }
    EXPECT_THROW(save_model(*model_, directory_, hf), Error);
}

INSTANTIATE_TEST_SUITE_P(All, Families2026,
                         testing::Values("minimax-m2", "bailingmoe2", "hy_v3", "ernie4_5-moe", "hunyuan-moe", "mellum",
                                         "qwen3vlmoe", "deepseek2-glm47", "deepseek2-glm47-nextn", "deepseek2-mistral3",
                                         "deepseek2-kimi", "glm4moe-nextn", "exaone-moe", "mimo2", "smallthinker",
                                         "cohere2moe", "dbrx", "arctic", "grok", "afmoe", "step35", "laguna",
                                         "grovemoe"),
                         [](const auto& test) {
                             std::string name = test.param;
                             std::erase(name, '-');
                             return name;
                         });

}  // namespace
}  // namespace gremium::test
