#include "engine/memory.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/memory.h"
#include "engine/session.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "model/spec/tensors.h"
#include "tests/model/tiny_model.h"

namespace gremium::engine {
namespace {

using namespace test;

// No machine has the memory for a context of this length with these heads.
constexpr TinyShape endless{.heads = 8, .kv_heads = 8, .head_dim = 128, .context = std::numeric_limits<int>::max()};

std::string error_of(const auto& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

TEST(MemoryNeed, CountsTheCacheByKind) {
    const MemoryNeed plain = memory_need(*tiny_model("llama"), {.context = 100, .cache = DType::f16});
    EXPECT_EQ(plain.keys_values, 100 * 3 * 2 * (8 + 8) * 2);  // 3 layers, 2 heads of 8 keys and 8 values
    EXPECT_EQ(plain.cache(), plain.keys_values);
    const auto latent = tiny_model("deepseek2");
    const AttentionSpec& a = *latent->spec.layers[0].attention();
    const MemoryNeed need = memory_need(*latent, {.context = 100});
    EXPECT_EQ(need.latents, 100 * 3 * (a.latent.rank + a.rope.dims) * 4);
    EXPECT_EQ(need.keys_values, 0);
}

// What the arena really held.
int64_t measured_activations(const Model& model, int64_t tokens, int64_t logit_rows) {
    std::vector<int32_t> positions(static_cast<size_t>(tokens)), rows(static_cast<size_t>(logit_rows));
    std::iota(positions.begin(), positions.end(), 0);
    std::iota(rows.begin(), rows.end(), 0);
    const auto ids = random_tokens(model.spec.vocab, positions.size());
    Arena arena;
    ops::Graph g(arena, {});
    KvCache cache(model.spec, tokens);
    KvCache* const used = &cache;
    const Forward out =
        forward(g, model, {.tokens = ids, .positions = positions, .sequences = {}}, {.caches = std::span(&used, 1)});
    logits(g, model, out.hidden_TD, rows);
    return static_cast<int64_t>(arena.peak_bytes());
}

class ActivationMemory : public testing::TestWithParam<std::string> {};

TEST_P(ActivationMemory, AreAsEstimated) {
    const auto model = tiny_model(GetParam());
    for (const auto& [tokens, rows] : {std::pair<int64_t, int64_t>{1, 1}, {17, 1}, {128, 32}, {128, 128}}) {
        const auto measured = static_cast<double>(measured_activations(*model, tokens, rows));
        const auto estimate = static_cast<double>(activation_bytes(model->spec, {.chunk = tokens, .logit_rows = rows}));
        // The arena does not have all: products of latent heads lie in the graph's scratch.
        EXPECT_GT(estimate / measured, 0.98) << tokens << " tokens";
        EXPECT_LT(estimate / measured, 1.1) << tokens << " tokens";
    }
}

INSTANTIATE_TEST_SUITE_P(Families, ActivationMemory, testing::ValuesIn(tiny_architectures()),
                         [](const auto& family) { return family.param; });

TEST(RequireMemory, SaysInNumbersWhatDoesNotFit) {
    const auto model = tiny_model("llama");
    const MemoryOptions options{.context = 1 << 20};
    const MemoryNeed need = memory_need(*model, options);
    EXPECT_NO_THROW(require_memory(*model, options, need.cache() + need.activations));
    EXPECT_EQ(error_of([&] { require_memory(*model, options, (int64_t{100} << 20) + need.activations); }),
              fmt::format("{}: a context of 1048576 tokens does not fit into memory: 384.0 MiB of cache and {:.1f} MiB "
                          "of activations are needed, {:.1f} MiB are free: at most 273066 tokens fit",
                          model->source, static_cast<double>(need.activations) / 0x1p20,
                          100 + static_cast<double>(need.activations) / 0x1p20));
}

TEST(RequireMemory, FittingContextsFit) {
    const auto model = tiny_model("deepseek2");
    const int64_t activations = memory_need(*model, {}).activations;
    for (const int64_t cache : {int64_t{1} << 10, int64_t{10} << 20, int64_t{1} << 40}) {
        const int64_t memory = activations + cache;
        const int64_t context = fitting_context(*model, {.context = 1 << 20}, memory);
        EXPECT_NO_THROW(require_memory(*model, {.context = context}, memory));
        if (context < 1 << 20) {
            EXPECT_THROW(require_memory(*model, {.context = context + 1}, memory), Error);
        }
    }
    EXPECT_EQ(fitting_context(*model, {.context = 100}, 0), 1);
}

TEST(SessionMemory, AContextThatNoMachineHasIsRefused) {
    const auto model = tiny_model("llama", endless);
    EXPECT_NE(error_of([&] { Session(model, {.context = endless.context}); }).find("does not fit into memory"),
              std::string::npos);
}

TEST(SessionMemory, TheDefaultContextFitsAndTakesNothingBeforeItIsUsed) {
    const auto model = tiny_model("llama", endless);
    const int64_t before = resident_memory().anonymous;
    Session session(model);
    EXPECT_GT(session.capacity(), 1000);
    EXPECT_LT(session.capacity(), endless.context);
    EXPECT_LE(KvCache::bytes(model->spec, session.capacity(), DType::f32), available_memory());
    session.evaluate(random_tokens(300, 20));
    EXPECT_LT(resident_memory().anonymous - before, int64_t{100} << 20);
}

// A file of 90 MiB whose weights are never looked at.
TEST(LoadMemory, OpeningTouchesNoWeights) {
    const ModelSpec spec = tiny_spec("mixtral", {.dim = 256, .hidden = 512, .experts = 32, .expert_hidden = 300});
    const auto zeros = std::make_shared<Tensors>();
    for (const TensorSlot& slot : tensor_slots(spec)) zeros->emplace(slot.name, OwnedTensor(DType::f32, slot.shape));
    const std::filesystem::path path =
        std::filesystem::temp_directory_path() / fmt::format("gremium-large-{}.gguf", getpid());
    save_model(*tiny_model(spec, zeros), path);
    ASSERT_GT(std::filesystem::file_size(path), 80u << 20);

    const ResidentMemory before = resident_memory();
    const auto model = load_model(path);
    const ResidentMemory after = resident_memory();
    EXPECT_LT(after.file - before.file, 4 << 20);
    EXPECT_LT(after.anonymous - before.anonymous, 4 << 20);
    std::filesystem::remove(path);
}

}  // namespace
}  // namespace gremium::engine
