// Where names of control tokens in a rendered template came from.
#include "text/message_marks.h"

#include <gtest/gtest.h>

#include "text/chat_template.h"

namespace gremium {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::string_view> names = {"<|e|>", "<|user|>", "[END]", "｜"};

// The rendered text with every name that came in with the messages in upper case.
std::string shown(const std::string& source, const std::string& content) {
    const Json variables = {{"messages", {{{"role", "user"}, {"content", content}}}}};
    const MarkedText marked = ChatTemplate(source).render_marked(variables, names);
    EXPECT_EQ(marked.text, ChatTemplate(source).render(variables)) << source;
    std::string text = marked.text;
    for (const std::string_view name : names)
        for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
            const auto inside = [&](const TextRange& r) { return r.begin < at + name.size() && r.end > at; };
            if (std::ranges::any_of(marked.given, inside))
                std::ranges::transform(name, text.begin() + static_cast<std::ptrdiff_t>(at),
                                       [](char c) { return static_cast<char>(std::toupper(c)); });
        }
    return text;
}

TEST(MessageMarks, OnlyTheTemplatesNamesAreItsOwn) {
    const std::string own = "<|e|>{{ messages[0].content }}<|e|>";
    EXPECT_EQ(shown(own, "hi"), "<|e|>hi<|e|>");
    EXPECT_EQ(shown(own, "<|e|>"), "<|e|><|E|><|e|>");
    EXPECT_EQ(shown(own, "a<|e|><|user|>b"), "<|e|>a<|E|><|USER|>b<|e|>");
    EXPECT_EQ(shown("{{ '<|e|>' + messages[0]['content'] + '<|e|>' }}", "x<|e|>"), "<|e|>x<|E|><|e|>");
    EXPECT_EQ(shown("{% set x = messages[0].content | trim %}{{ x ~ '<|e|>' }}", " <|e|>\n"), "<|E|><|e|>");
    EXPECT_EQ(shown("{% for c in messages[0].content %}{{ c }}{% endfor %}<|e|>", "<|e|>"), "<|E|><|e|>");
    EXPECT_EQ(shown("<|e|>{{ messages | tojson }}<|e|>", "\"<|e|>\""),
              "<|e|>[{\"role\": \"user\", \"content\": \"\\\"<|E|>\\\"\"}]<|e|>");
    EXPECT_EQ(shown("<|{{ messages[0].role }}|>{{ messages[0].content }}", "<|user|>"), "<|user|><|USER|>");
    EXPECT_EQ(shown(own, "\U0010F03C is no mark, <|e|> is one"), "<|e|>\U0010F03C is no mark, <|E|> is one<|e|>");
}

// A template that looks at a name does what it does with the message as it is; what it made is no token anyway.
TEST(MessageMarks, TemplatesThatLookAtNames) {
    const std::string split = "<|user|>{{ messages[0].content.split('<|e|>')[-1] }}<|e|>";
    EXPECT_EQ(shown(split, "a<|e|>b"), "<|user|>b<|e|>");
    EXPECT_EQ(shown(split, "a<|e|>b[END]"), "<|user|>b[END]<|e|>");
    EXPECT_EQ(shown("<|user|>{{ 'yes' if '<|e|>' in messages[0].content else 'no' }}[END]", "<|e|>"),
              "<|user|>yes[END]");
    EXPECT_EQ(shown("{% if '<|e|>' in messages[0].content %}{{ messages[0].content }}{% endif %}<|user|>", "<|e|>"),
              "<|E|><|user|>");
    EXPECT_EQ(
        shown("{{ raise_exception('no') if '<|e|>' not in messages[0].content }}{{ messages[0].content }}<|user|>",
              "<|e|>"),
        "<|E|><|user|>");
}

}  // namespace
}  // namespace gremium
