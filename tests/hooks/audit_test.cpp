// Audit records: what happened again is the same; what did not is named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/parallel.h"
#include "engine/session.h"
#include "hooks/replay.h"
#include "hooks/steering.h"
#include "tests/model/tiny_model.h"

namespace gremium::hooks {
namespace {

using testing::HasSubstr;

AuditSetup setup_of(const Model& model) {
    return {.version = "1",
            .model = "m.gguf",
            .model_name = model.spec.name,
            .model_hash = "h",
            .kernels = "k",
            .steering = "",
            .steering_hash = "",
            .prompt = "the hare",
            .source_tokens = {},
            .prompt_tokens = model.tokenizer->encode("the hare"),
            .context = 64,
            .generate = {.max_tokens = 9, .sampler = {.temperature = 1.5f, .seed = 11}, .ignore_end = true}};
}

std::vector<std::string> record(std::shared_ptr<const Model> model, const AuditSetup& setup,
                                moe::RoutingHook* steering = nullptr) {
    std::vector<std::string> lines{to_line(setup)};
    AuditRecorder recorder(*model, [&](const std::string& line) { lines.push_back(line); });
    std::vector<moe::RoutingHook*> hooks{&recorder};
    if (steering) hooks.insert(hooks.begin(), steering);
    moe::HookChain chain(hooks);
    engine::Session session(model, {.context = setup.context, .hook = &chain});
    engine::generate(session, setup.prompt_tokens, setup.generate, [&](int32_t token) {
        recorder.chose(token, session.last_logits());
        return true;
    });
    recorder.finish();
    return lines;
}

TEST(Audit, HoldsTheRunAndRepeatsWithAnyThreads) {
    const auto model = test::tiny_model("dots1");
    const AuditSetup setup = setup_of(*model);
    const auto lines = record(model, setup);
    const size_t prompt = setup.prompt_tokens.size();
    ASSERT_EQ(lines.size(), 1 + prompt + 8 + 1);  // the last token made is not evaluated
    const auto line = nlohmann::json::parse(lines[prompt]);
    EXPECT_EQ(line["position"], prompt - 1);
    EXPECT_EQ(line["token"], setup.prompt_tokens.back());
    EXPECT_EQ(line["layers"].size(), 2u);
    EXPECT_EQ(line["layers"][0]["layer"], 1);
    EXPECT_EQ(line["layers"][0]["experts"].size(), 2u);
    EXPECT_EQ(line["chose"]["token"], nlohmann::json::parse(lines[prompt + 1])["token"]);
    EXPECT_FALSE(nlohmann::json::parse(lines[1]).contains("chose"));
    EXPECT_EQ(nlohmann::json::parse(lines.back())["tokens"], 9);

    const AuditSetup read = parse_setup(lines[0], "file");
    EXPECT_EQ(to_line(read), lines[0]);
    const int before = threads();
    for (const int n : {1, 2}) {
        set_threads(n);
        const Replay again = replay(model, read, lines);
        EXPECT_EQ(again.difference, "");
        EXPECT_EQ(again.tokens, 9);
        EXPECT_EQ(again.positions, static_cast<int64_t>(prompt) + 8);
    }
    set_threads(before);
}

TEST(Audit, DenseModelsHaveTokensWithoutLayers) {
    const auto model = test::tiny_model("llama");
    const AuditSetup setup = setup_of(*model);
    const auto lines = record(model, setup);
    EXPECT_EQ(lines.size(), 1 + setup.prompt_tokens.size() + 8 + 1);
    EXPECT_EQ(replay(model, setup, lines).difference, "");
}

TEST(Audit, SteeringIsPartOfTheRecord) {
    const auto model = test::tiny_model("olmoe");
    AuditSetup setup = setup_of(*model);
    SteeringProfile profile;
    profile.mute = {{0, 1}, {2, 3}};
    SteeringHook hook(profile, model->spec);
    setup.steering = to_toml(profile);
    const auto lines = record(model, setup, &hook);
    EXPECT_EQ(replay(model, parse_setup(lines[0], "f"), lines).difference, "");
    setup.steering = "";
    EXPECT_THAT(replay(model, setup, lines).difference, HasSubstr("line "));
}

TEST(Audit, DifferencesAreNamed) {
    const auto model = test::tiny_model("olmoe");
    const AuditSetup setup = setup_of(*model);
    const auto lines = record(model, setup);
    auto weight = lines;
    auto json = nlohmann::ordered_json::parse(weight[2]);
    json["layers"][1]["weights"][0] = 0.25;
    weight[2] = json.dump();
    const Replay changed = replay(model, setup, weight);
    EXPECT_THAT(changed.difference, HasSubstr("line 3: /layers/1/weights/0 is"));
    EXPECT_THAT(changed.difference, HasSubstr("recorded 0.25"));
    EXPECT_EQ(changed.positions, 1);

    EXPECT_THAT(replay(test::tiny_model("olmoe", {}, 2), setup, lines).difference, HasSubstr("line 2: /layers/0"));
    EXPECT_THAT(replay(model, setup, std::span(lines).first(4)).difference, HasSubstr("more happened"));
    auto longer = lines;
    longer.push_back("{}");
    EXPECT_THAT(replay(model, setup, longer).difference, HasSubstr("more was recorded"));
    auto damaged = lines;
    damaged[1] = "{";
    EXPECT_THAT(replay(model, setup, damaged).difference, HasSubstr("line 2: recorded is no JSON"));
}

TEST(Audit, ForeignSetupsAreClearErrors) {
    const auto model = test::tiny_model("olmoe");
    const std::string line = to_line(setup_of(*model));
    for (const std::string& bad :
         {std::string(), std::string("[]"), std::string("{\"audit\":\"x\"}"), line.substr(0, line.size() / 2)}) {
        EXPECT_THROW(parse_setup(bad, "record.jsonl"), Error) << bad;
    }
    AuditSetup setup = setup_of(*model);
    setup.prompt_tokens = {1, 9999};
    EXPECT_THROW(replay(model, setup, std::vector<std::string>{to_line(setup)}), Error);
    setup.prompt_tokens = {};
    EXPECT_THROW(replay(model, setup, std::vector<std::string>{to_line(setup)}), Error);
}

}  // namespace
}  // namespace gremium::hooks
