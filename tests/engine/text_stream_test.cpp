// An answer's text: never half a character, never a beginning of a stop text.
#include "engine/text_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "tests/model/tiny_model.h"
#include "text/utf8.h"

namespace gremium::engine {
namespace {

using testing::ElementsAre;

// The vocabulary of tiny models: bytes from id 3, then the pieces below.
class TextStreams : public testing::Test {
  protected:
    static int32_t byte(char c) { return 3 + static_cast<unsigned char>(c); }
    static std::vector<int32_t> bytes(std::string_view text) {
        std::vector<int32_t> ids;
        for (const char c : text) ids.push_back(byte(c));
        return ids;
    }
    int32_t piece(std::string_view text) const {
        const auto& tokens = tokenizer_->vocabulary().tokens;
        return static_cast<int32_t>(std::ranges::find(tokens, text) - tokens.begin());
    }

    // What each token shows, and what the end shows.
    std::vector<std::string> shown(const std::vector<int32_t>& ids, std::vector<std::string> stops) {
        TextStream stream(*tokenizer_, std::move(stops), {.at_start = false});
        std::vector<std::string> parts;
        for (const int32_t id : ids) parts.push_back(stream.push(id));
        parts.push_back(stream.finish());
        met_ = stream.stop();
        return parts;
    }
    static std::string joined(const std::vector<std::string>& parts) {
        std::string all;
        for (const std::string& part : parts) all += part;
        return all;
    }

    std::unique_ptr<Tokenizer> tokenizer_ = make_tokenizer(test::tiny_vocabulary(300));
    std::string met_;
};

TEST_F(TextStreams, WithoutStopTextsAllIsShownAtOnce) {
    EXPECT_THAT(shown({piece("th"), piece("e"), byte('!')}, {}), ElementsAre("th", "e", "!", ""));
    EXPECT_EQ(met_, "");
}

TEST_F(TextStreams, CharactersAreShownWhole) {
    EXPECT_THAT(shown(bytes("a\u20acb"), {}), ElementsAre("a", "", "", "\u20ac", "b", ""));
    // The end of the answer in the middle of a character, and bytes that are none.
    EXPECT_THAT(shown(bytes("a\xe2\x82"), {}), ElementsAre("a", "", "", "\ufffd"));
    EXPECT_THAT(shown(bytes("\xff!"), {}), ElementsAre("\ufffd", "!", ""));
}

TEST_F(TextStreams, AStopTextMaySpanTokens) {
    EXPECT_THAT(shown({piece("th"), piece("er"), piece("e"), piece("s")}, {"ere"}), ElementsAre("th", "", "", "", ""));
    EXPECT_EQ(met_, "ere");
    // One inside a token.
    EXPECT_THAT(shown({piece("s"), piece("th"), piece("s")}, {"h"}), ElementsAre("s", "t", "", ""));
    EXPECT_EQ(met_, "h");
}

TEST_F(TextStreams, WhatTurnsOutToBeNoStopTextIsShown) {
    EXPECT_THAT(shown(bytes("aabaac"), {"aac"}), ElementsAre("", "", "aab", "", "", "", ""));
    EXPECT_THAT(shown(bytes("xab"), {"abc"}), ElementsAre("x", "", "", "ab"));
    EXPECT_EQ(met_, "");
}

TEST_F(TextStreams, StopTextsOfManyBytesToACharacter) {
    EXPECT_THAT(shown(bytes("a\u00e9\u20acb"), {"\u20acb"}), ElementsAre("a", "", "\u00e9", "", "", "", "", ""));
    EXPECT_EQ(met_, "\u20acb");
    // A character that begins with the same bytes.
    EXPECT_EQ(joined(shown(bytes("\u20ad"), {"\u20ac"})), "\u20ad");
}

// Whatever the tokens: the text ends at the stop text that is complete first, of several the longest.
TEST_F(TextStreams, TheStopTextThatIsCompleteFirstEndsIt) {
    const std::vector<std::vector<int32_t>> spellings{bytes("anther"),
                                                      {piece("a"), piece("n"), piece("th"), piece("er")},
                                                      {piece("a"), piece("n"), piece("t"), piece("he"), piece("r")}};
    for (const auto& ids : spellings) {
        EXPECT_EQ(joined(shown(ids, {"ther", "he"})), "ant");
        EXPECT_EQ(met_, "he");
        EXPECT_EQ(joined(shown(ids, {"r", "ther", "er"})), "an");
        EXPECT_EQ(met_, "ther");
    }
}

TEST_F(TextStreams, EveryPartIsWholeAndTogetherTheyAreTheText) {
    const std::string text = "na\u00efve \u20ac 10 \U0001f600 the end";
    for (const char* stop : {"\u20ac 1x", "\U0001f600!", "en", "zz", "\u00efve"}) {
        const std::vector<std::string> parts = shown(bytes(text), {stop});
        for (const std::string& part : parts)
            for (std::string_view rest = part; !rest.empty();) {
                const utf8::Start start = utf8::start(rest);
                ASSERT_EQ(start.kind, utf8::Start::character) << stop;
                rest.remove_prefix(start.size);
            }
        EXPECT_EQ(joined(parts), text.substr(0, text.find(stop))) << stop;
    }
}

TEST_F(TextStreams, StopTextsThatCannotBeMetAreRefused) {
    EXPECT_THROW(shown({}, {""}), Error);
    EXPECT_THROW(shown({}, {"a", "\xa9"}), Error);
    EXPECT_THROW(shown({}, {"a\xe2\x82"}), Error);
}

}  // namespace
}  // namespace gremium::engine
