// Quantisation recipes. The expected types are what llama.cpp's quantiser chose for models of these shapes
// (tests/interop asks it again, for all recipes).
#include "model/files/load.h"
#include "model/files/mixtures.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include "base/error.h"
#include "formats/gguf/gguf.h"
#include "model/files/save.h"
#include "model/spec/tensors.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"

namespace gremium::test {
namespace {

using enum DType;

// The types of one tensor in all layers.
std::vector<DType> types(std::string_view recipe, const ModelSpec& spec, const std::string& tensor,
                         bool with_importance = false) {
    std::vector<DType> result;
    for (const TensorSlot& slot : tensor_slots(spec))
        if (slot.name.ends_with(tensor))
            result.push_back(fitting_type(recipe_type(*find_recipe(recipe), spec, slot, with_importance),
                                          slot.shape[slot.shape.rank - 1]));
    return result;
}

std::vector<DType> all(int layers, DType dtype) { return std::vector<DType>(static_cast<size_t>(layers), dtype); }

const TinyShape deep{.layers = 16, .dim = 256, .head_dim = 64, .hidden = 256, .expert_hidden = 256};

TEST(Recipes, MoreBitsWhereTheyHelp) {
    const ModelSpec spec = tiny_spec("llama", deep);
    const std::vector<DType> more{q6_k, q6_k, q4_k, q4_k, q6_k, q4_k, q4_k, q6_k,
                                  q4_k, q4_k, q6_k, q4_k, q4_k, q6_k, q6_k, q6_k};
    EXPECT_EQ(types("Q4_K_M", spec, "attn_v.weight"), more);
    EXPECT_EQ(types("q4_k_m", spec, "ffn_down.weight"), more);
    EXPECT_EQ(types("Q4_K_M", spec, "ffn_up.weight"), all(16, q4_k));
    EXPECT_EQ(types("Q4_K_M", spec, "attn_output.weight"), all(16, q4_k));
    EXPECT_EQ(types("Q4_K_M", spec, "token_embd.weight"), all(1, q4_k));
    EXPECT_EQ(types("Q4_K_M", spec, "output.weight").front(), q6_k);
    std::vector<DType> values = all(16, q4_k), down = all(16, q4_k);
    values[0] = values[1] = down[0] = q5_k;
    EXPECT_EQ(types("Q3_K_M", spec, "attn_v.weight"), values);
    EXPECT_EQ(types("Q3_K_M", spec, "ffn_down.weight"), down);
    EXPECT_EQ(types("Q3_K_M", spec, "attn_q.weight"), all(16, q3_k));
}

TEST(Recipes, TiedHeadsAndSharedKeys) {
    TinyShape shape = deep;
    shape.tied = true;
    EXPECT_EQ(types("Q4_K_M", tiny_spec("llama", shape), "token_embd.weight"), all(1, q6_k));
    EXPECT_EQ(types("Q2_K", tiny_spec("llama", shape), "attn_v.weight"), all(16, q3_k));
    shape.kv_heads = 1;
    EXPECT_EQ(types("Q2_K", tiny_spec("llama", shape), "attn_v.weight"), all(16, q4_k));
    EXPECT_EQ(types("IQ4_XS", tiny_spec("llama", shape), "attn_v.weight"), all(16, q5_k));
}

TEST(Recipes, EightExpertsPayForTheirAttention) {
    TinyShape shape = deep;
    shape.experts = 8;
    const ModelSpec eight = tiny_spec("mixtral", shape);
    EXPECT_EQ(types("Q4_K_M", eight, "attn_k.weight"), all(16, q8_0));
    EXPECT_EQ(types("Q4_K_M", eight, "attn_v.weight"), all(16, q8_0));
    EXPECT_EQ(types("Q4_K_M", eight, "attn_output.weight"), all(16, q5_k));
    EXPECT_EQ(types("Q4_K_M", eight, "ffn_gate_exps.weight"), all(16, q4_k));
    shape.experts = 16;
    EXPECT_EQ(types("Q4_K_M", tiny_spec("mixtral", shape), "attn_k.weight"), all(16, q4_k));
    EXPECT_EQ(types("MXFP4", eight, "ffn_down_exps.weight"), all(16, mxfp4));
    EXPECT_EQ(types("MXFP4", eight, "attn_q.weight"), all(16, q8_0));
}

// llama-quant.cpp, where has_imatrix is asked.
TEST(Recipes, KnowingWhatMattersChangesSome) {
    const ModelSpec spec = tiny_spec("llama", deep);
    const auto first_two = [](DType first, DType rest) {
        std::vector<DType> expected = all(16, rest);
        expected[0] = expected[1] = first;
        return expected;
    };
    EXPECT_EQ(types("IQ4_XS", spec, "ffn_down.weight"), first_two(q5_k, iq4_xs));
    EXPECT_EQ(types("IQ4_XS", spec, "ffn_down.weight", true), all(16, iq4_xs));
    EXPECT_EQ(types("Q4_0", spec, "ffn_down.weight"), all(16, q4_0));
    EXPECT_EQ(types("Q4_0", spec, "ffn_down.weight", true), first_two(q4_1, q4_0));
    EXPECT_EQ(types("Q5_0", spec, "ffn_down.weight", true), first_two(q5_1, q5_0));
    EXPECT_EQ(types("Q4_K_M", spec, "ffn_down.weight", true), types("Q4_K_M", spec, "ffn_down.weight"));
    EXPECT_TRUE(find_recipe("Q2_K_S")->needs_importance);
    EXPECT_EQ(types("Q2_K_S", spec, "ffn_down.weight", true), first_two(q4_k, q2_k));
    EXPECT_EQ(types("Q2_K_S", spec, "attn_output.weight", true), all(16, q2_k));
    EXPECT_EQ(types("Q2_K_S", spec, "attn_v.weight", true), all(16, q2_k));
    TinyShape shared = deep;
    shared.kv_heads = 1;
    EXPECT_EQ(types("Q2_K_S", tiny_spec("llama", shared), "attn_v.weight", true), all(16, q4_k));
}

TEST(Recipes, ShapesThatDoNotFitFallBack) {
    TinyShape shape = deep;
    shape.layers = 4;
    shape.expert_hidden = 96;
    EXPECT_EQ(types("Q4_K_M", tiny_spec("mixtral", shape), "ffn_down_exps.weight"),
              (std::vector{q5_0, q5_0, q8_0, q8_0}));
    for (const auto& [wanted, smaller] :
         {std::pair{q2_k, q4_0}, {q3_k, q4_0}, {q4_k, q5_0}, {q5_k, q5_1}, {q6_k, q8_0}, {iq4_xs, iq4_nl}}) {
        EXPECT_EQ(fitting_type(wanted, 512), wanted);
        EXPECT_EQ(fitting_type(wanted, 96), smaller);
        EXPECT_EQ(fitting_type(wanted, 40), f16);
    }
    EXPECT_EQ(fitting_type(mxfp4, 40), f16);
    EXPECT_EQ(fitting_type(bf16, 7), bf16);
}

TEST(Recipes, OverridesAreChecked) {
    const TypeOverride override = parse_type_override("ffn_.*_exps=q4_k");
    EXPECT_EQ(override.dtype, q4_k);
    EXPECT_TRUE(std::regex_search("blk.3.ffn_up_exps.weight", override.pattern));
    EXPECT_FALSE(std::regex_search("blk.3.ffn_up.weight", override.pattern));
    for (const char* bad : {"ffn", "=q4_k", "ffn=", "ffn=q99", "ffn=i32", "ffn=f8_e4m3", "(=q4_k"})
        EXPECT_THROW(parse_type_override(bad), Error) << bad;
    EXPECT_EQ(find_recipe("Q4_K_XXL"), nullptr);
}

std::string temporary_file(const char* name) {
    return std::filesystem::temp_directory_path() / fmt::format("gremium-recipe-{}-{}.gguf", getpid(), name);
}

double mean_kl(const std::vector<std::vector<double>>& truth, const std::vector<std::vector<double>>& other) {
    double kl = 0;
    for (size_t t = 0; t < truth.size(); ++t)
        for (size_t i = 0; i < truth[t].size(); ++i) kl += std::exp(truth[t][i]) * (truth[t][i] - other[t][i]);
    return kl / static_cast<double>(truth.size());
}

const TinyShape quantisable{.layers = 2, .dim = 256, .head_dim = 64, .expert_hidden = 256};

TEST(Recipes, MixedFilesSayWhatTheyAre) {
    const std::string path = temporary_file("mixed");
    const auto model = tiny_model("mixtral", quantisable);
    const Recipe& recipe = *find_recipe("Q5_K_M");
    std::vector<std::string> written;
    save_model(*model, path,
               {.dtype = recipe.base,
                .type_of =
                    [&](const ModelSpec& spec, const TensorSlot& slot) {
                        return slot.name.starts_with("blk.1.ffn_up") ? q8_0 : recipe_type(recipe, spec, slot);
                    },
                .file_type = recipe.file_type,
                .progress = [&](const SaveProgress& at) { written.emplace_back(at.name); }});
    const GgufFile file = open_gguf(path);
    EXPECT_EQ(file.metadata.require<int64_t>("general.file_type"), 17);
    EXPECT_EQ(file.metadata.require<int64_t>("general.quantization_version"), 2);
    EXPECT_EQ(file.tensors.require("blk.0.ffn_up_exps.weight").dtype, q5_k);
    EXPECT_EQ(file.tensors.require("blk.1.ffn_up_exps.weight").dtype, q8_0);
    EXPECT_EQ(file.tensors.require("blk.1.ffn_down_exps.weight").dtype, q6_k);
    EXPECT_EQ(file.tensors.require("blk.1.ffn_norm.weight").dtype, f32);
    EXPECT_EQ(written.size(), file.tensors.declarations().size());
    std::filesystem::remove(path);
}

// A quantised file computes what its values say (the fast path may round activations), and more bits come closer to
// the model it was made of.
TEST(Recipes, MixedFilesRun) {
    const auto model = tiny_model("mixtral", quantisable);
    const auto tokens = random_tokens(model->spec.vocab, 12);
    const auto original = all_logprobs(model, tokens);
    double worse = 10;
    for (const char* name : {"Q2_K", "Q4_K_M", "Q6_K", "Q8_0"}) {
        const Recipe& recipe = *find_recipe(name);
        const std::string path = temporary_file("few-bits"), plain = temporary_file("as-f32");
        save_model(*model, path, {.dtype = recipe.base, .type_of = [&](const ModelSpec& spec, const TensorSlot& slot) {
                                      return recipe_type(recipe, spec, slot);
                                  }});
        const auto few_bits = load_model(path);
        save_model(*few_bits, plain, {.dtype = f32});
        const auto rows = all_logprobs(few_bits, tokens);
        EXPECT_LT(mean_kl(all_logprobs(load_model(plain), tokens), rows), 5e-3) << name;
        const double kl = mean_kl(original, rows);
        EXPECT_LT(kl, worse) << name;
        worse = kl;
        std::filesystem::remove(path);
        std::filesystem::remove(plain);
    }
    EXPECT_LT(worse, 1e-3) << "Q8_0";
}

}  // namespace
}  // namespace gremium::test
