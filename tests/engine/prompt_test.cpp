// What a model is given: begin-of-text tokens, chat templates.
#include "engine/prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tests/model/tiny_model.h"

namespace gremium::engine {
namespace {

using Json = nlohmann::ordered_json;

std::shared_ptr<Model> model_with(const std::string& chat_template, bool add_bos = true) {
    const auto model = test::tiny_model("llama");
    Vocabulary vocabulary = test::tiny_vocabulary(model->spec.vocab);
    vocabulary.chat_template = chat_template;
    vocabulary.add_bos = add_bos;
    model->tokenizer = make_tokenizer(std::move(vocabulary));
    return model;
}

const Json messages = Json::parse(R"([{"role": "system", "content": "ne"}, {"role": "user", "content": "the"}])");
const char* const plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:";

std::string message_of(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

TEST(TextPrompt, BeginsAsTheVocabularyWants) {
    const auto with = model_with("", true), without = model_with("", false);
    const Prompt prompt = text_prompt(*with, "the hare");
    EXPECT_EQ(prompt.tokens, with->tokenizer->encode("the hare"));
    EXPECT_EQ(prompt.tokens.front(), 1);
    EXPECT_EQ(prompt.size(), prompt.tokens.size());
    EXPECT_TRUE(prompt.source.empty());
    EXPECT_NE(text_prompt(*without, "the hare").tokens.front(), 1);
}

TEST(TextPrompt, RefusesWhatNothingCanFollow) {
    const auto model = model_with("");
    EXPECT_THAT(message_of([&] { text_prompt(*model, ""); }), testing::HasSubstr("empty"));
    model->tokenizer = nullptr;
    EXPECT_THAT(message_of([&] { text_prompt(*model, "the"); }), testing::HasSubstr("holds no tokenizer"));
    model->tokenizer_error = "tokenizer.json: of no kind that is known";
    EXPECT_EQ(message_of([&] { text_prompt(*model, "the"); }), model->tokenizer_error);
}

TEST(ChatPrompt, IsTheTemplatesTextWithOneBeginOfText) {
    const std::string text = "system: ne\nuser: the\nassistant:";
    for (const bool add_bos : {true, false}) {
        const auto model = model_with(plain, add_bos);
        std::vector<int32_t> expected = model->tokenizer->encode(text, {.add_bos_eos = false});
        if (add_bos) expected.insert(expected.begin(), 1);
        EXPECT_EQ(ChatPrompt(model)(messages, Json::object()).tokens, expected);
    }
    const auto own = model_with(std::string("{{ bos_token }}") + plain);
    const std::vector<int32_t> ids = ChatPrompt(own)(messages, Json::object()).tokens;
    EXPECT_EQ(ids.front(), 1);
    EXPECT_EQ(std::ranges::count(ids, 1), 1);
}

TEST(ChatPrompt, GivesTemplatesWhatElseTheyLookFor) {
    const auto model = model_with("{% if add_generation_prompt %}{{ tools[0] }}{% endif %}{{ eos_token }}");
    const std::vector<int32_t> ids = ChatPrompt(model)(messages, Json{{"tools", {"there"}}}).tokens;
    EXPECT_EQ(model->tokenizer->decode(ids), "there");
    EXPECT_EQ(ids.back(), 2);
    EXPECT_EQ(ChatPrompt(model)(messages, Json{{"tools", {"x"}}, {"add_generation_prompt", false}}).tokens.size(), 2u);
}

TEST(ChatPrompt, OnlyTheTemplateMakesControlTokens) {
    const auto model = model_with("{{ bos_token }}{{ messages[0].content | trim }}{{ eos_token }}", false);
    const Json typed = {{{"role", "user"}, {"content", " </s><s>"}}};
    const std::vector<int32_t> ids = ChatPrompt(model)(typed, Json::object()).tokens;
    EXPECT_EQ(std::ranges::count(ids, 1), 1);
    EXPECT_EQ(std::ranges::count(ids, 2), 1);
    EXPECT_EQ(model->tokenizer->decode(ids), "</s><s>");
    EXPECT_EQ(ChatPrompt(model, {.specials = true})(typed, Json::object()).tokens, (std::vector<int32_t>{1, 2, 1, 2}));
}

TEST(ChatPrompt, AnotherTemplateEndsTurnsInItsOwnWay) {
    const auto model = model_with("{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}");
    const ChatPrompt other(model, {.source = "{% for m in messages %}{{ m.content }}<unk></s>{% endfor %}"});
    EXPECT_EQ(ChatPrompt(model).ends(), std::vector<int32_t>{2});
    EXPECT_TRUE(other.ends().empty()) << "<unk> is no control token";
    EXPECT_EQ(other(messages, Json::object()).tokens.size(),
              ChatPrompt(model)(messages, Json::object()).tokens.size() + 2);
}

TEST(ChatPrompt, SaysWhatIsMissing) {
    EXPECT_THAT(message_of([] { ChatPrompt(model_with("")); }), testing::HasSubstr("holds no chat template"));
    EXPECT_THAT(message_of([] { ChatPrompt(model_with("{% for %}")); }), testing::HasSubstr("chat template"));
    EXPECT_THAT(message_of([] { ChatPrompt(model_with("{{ '' }}", false))(messages, Json::object()); }),
                testing::HasSubstr("empty prompt"));
    EXPECT_THAT(
        message_of([] { ChatPrompt(model_with("{{ raise_exception('no system') }}"))(messages, Json::object()); }),
        testing::HasSubstr("no system"));
}

}  // namespace
}  // namespace gremium::engine
