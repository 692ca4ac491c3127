#include <gremium/engine.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include <gremium/session.hpp>

#include "engine/footprint.h"
#include "engine/memory.h"
#include "model/spec/size.h"
#include "tests/api/model_files.h"

namespace gremium::api::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Engine, FactsAreThoseOfTheModel) {
    const Folder folder;
    const std::string path = write_model(folder / "m.gguf", "glm4moe");
    const Engine engine = Engine::open(path);
    const auto model = load_model(path);
    const EngineFacts& facts = engine.facts();
    EXPECT_EQ(facts.source, path);
    EXPECT_EQ(facts.architecture, "glm4moe");
    EXPECT_EQ(facts.name, "tiny-glm4moe");
    EXPECT_EQ(facts.layers, 3);
    EXPECT_EQ(facts.vocabulary, 300);
    EXPECT_EQ(facts.context, 128);
    ASSERT_EQ(facts.expert_layers.size(), 2u);  // the first layer is dense
    EXPECT_EQ(facts.expert_layers[0].layer, 1);
    EXPECT_EQ(facts.expert_layers[0].experts, 6);
    EXPECT_EQ(facts.expert_layers[0].chosen, 2);
    EXPECT_EQ(facts.parameters, size_of(model->spec).total_parameters);
    EXPECT_EQ(facts.weight_bytes, engine::footprint(*model).total);
    EXPECT_TRUE(facts.has_tokenizer);
    EXPECT_FALSE(facts.has_encoder);
    EXPECT_EQ(facts.begin_token, 1);
}

TEST(Engine, ErrorsCrossTheDoorAsOneLineWithTheFile) {
    const Folder folder;
    EXPECT_THAT(error_of([&] { Engine::open(folder / "none.gguf"); }), HasSubstr("none.gguf"));
    std::ofstream(folder / "text.gguf") << "not a model";
    const std::string line = error_of([&] { Engine::open(folder / "text.gguf"); });
    EXPECT_THAT(line, HasSubstr("text.gguf"));
    EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST(Engine, TextBecomesTokensAndTextAgain) {
    const Folder folder;
    const Engine engine = Engine::open(write_model(folder / "m.gguf"));
    const auto tokens = engine.tokenize("the rest");
    EXPECT_EQ(tokens.front(), 1);
    EXPECT_EQ(engine.tokenize("the rest", {.add_begin_end = false}).size(), tokens.size() - 1);
    EXPECT_EQ(engine.detokenize(tokens), "the rest");
    EXPECT_TRUE(engine.ends_answer(2));
    EXPECT_FALSE(engine.ends_answer(3));
    EXPECT_EQ(engine.tokenize("</s>", {.add_begin_end = false}), std::vector<int32_t>{2});
    EXPECT_NE(engine.tokenize("</s>", {.add_begin_end = false, .special = false}), std::vector<int32_t>{2});
    EXPECT_THAT(error_of([&] { engine.detokenize(std::vector<int32_t>{300}); }), HasSubstr("300"));
}

TEST(Engine, AConversationGoesThroughTheModelsOwnTemplate) {
    const Folder folder;
    const Engine engine = Engine::open(write_talking_model(folder / "m.gguf"));
    EXPECT_TRUE(engine.facts().has_chat_template);
    const std::vector<ChatMessage> messages{{"user", "the hen"}, {"assistant", "rests"}};
    EXPECT_EQ(engine.tokenize_chat(messages), engine.tokenize("user: the hen</s>assistant: rests</s>assistant:"));
    const Engine silent = Engine::open(write_model(folder / "silent.gguf"));
    EXPECT_FALSE(silent.facts().has_chat_template);
    EXPECT_THAT(error_of([&] { silent.tokenize_chat(messages); }), HasSubstr("no chat template"));
}

TEST(Engine, TheDefaultModelIsFoundAboveTheProgram) {
    EXPECT_THAT(Engine::open().facts().source, HasSubstr("models/default.gguf"));
}

TEST(Engine, TheDefaultModelIsLookedForWhereTheEnvironmentSays) {
    const Folder folder;
    write_model(folder / "default.gguf");
    ::setenv("GREMIUM_MODELS", (folder / "").c_str(), 1);
    EXPECT_EQ(Engine::open().facts().name, "tiny-mixtral");
    ::setenv("GREMIUM_MODELS", (folder / "nowhere").c_str(), 1);
    EXPECT_THAT(error_of([] { Engine::open(); }), AllOf(HasSubstr("GREMIUM_MODELS"), HasSubstr("nowhere")));
    ::unsetenv("GREMIUM_MODELS");
}

TEST(Engine, ResidentExpertsComputeTheSame) {
    const Folder folder;
    const std::string path = write_model(folder / "m.gguf");
    const auto prompt = random_tokens(300, 12);
    Session mapped(Engine::open(path)), resident(Engine::open(path, {.resident = true}));
    const auto a = mapped.evaluate(prompt), b = resident.evaluate(prompt);
    EXPECT_TRUE(std::ranges::equal(a, b));
}

// Two models at once, from two threads, give what each gives alone.
TEST(Engine, TwoAtOnceFromTwoThreads) {
    const Folder folder;
    const Engine engines[] = {Engine::open(write_model(folder / "a.gguf", "mixtral", 1)),
                              Engine::open(write_model(folder / "b.gguf", "qwen2moe", 2))};
    const auto prompt = random_tokens(300, 20);
    const GenerateOptions options{.max_tokens = 12, .sampler = {.temperature = 0}, .ignore_end = true};
    std::vector<int32_t> alone[2], together[2];
    for (int i = 0; i < 2; ++i) alone[i] = Session(engines[i]).generate(prompt, options).tokens;
    EXPECT_NE(alone[0], alone[1]);
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i)
        threads.emplace_back([&, i] { together[i] = Session(engines[i]).generate(prompt, options).tokens; });
    for (std::thread& thread : threads) thread.join();
    for (int i = 0; i < 2; ++i) EXPECT_EQ(together[i], alone[i]);
}

TEST(Engine, SessionsKeepTheModelAlive) {
    const Folder folder;
    auto engine = std::make_unique<Engine>(Engine::open(write_model(folder / "m.gguf")));
    Session session(*engine);
    engine.reset();
    EXPECT_EQ(session.evaluate(random_tokens(300, 5)).size(), 300u);
}

TEST(Engine, MemoryIsKnownBeforeASessionIsOpened) {
    const Folder folder;
    const Engine engine = Engine::open(write_model(folder / "m.gguf"));
    const MemoryEstimate small = memory_estimate(engine, {.context = 16}),
                         large = memory_estimate(engine, {.context = 64}),
                         halved = memory_estimate(engine, {.context = 64, .cache = CacheType::f16});
    EXPECT_EQ(large.cache, 4 * small.cache);
    EXPECT_EQ(halved.cache * 2, large.cache);
    EXPECT_GT(small.activations, 0);
    EXPECT_EQ(large.total(), large.weights + large.converted + large.cache + large.activations);
    EXPECT_EQ(memory_estimate(engine).cache, memory_estimate(engine, {.context = 128}).cache);
}

TEST(Engine, ANegativeNumberOfThreadsIsRefused) {
    EXPECT_THAT(error_of([] { use_threads(-1); }), HasSubstr("-1 threads"));
}

}  // namespace
}  // namespace gremium::api::test
