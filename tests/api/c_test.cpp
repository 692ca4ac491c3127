// The C interface: each function does what the C++ one does and refuses NULL; handles close in any order.
#include <gremium/gremium.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include <gremium/scheduler.hpp>
#include <gremium/versions.hpp>

#include "tests/api/c99.h"
#include "tests/api/model_files.h"
#include "tests/model/edit_files.h"

namespace gremium::api::test {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;

// The text of a call's error, freed; "" where it was none.
template <typename Call>
std::string refused(gremium_status expected, Call&& call) {
    char* error = nullptr;
    EXPECT_EQ(call(&error), expected);
    const std::string text = error ? error : "";
    gremium_free(error);
    return text;
}

class CInterface : public testing::Test {
  protected:
    CInterface() { EXPECT_EQ(gremium_engine_open(path_.c_str(), false, &engine_, nullptr), GREMIUM_OK); }
    ~CInterface() override { gremium_engine_close(engine_); }

    gremium_session* open(const gremium_session_options* options = nullptr) {
        gremium_session* session = nullptr;
        EXPECT_EQ(gremium_session_open(engine_, options, &session, nullptr), GREMIUM_OK);
        return session;
    }

    Folder folder_;
    std::string path_ = write_model(folder_ / "m.gguf");
    gremium_engine* engine_ = nullptr;
    std::vector<int32_t> prompt_ = random_tokens(300, 20);
    const GenerateOptions greedy_{.max_tokens = 12, .sampler = {.temperature = 0}, .ignore_end = true};
};

gremium_generate_options greedy(int64_t tokens = 12) {
    gremium_generate_options options = gremium_default_generate_options();
    options.max_tokens = tokens;
    options.temperature = 0;
    options.ignore_end = true;
    return options;
}

TEST_F(CInterface, IsCAndGeneratesWhatCppDoes) {
    SteeringProfile profile;
    profile.mute(0, 1);
    const auto expected = Session(Engine::open(path_), {.steering = profile}).generate(prompt_, greedy_).tokens;
    int32_t tokens[12];
    char message[256] = "";
    ASSERT_EQ(c99_generate(path_.c_str(), prompt_.data(), prompt_.size(), tokens, 12, message, sizeof message), 12)
        << message;
    EXPECT_THAT(tokens, ElementsAreArray(expected));
    EXPECT_EQ(c99_generate("none.gguf", prompt_.data(), prompt_.size(), tokens, 12, message, sizeof message), -1);
    EXPECT_THAT(message, HasSubstr("none.gguf"));
}

TEST_F(CInterface, DefaultsAreThoseOfCpp) {
    const gremium_generate_options g = gremium_default_generate_options();
    const GenerateOptions expected;
    EXPECT_EQ(g.max_tokens, expected.max_tokens);
    EXPECT_EQ(g.temperature, expected.sampler.temperature);
    EXPECT_EQ(g.top_k, expected.sampler.top_k);
    EXPECT_EQ(g.repetition_window, expected.sampler.repetition_window);
    EXPECT_EQ(gremium_default_session_options().prefill_chunk, SessionOptions{}.prefill_chunk);
    EXPECT_EQ(gremium_default_scheduler_options().sequences, SchedulerOptions{}.sequences);
    EXPECT_EQ(gremium_version(), version());
}

TEST_F(CInterface, NullsAreMisuseAndSaidSo) {
    gremium_engine* engine = nullptr;
    EXPECT_THAT(refused(GREMIUM_MISUSE, [&](char** e) { return gremium_engine_facts(nullptr, nullptr, e); }),
                HasSubstr("engine is NULL"));
    EXPECT_THAT(refused(GREMIUM_MISUSE, [&](char** e) { return gremium_engine_open("", false, nullptr, e); }),
                HasSubstr("engine is NULL"));
    EXPECT_THAT(
        refused(GREMIUM_MISUSE, [&](char** e) { return gremium_session_sync(nullptr, nullptr, 0, nullptr, e); }),
        HasSubstr("session is NULL"));
    gremium_session* session = open();
    EXPECT_THAT(
        refused(GREMIUM_MISUSE, [&](char** e) { return gremium_session_sync(session, nullptr, 3, nullptr, e); }),
        HasSubstr("tokens is NULL"));
    EXPECT_EQ(gremium_session_sync(session, nullptr, 3, nullptr, nullptr), GREMIUM_MISUSE);  // nobody asks why
    gremium_session_close(session);
    EXPECT_THAT(refused(GREMIUM_ERROR, [&](char** e) { return gremium_engine_open("none.gguf", false, &engine, e); }),
                HasSubstr("none.gguf"));
    EXPECT_EQ(engine, nullptr);
    gremium_engine_close(nullptr);
    gremium_session_close(nullptr);
    gremium_scheduler_close(nullptr);
    gremium_steering_close(nullptr);
    gremium_trace_close(nullptr);
    gremium_store_close(nullptr);
    gremium_free(nullptr);
}

TEST_F(CInterface, WhatFilesSayThatIsNotUnderstoodIsTold) {
    const std::string path = path_ + ".odd.gguf";
    gremium::test::edit_gguf(path_, path,
                             [](auto& metadata, auto&) { metadata.set("llama.of_the_future", uint32_t{7}); });
    const Engine odd = Engine::open(path);
    ASSERT_EQ(odd.warnings().size(), 1u);
    EXPECT_THAT(odd.warnings()[0], HasSubstr("of_the_future"));
    gremium_engine* engine = nullptr;
    ASSERT_EQ(gremium_engine_open(path.c_str(), false, &engine, nullptr), GREMIUM_OK);
    const char* warnings[2] = {};
    EXPECT_EQ(gremium_engine_warnings(engine, warnings, 2), 1u);
    EXPECT_EQ(warnings[0], odd.warnings()[0]);
    EXPECT_EQ(warnings[1], nullptr);
    gremium_engine_close(engine);
}

TEST_F(CInterface, FactsTextAndMemory) {
    gremium_facts facts;
    ASSERT_EQ(gremium_engine_facts(engine_, &facts, nullptr), GREMIUM_OK);
    EXPECT_STREQ(facts.architecture, "mixtral");
    EXPECT_EQ(facts.vocabulary, 300);
    gremium_expert_layer layers[2];
    EXPECT_EQ(gremium_engine_expert_layers(engine_, nullptr, 0), 3u);
    EXPECT_EQ(gremium_engine_expert_layers(engine_, layers, 2), 3u);
    EXPECT_EQ(layers[1].layer, 1);
    EXPECT_EQ(layers[1].experts, 6);
    EXPECT_EQ(gremium_engine_warnings(engine_, nullptr, 0), 0u);
    EXPECT_EQ(gremium_engine_warnings(nullptr, nullptr, 0), 0u);

    int32_t* tokens = nullptr;
    size_t count = 0, length = 0;
    ASSERT_EQ(gremium_tokenize(engine_, "the rest", 8, true, false, &tokens, &count, nullptr), GREMIUM_OK);
    EXPECT_THAT(std::vector(tokens, tokens + count), ElementsAreArray(Engine::open(path_).tokenize("the rest")));
    char* text = nullptr;
    ASSERT_EQ(gremium_detokenize(engine_, tokens, count, &text, &length, nullptr), GREMIUM_OK);
    EXPECT_STREQ(text, "the rest");
    EXPECT_EQ(length, 8u);
    gremium_free(text);
    gremium_free(tokens);
    EXPECT_TRUE(gremium_ends_answer(engine_, 2));

    const std::string talking = write_talking_model(folder_ / "talks.gguf");
    gremium_engine* talker = nullptr;
    ASSERT_EQ(gremium_engine_open(talking.c_str(), false, &talker, nullptr), GREMIUM_OK);
    const char *roles[] = {"user"}, *contents[] = {"the hen"};
    ASSERT_EQ(gremium_tokenize_chat(talker, roles, contents, 1, &tokens, &count, nullptr), GREMIUM_OK);
    const std::vector<ChatMessage> messages{{"user", "the hen"}};
    EXPECT_THAT(std::vector(tokens, tokens + count), ElementsAreArray(Engine::open(talking).tokenize_chat(messages)));
    gremium_free(tokens);
    gremium_engine_close(talker);
    EXPECT_THAT(
        refused(GREMIUM_ERROR,
                [&](char** e) { return gremium_tokenize_chat(engine_, roles, contents, 1, &tokens, &count, e); }),
        HasSubstr("no chat template"));

    gremium_session_options options = gremium_default_session_options();
    options.context = 64;
    gremium_memory memory;
    ASSERT_EQ(gremium_memory_estimate(engine_, &options, &memory, nullptr), GREMIUM_OK);
    EXPECT_EQ(memory.cache, memory_estimate(Engine::open(path_), {.context = 64}).cache);
}

TEST_F(CInterface, ASessionSyncsEvaluatesTruncatesAndSteers) {
    gremium_session* session = open();
    const float* logits = nullptr;
    ASSERT_EQ(gremium_session_sync(session, prompt_.data(), prompt_.size(), &logits, nullptr), GREMIUM_OK);
    Session expected(Engine::open(path_));
    const auto row = expected.evaluate(prompt_);
    EXPECT_TRUE(std::equal(row.begin(), row.end(), logits));
    const int32_t* tokens = nullptr;
    EXPECT_EQ(gremium_session_tokens(session, &tokens), 20u);
    EXPECT_EQ(tokens[19], prompt_[19]);
    EXPECT_EQ(gremium_session_capacity(session), 128);
    int64_t left = -1;
    EXPECT_EQ(gremium_session_truncate(session, 5, &left, nullptr), GREMIUM_OK);
    EXPECT_EQ(left, 5);
    EXPECT_THAT(refused(GREMIUM_ERROR, [&](char** e) { return gremium_session_truncate(session, 6, &left, e); }),
                HasSubstr("cannot be cut to 6"));
    EXPECT_EQ(gremium_session_evaluate(session, prompt_.data() + 5, 15, &logits, nullptr), GREMIUM_OK);
    EXPECT_EQ(gremium_session_tokens(session, nullptr), 20u);
    EXPECT_THAT(refused(GREMIUM_ERROR, [&](char** e) { return gremium_session_read_source(session, tokens, 1, e); }),
                HasSubstr("no encoder"));

    gremium_steering* steering = nullptr;
    ASSERT_EQ(gremium_steering_parse("", nullptr, &steering, nullptr), GREMIUM_OK);
    EXPECT_EQ(gremium_steering_force(steering, 1, 2, nullptr), GREMIUM_OK);
    EXPECT_EQ(gremium_session_steer(session, steering, nullptr, nullptr, nullptr), GREMIUM_OK);
    EXPECT_EQ(gremium_session_tokens(session, nullptr), 0u);
    gremium_steering_close(steering);
    const gremium_generate_options options = greedy();
    gremium_answer answer;
    ASSERT_EQ(
        gremium_session_generate(session, prompt_.data(), prompt_.size(), &options, nullptr, nullptr, &answer, nullptr),
        GREMIUM_OK);
    SteeringProfile profile;
    profile.force(1, 2);
    const Answer wanted = Session(Engine::open(path_), {.steering = profile}).generate(prompt_, greedy_);
    EXPECT_THAT(std::vector(answer.tokens, answer.tokens + answer.token_count), ElementsAreArray(wanted.tokens));
    EXPECT_EQ(std::string(answer.text, answer.length), wanted.text);
    EXPECT_EQ(answer.finish, GREMIUM_FINISH_LENGTH);
    gremium_session_close(session);
}

TEST_F(CInterface, StopsAndTheCallbackEndAnAnswer) {
    gremium_session* session = open();
    gremium_generate_options options = greedy();
    gremium_answer answer;
    const auto generate = [&](gremium_on_text on_text) {
        EXPECT_EQ(gremium_session_generate(session, prompt_.data(), prompt_.size(), &options, on_text, nullptr, &answer,
                                           nullptr),
                  GREMIUM_OK);
    };
    generate(nullptr);
    const std::string text = answer.text, stop = characters(text)[3], before = text.substr(0, text.find(stop));
    const char* stops[] = {"never", stop.c_str()};
    options.stops = stops;
    options.stop_count = 2;
    generate(nullptr);
    EXPECT_EQ(answer.finish, GREMIUM_FINISH_STOP);
    EXPECT_EQ(answer.text, before);
    options.stop_count = 0;
    generate([](void*, const char*, size_t, int32_t) { return false; });
    EXPECT_EQ(answer.finish, GREMIUM_FINISH_CALLBACK);
    EXPECT_EQ(answer.token_count, 1u);
    gremium_session_close(session);
}

TEST_F(CInterface, SteeringIsWrittenAndChecked) {
    gremium_steering *a = nullptr, *b = nullptr;
    EXPECT_THAT(refused(GREMIUM_ERROR, [&](char** e) { return gremium_steering_parse("mute = 3", "mine", &a, e); }),
                HasSubstr("mine:1"));
    ASSERT_EQ(gremium_steering_parse("mute = [\"0.1\"]", nullptr, &a, nullptr), GREMIUM_OK);
    ASSERT_EQ(gremium_steering_parse(nullptr, nullptr, &b, nullptr), GREMIUM_OK);
    EXPECT_EQ(gremium_steering_bias(b, 1, 2, 0.5f, nullptr), GREMIUM_OK);
    EXPECT_EQ(gremium_steering_drop(b, 1, 3, nullptr), GREMIUM_OK);
    EXPECT_EQ(gremium_steering_experts_per_token(b, -1, 3, 0.9f, nullptr), GREMIUM_OK);
    EXPECT_EQ(gremium_steering_experts_per_token(b, 2, 1, 1, nullptr), GREMIUM_OK);
    EXPECT_EQ(gremium_steering_merge(a, b, nullptr), GREMIUM_OK);
    gremium_steering_close(b);
    char* toml = nullptr;
    ASSERT_EQ(gremium_steering_toml(a, &toml, nullptr), GREMIUM_OK);
    SteeringProfile expected;
    expected.mute(0, 1).bias(1, 2, 0.5f).drop(1, 3).experts_per_token(3, 0.9f).experts_per_token_of_layer(2, 1);
    EXPECT_EQ(toml, expected.toml());
    gremium_free(toml);
    EXPECT_EQ(gremium_steering_check(a, engine_, nullptr), GREMIUM_OK);
    EXPECT_EQ(gremium_steering_mute(a, 7, 0, nullptr), GREMIUM_OK);
    EXPECT_THAT(refused(GREMIUM_ERROR, [&](char** e) { return gremium_steering_check(a, engine_, e); }),
                HasSubstr("no layer 7"));
    gremium_steering_close(a);
}

// A hook in C that does what a profile does: three experts, one of them always, another never.
void three_with_five(void*, const gremium_before_selection* s) {
    *s->top_k = 3;
    gremium_rules_force(s->rules, 5);
    for (size_t t = 0; t < s->tokens; ++t) s->logits[t * static_cast<size_t>(s->experts) + 2] = -INFINITY;
}

TEST_F(CInterface, AHookChangesRoutingAndATraceRecordsIt) {
    const gremium_hook hook{nullptr, three_with_five, nullptr, "three"};
    gremium_trace* trace = nullptr;
    ASSERT_EQ(gremium_trace_create(engine_, &trace, nullptr), GREMIUM_OK);
    gremium_session_options options = gremium_default_session_options();
    options.hook = &hook;
    options.trace = trace;
    gremium_session* session = open(&options);
    EXPECT_EQ(gremium_session_sync(session, prompt_.data(), 4, nullptr, nullptr), GREMIUM_OK);
    ASSERT_EQ(gremium_trace_size(trace), 12u);  // 4 tokens in 3 layers
    gremium_decision decision;
    for (size_t i = 0; i < 12; ++i) {
        ASSERT_EQ(gremium_trace_decision(trace, i, &decision, nullptr), GREMIUM_OK);
        ASSERT_EQ(decision.count, 3u);
        EXPECT_EQ(std::count(decision.experts, decision.experts + 3, 5), 1);
        EXPECT_EQ(std::count(decision.experts, decision.experts + 3, 2), 0);
    }
    EXPECT_EQ(decision.position, 3);
    EXPECT_EQ(decision.token, prompt_[3]);
    EXPECT_EQ(gremium_trace_decision(trace, 12, &decision, nullptr), GREMIUM_ERROR);

    const std::string file = folder_ / "trace.jsonl";
    ASSERT_EQ(gremium_trace_write(trace, file.c_str(), nullptr), GREMIUM_OK);
    gremium_trace* read = nullptr;
    ASSERT_EQ(gremium_trace_read(file.c_str(), &read, nullptr), GREMIUM_OK);
    EXPECT_EQ(gremium_trace_size(read), 12u);
    ASSERT_EQ(gremium_trace_decision(read, 11, &decision, nullptr), GREMIUM_OK);
    EXPECT_EQ(decision.token, prompt_[3]);
    EXPECT_EQ(gremium_trace_write(read, file.c_str(), nullptr), GREMIUM_ERROR);
    EXPECT_THAT(
        refused(GREMIUM_ERROR, [&](char** e) { return gremium_session_steer(session, nullptr, nullptr, read, e); }),
        HasSubstr("records nothing"));
    gremium_trace_close(read);
    gremium_trace_clear(trace);
    EXPECT_EQ(gremium_trace_size(trace), 0u);
    gremium_trace_close(trace);  // the session still has it
    EXPECT_EQ(gremium_session_sync(session, prompt_.data(), 8, nullptr, nullptr), GREMIUM_OK);
    gremium_session_close(session);
}

struct Heard {
    std::vector<int32_t> tokens;
    gremium_finish finish;
    int calls = 0, ended = 0;
};

TEST_F(CInterface, RequestsHaveTheirOwnSteering) {
    gremium_scheduler* scheduler = nullptr;
    ASSERT_EQ(gremium_scheduler_open(engine_, nullptr, &scheduler, nullptr), GREMIUM_OK);
    const gremium_generate_options options = greedy();
    gremium_steering* steering = nullptr;
    ASSERT_EQ(gremium_steering_parse("force = [\"0.4\"]", nullptr, &steering, nullptr), GREMIUM_OK);
    const gremium_hook hook{nullptr, three_with_five, nullptr, "three"};
    Heard heard[4];
    uint64_t ids[4];
    for (size_t i = 0; i < 4; ++i) {
        gremium_request request{};
        request.prompt = prompt_.data();
        request.prompt_count = prompt_.size();
        request.generate = &options;
        request.steering = i == 1 ? steering : nullptr;
        request.hook = i == 2 ? &hook : nullptr;
        request.user = &heard[i];
        request.on_text = [](void* user, const char*, size_t, int32_t) {
            ++static_cast<Heard*>(user)->calls;
            return true;
        };
        request.on_finish = [](void* user, const gremium_answer* answer) {
            auto& h = *static_cast<Heard*>(user);
            h.tokens.assign(answer->tokens, answer->tokens + answer->token_count);
            h.finish = answer->finish;
            ++h.ended;
        };
        ASSERT_EQ(gremium_scheduler_submit(scheduler, &request, &ids[i], nullptr), GREMIUM_OK);
    }
    gremium_steering_close(steering);
    EXPECT_EQ(gremium_scheduler_waiting(scheduler), 4);
    gremium_scheduler_cancel(scheduler, ids[3]);
    for (bool more = true; more;) ASSERT_EQ(gremium_scheduler_step(scheduler, &more, nullptr), GREMIUM_OK);
    EXPECT_EQ(gremium_scheduler_running(scheduler), 0);
    const Engine engine = Engine::open(path_);
    SteeringProfile forced;
    forced.force(0, 4);
    EXPECT_EQ(heard[0].tokens, Session(engine).generate(prompt_, greedy_).tokens);
    EXPECT_EQ(heard[1].tokens, Session(engine, {.steering = forced}).generate(prompt_, greedy_).tokens);
    EXPECT_NE(heard[0].tokens, heard[1].tokens);
    gremium_session_options alone = gremium_default_session_options();
    alone.hook = &hook;
    gremium_session* session = open(&alone);
    gremium_answer answer;
    ASSERT_EQ(
        gremium_session_generate(session, prompt_.data(), prompt_.size(), &options, nullptr, nullptr, &answer, nullptr),
        GREMIUM_OK);
    EXPECT_THAT(heard[2].tokens, ElementsAreArray(answer.tokens, answer.token_count));
    gremium_session_close(session);
    EXPECT_EQ(heard[3].finish, GREMIUM_FINISH_CANCELLED);
    for (const Heard& h : heard) EXPECT_EQ(h.ended, 1);
    gremium_scheduler_close(scheduler);
}

TEST_F(CInterface, HandlesCloseInAnyOrder) {
    for (int order = 0; order < 6; ++order) {
        gremium_engine* engine = nullptr;
        gremium_session* session = nullptr;
        gremium_scheduler* scheduler = nullptr;
        ASSERT_EQ(gremium_engine_open(path_.c_str(), order % 2, &engine, nullptr), GREMIUM_OK);
        ASSERT_EQ(gremium_session_open(engine, nullptr, &session, nullptr), GREMIUM_OK);
        ASSERT_EQ(gremium_scheduler_open(engine, nullptr, &scheduler, nullptr), GREMIUM_OK);
        gremium_request request{};
        request.prompt = prompt_.data();
        request.prompt_count = prompt_.size();
        ASSERT_EQ(gremium_scheduler_submit(scheduler, &request, nullptr, nullptr), GREMIUM_OK);
        ASSERT_EQ(gremium_scheduler_step(scheduler, nullptr, nullptr), GREMIUM_OK);
        const std::function<void()> close[] = {[&] { gremium_engine_close(engine); },
                                               [&] { gremium_session_close(session); },
                                               [&] { gremium_scheduler_close(scheduler); }};
        const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        for (const int which : orders[order]) close[which]();
    }
}

TEST_F(CInterface, Versions) {
    gremium_store* store = nullptr;
    const std::string directory = folder_ / "store", changed_path = write_changed_model(folder_ / "changed.gguf");
    ASSERT_EQ(gremium_store_create(directory.c_str(), path_.c_str(), &store, nullptr), GREMIUM_OK);
    gremium_engine *changed = nullptr, *opened = nullptr;
    ASSERT_EQ(gremium_engine_open(changed_path.c_str(), false, &changed, nullptr), GREMIUM_OK);
    char* id = nullptr;
    ASSERT_EQ(gremium_store_commit(store, changed, "one expert louder", &id, nullptr), GREMIUM_OK);
    gremium_version_info* log = nullptr;
    size_t count = 0;
    ASSERT_EQ(gremium_store_log(store, nullptr, &log, &count, nullptr), GREMIUM_OK);
    ASSERT_EQ(count, 2u);
    EXPECT_STREQ(log[0].id, id);
    EXPECT_STREQ(log[0].message, "one expert louder");
    EXPECT_STREQ(log[0].parent, log[1].id);
    EXPECT_STREQ(log[1].parent, "");
    gremium_free(log);
    gremium_expert_change* changes = nullptr;
    ASSERT_EQ(gremium_store_difference(store, "HEAD~1", "HEAD", &changes, &count, nullptr), GREMIUM_OK);
    ASSERT_EQ(count, 1u);
    EXPECT_EQ(changes[0].layer, 1);
    EXPECT_EQ(changes[0].expert, 3);
    EXPECT_GT(changes[0].weights, 0);
    gremium_free(changes);
    ASSERT_EQ(gremium_store_create_branch(store, "try", "HEAD~1", nullptr), GREMIUM_OK);
    ASSERT_EQ(gremium_store_check_out(store, "try", nullptr), GREMIUM_OK);
    ASSERT_EQ(gremium_store_open_version(store, "main", &opened, nullptr), GREMIUM_OK);
    gremium_engine_close(opened);
    char* head = nullptr;
    ASSERT_EQ(gremium_store_resolve(store, nullptr, &head, nullptr), GREMIUM_OK);
    EXPECT_STRNE(head, id);
    ASSERT_EQ(gremium_store_check_out(store, "main", nullptr), GREMIUM_OK);
    ASSERT_EQ(gremium_store_remove_branch(store, "try", nullptr), GREMIUM_OK);
    ASSERT_EQ(gremium_store_revert(store, "HEAD", "as it was", nullptr, nullptr), GREMIUM_OK);
    char* problems = nullptr;
    ASSERT_EQ(gremium_store_problems(store, &problems, nullptr), GREMIUM_OK);
    EXPECT_STREQ(problems, "");
    int64_t freed = -1;
    ASSERT_EQ(gremium_store_collect_garbage(store, &freed, nullptr), GREMIUM_OK);
    EXPECT_THAT(refused(GREMIUM_ERROR, [&](char** e) { return gremium_store_check_out(store, "nowhere", e); }),
                HasSubstr("nowhere"));
    for (char* text : {id, head, problems}) gremium_free(text);
    gremium_engine_close(changed);
    gremium_store_close(store);
}

}  // namespace
}  // namespace gremium::api::test
