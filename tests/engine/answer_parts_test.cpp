// Thoughts and answers told apart, however the text is cut.
#include "engine/answer_parts.h"

#include <gtest/gtest.h>

namespace gremium::engine {
namespace {

// A token a byte, one for spaces, and control tokens behind them.
Vocabulary vocabulary(const std::vector<std::string>& control) {
    Vocabulary v;
    v.tokens.push_back("<unk>");
    v.types.push_back(TokenType::unknown);
    v.unk = 0;
    for (int byte = 0; byte < 256; ++byte) {
        v.tokens.push_back(fmt::format("<0x{:02X}>", byte));
        v.types.push_back(TokenType::byte);
    }
    v.tokens.push_back("▁");
    v.types.push_back(TokenType::normal);
    for (const std::string& text : control) {
        v.tokens.push_back(text);
        v.types.push_back(TokenType::control);
    }
    v.scores.assign(v.tokens.size(), 0);
    return v;
}

struct Told {
    std::string said, thought;
    bool operator==(const Told&) const = default;
};
void PrintTo(const Told& told, std::ostream* out) {
    *out << "said '" << told.said << "', thought '" << told.thought << "'";
}

Told told(const Tokenizer& tokenizer, std::string_view prompt, std::string_view answer) {
    AnswerParts parts(tokenizer, tokenizer.encode(prompt));
    TextStream stream(tokenizer, {}, {.at_start = false});
    Told result;
    const auto take = [&](const AnswerPieces& pieces) {
        for (const AnswerPiece& piece : pieces) (piece.thought ? result.thought : result.said) += piece.text;
    };
    for (const int32_t token : tokenizer.encode(answer)) {
        if (const std::string_view mark = parts.mark(token); !mark.empty()) {
            take(parts.add(stream.finish()));
            take(parts.change(mark));
        }
        take(parts.add(stream.push(token)));
    }
    take(parts.add(stream.finish()));
    take(parts.finish());
    return result;
}

TEST(AnswerParts, AnAnswerWithoutMarksIsSaidAsItIs) {
    const auto t = make_tokenizer(vocabulary({}));
    for (const std::string text : {"", "  ", "\n\nBerlin\n", "a <think> b", "<thin", "</think>x", "[THINKING]"})
        EXPECT_EQ(told(*t, "p", text), (Told{text, ""}));
}

TEST(AnswerParts, ThoughtsBetweenWords) {
    const auto t = make_tokenizer(vocabulary({}));
    EXPECT_EQ(told(*t, "p", "<think>\nhm</thin</think>\n\nBerlin <think>"), (Told{"Berlin <think>", "\nhm</thin"}));
    EXPECT_EQ(told(*t, "p", "\n<think>a</think>\n<think>b</think>c"), (Told{"c", "ab"}));
    EXPECT_EQ(told(*t, "p", "<think>never ends</thi"), (Told{"", "never ends</thi"}));
    EXPECT_EQ(told(*t, "p<think>\n", "hm</think>Berlin"), (Told{"Berlin", "hm"})) << "opened by the prompt";
    EXPECT_EQ(told(*t, "p<think>\n\n</think>\n\n", "Berlin"), (Told{"Berlin", ""})) << "closed by the prompt";
    EXPECT_EQ(told(*t, "what is <think>?", "a mark"), (Told{"a mark", ""}));
}

TEST(AnswerParts, ThoughtsBetweenControlTokens) {
    const auto t = make_tokenizer(vocabulary({"[THINK]", "[/THINK]"}));
    EXPECT_EQ(told(*t, "p", "[THINK]hm[/THINK] Berlin"), (Told{"Berlin", "hm"}));
    EXPECT_EQ(told(*t, "p", "Well, [THINK]hm[/THINK]Berlin"), (Told{"Well, Berlin", "hm"}));
}

TEST(AnswerParts, Channels) {
    const auto t = make_tokenizer(
        vocabulary({"<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>", "<|call|>", "<|constrain|>"}));
    const std::string prompt = "<|start|>user<|message|>Capital?<|end|><|start|>assistant";
    EXPECT_EQ(
        told(*t, prompt,
             "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Berlin<|return|>"),
        (Told{"Berlin", "hm"}));
    EXPECT_EQ(told(*t, prompt, "<|channel|>final<|message|>assistantfinal"), (Told{"assistantfinal", ""}));
    EXPECT_EQ(told(*t, prompt, "<|channel|>commentary to=f <|constrain|>json<|message|>{}<|call|>"), (Told{"", "{}"}));
    EXPECT_EQ(told(*t, prompt, "no channels"), (Told{"no channels", ""}));
    EXPECT_EQ(told(*t, prompt, "<|channel|>analysis<|message|>cut"), (Told{"", "cut"}));
}

}  // namespace
}  // namespace gremium::engine
