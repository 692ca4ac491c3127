// Steering profiles, traces and versions as values and files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include <gremium/session.hpp>
#include <gremium/tracing.hpp>
#include <gremium/versions.hpp>

#include "engine/continuation.h"
#include "engine/session.h"
#include "hooks/recorder.h"
#include "tests/api/model_files.h"

namespace gremium::api::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const GenerateOptions greedy{.max_tokens = 8, .sampler = {.temperature = 0}, .ignore_end = true};

TEST(SteeringProfiles, IsAValueThatReadsWhatItWrites) {
    SteeringProfile a;
    EXPECT_TRUE(a.empty());
    EXPECT_EQ(a.hash(), "");
    a.bias(3, 17, 0.5f).mute(4, 1).experts_per_token(3, 0.8f);
    SteeringProfile b = a;
    b.drop(0, 0);
    EXPECT_NE(a.hash(), b.hash());
    EXPECT_EQ(SteeringProfile::parse(a.toml()).hash(), a.hash());
    SteeringProfile later;
    later.bias(3, 17, -1).force(1, 1);
    a.merge(later).merge(a);
    EXPECT_THAT(a.toml(), AllOf(HasSubstr("force = [\"1.1\"]"), HasSubstr("\"3.17\" = -1")));
    EXPECT_THAT(a.summary(), HasSubstr("1 muted"));
    EXPECT_EQ(SteeringProfile::parse("name = \"calm\"").name(), "calm");

    const Folder folder;
    std::ofstream(folder / "p.toml") << "mute = [\"0.1\"]\nmute_all = 3\n";
    EXPECT_THAT(error_of([&] { SteeringProfile::read(folder / "p.toml"); }), HasSubstr("p.toml:2"));
    EXPECT_THAT(error_of([&] { a.experts_per_token(-1); }), HasSubstr("-1 experts"));
    EXPECT_THAT(error_of([&] { a.experts_per_token_of_layer(0, 2, 0); }), HasSubstr("mass of 0"));
    EXPECT_THAT(error_of([&] { a.bias(0, 0, NAN); }), HasSubstr("bias of nan"));
    EXPECT_THAT(error_of([&] { a.check(Engine::open(write_model(folder / "m.gguf"))); }), HasSubstr("3.17"));
}

TEST(Traces, HoldWhatTheProgramsTraceHolds) {
    const Folder folder;
    const std::string path = write_model(folder / "m.gguf");
    const Engine engine = Engine::open(path);
    const auto prompt = random_tokens(300, 10);
    const auto trace = std::make_shared<RoutingTrace>(engine);
    Session(engine, {.hooks = {trace}}).generate(prompt, greedy);

    // as gremium run --trace does it
    const auto model = load_model(path);
    hooks::RouteRecorder recorder(model->spec);
    engine::Session inside(model, {.hook = &recorder});
    engine::generate(inside, prompt, {.max_tokens = 8, .sampler = {.temperature = 0}, .ignore_end = true}, {});
    std::string expected;
    for (size_t i = 0; i < recorder.size(); ++i)
        expected += hooks::to_json_line(recorder.event(i), model->tokenizer.get()) + "\n";
    trace->write(folder / "t.jsonl");
    std::ifstream in(folder / "t.jsonl");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), expected);

    const auto read = read_trace(folder / "t.jsonl");
    ASSERT_EQ(static_cast<int64_t>(read.size()), trace->size());
    int64_t load = 0;
    for (int64_t i = 0; i < trace->size(); ++i) {
        const RoutingDecision kept = trace->decision(i), &again = read[static_cast<size_t>(i)];
        EXPECT_EQ(again.layer, kept.layer);
        EXPECT_EQ(again.position, kept.position);
        EXPECT_EQ(again.token, kept.token);
        EXPECT_EQ(again.experts, kept.experts);
        EXPECT_EQ(again.weights, kept.weights);
        EXPECT_EQ(again.margin, kept.margin);
        load += kept.layer == 1 && std::ranges::count(kept.experts, 2) > 0;
    }
    EXPECT_EQ(trace->load(1, 2), load);
    trace->clear();
    EXPECT_EQ(trace->size(), 0);
    EXPECT_EQ(trace->load(1, 2), load);
    EXPECT_THAT(error_of([&] { trace->decision(0); }), HasSubstr("none of index 0"));
    EXPECT_THAT(error_of([&] { trace->load(1, 6); }), HasSubstr("no expert 6 of 6"));
    EXPECT_THAT(error_of([&] { trace->load(3, 0); }), HasSubstr("layer 3"));
}

TEST(Traces, WhatIsNoneIsRefusedWithItsLine) {
    const Folder folder;
    const std::string good = "{\"position\":0,\"token\":5,\"layer\":1,\"experts\":[2],\"weights\":[1.0]}\n";
    for (const char* line : {"nonsense", "[1]", "{\"position\":0}",
                             "{\"position\":0,\"token\":5,\"layer\":1,\"experts\":[2,3],\"weights\":[1.0]}",
                             "{\"position\":-1,\"token\":5,\"layer\":1,\"experts\":[2],\"weights\":[1.0]}",
                             "{\"position\":0,\"token\":5.5,\"layer\":1,\"experts\":[2],\"weights\":[1.0]}",
                             "{\"position\":0,\"token\":5,\"layer\":1,\"experts\":[\"a\"],\"weights\":[1.0]}",
                             "{\"position\":0,\"token\":5,\"layer\":1,\"experts\":[2],\"weights\":[null]}",
                             "{\"position\":0,\"token\":5,\"layer\":1,\"experts\":[2],\"weights\":[1],\"piece\":7}"}) {
        std::ofstream(folder / "t.jsonl") << good << line << "\n";
        EXPECT_THAT(error_of([&] { read_trace(folder / "t.jsonl"); }), HasSubstr("t.jsonl:2: ")) << line;
    }
    std::ofstream(folder / "t.jsonl") << good;
    ASSERT_EQ(read_trace(folder / "t.jsonl").size(), 1u);
    EXPECT_TRUE(std::isinf(read_trace(folder / "t.jsonl")[0].margin));
    EXPECT_THAT(error_of([&] { read_trace(folder / "none.jsonl"); }), HasSubstr("none.jsonl"));
}

class VersionStores : public testing::Test {
  protected:
    Folder folder_;
    std::string base_ = write_model(folder_ / "base.gguf"), directory_ = folder_ / "store";
    Engine changed_ = Engine::open(write_changed_model(folder_ / "changed.gguf"));
    VersionStore store_ = VersionStore::create(directory_, base_);
    std::vector<int32_t> prompt_ = random_tokens(300, 16);

    std::vector<int32_t> tokens(const Engine& engine) { return Session(engine).generate(prompt_, greedy).tokens; }
};

TEST_F(VersionStores, AreCommittedOpenedComparedAndReverted) {
    const std::string first = store_.resolve("HEAD"), second = store_.commit(changed_, "one expert louder");
    const auto log = store_.log();
    ASSERT_EQ(log.size(), 2u);
    EXPECT_EQ(log[0].id, second);
    EXPECT_EQ(log[0].parent, first);
    EXPECT_EQ(log[0].message, "one expert louder");
    EXPECT_EQ(log[1].id, first);
    EXPECT_EQ(tokens(store_.open()), tokens(changed_));
    EXPECT_EQ(tokens(Engine::open(directory_ + "@HEAD~1")), tokens(Engine::open(base_)));
    EXPECT_EQ(tokens(Engine::open(directory_)), tokens(changed_));

    const VersionDifference difference = store_.difference("HEAD~1", "HEAD");
    ASSERT_EQ(difference.experts.size(), 1u);
    EXPECT_EQ(difference.experts[0].layer, 1);
    EXPECT_EQ(difference.experts[0].expert, 3);
    EXPECT_GT(difference.experts[0].weights, 0);
    EXPECT_EQ(difference.experts[0].router_row, 0);
    EXPECT_TRUE(difference.tensors.empty());
    EXPECT_TRUE(difference.resized_layers.empty());

    const std::string third = store_.revert("HEAD", "as it was");
    EXPECT_EQ(store_.resolve("main"), third);
    EXPECT_TRUE(store_.difference(first, third).experts.empty());
    EXPECT_TRUE(store_.problems().empty());
}

TEST_F(VersionStores, HaveBranches) {
    store_.create_branch("try");
    store_.check_out("try");
    const std::string tried = store_.commit(changed_, "a try");
    const auto branches = store_.branches();
    ASSERT_EQ(branches.size(), 2u);
    EXPECT_EQ(branches[0].name, "main");
    EXPECT_FALSE(branches[0].is_head);
    EXPECT_EQ(branches[1].version, tried);
    EXPECT_TRUE(branches[1].is_head);
    EXPECT_THAT(error_of([&] { store_.create_branch("try"); }), HasSubstr("exists already"));
    store_.check_out("main");
    store_.remove_branch("try");
    EXPECT_GT(store_.collect_garbage(), 0);
    EXPECT_THAT(error_of([&] { store_.resolve(tried); }), HasSubstr(tried.substr(0, 8)));
}

TEST_F(VersionStores, WhatIsRefused) {
    EXPECT_THAT(error_of([&] { VersionStore(folder_ / "none"); }), HasSubstr("none"));
    EXPECT_THAT(error_of([&] { VersionStore::create(directory_, base_); }), HasSubstr("store"));
    EXPECT_THAT(error_of([&] { store_.commit(Engine::open(base_), "the same"); }), HasSubstr("store"));
    EXPECT_THAT(error_of([&] { store_.commit(changed_, " "); }), HasSubstr("message"));
    EXPECT_THAT(error_of([&] { Engine::open(directory_ + "@nowhere"); }), HasSubstr("nowhere"));
    const Engine other = Engine::open(write_model(folder_ / "other.gguf", "qwen2moe"));
    EXPECT_NE(error_of([&] { store_.commit(other, "another model"); }), "nothing was refused");
}

}  // namespace
}  // namespace gremium::api::test
