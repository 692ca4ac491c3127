// What a model thinks and what it says, told apart in the tokens of its answer.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text_stream.h"
#include "text/tokenizer.h"

namespace gremium::engine {

struct AnswerPiece {
    std::string text;
    bool thought;
};
using AnswerPieces = std::vector<AnswerPiece>;

// Two habits of models. Channels, in vocabularies that have <|channel|> and <|message|> (gpt-oss): messages between
// control tokens, of which those on "final" are said and the others thought. And thoughts between marks such as <think>
// and </think>: at the beginning of an answer or opened by the prompt, where the marks are words, and anywhere where
// they are control tokens. An answer with neither is said, as it is.
class AnswerParts {
  public:
    // The answer follows this prompt. The tokenizer must outlive it.
    AnswerParts(const Tokenizer& tokenizer, std::span<const int32_t> prompt);

    // Where a control token changes what follows: its mark; otherwise empty.
    std::string_view mark(int32_t token) const;
    // What is certain now of text, and after the text of all tokens before a mark.
    AnswerPieces add(std::string_view text);
    AnswerPieces change(std::string_view mark);
    AnswerPieces finish();

  private:
    enum class State : uint8_t { said, thought, role, channel };

    AnswerPieces put(std::string text, bool thought);
    AnswerPieces add_said();
    AnswerPieces add_thought();
    AnswerPieces release();

    const Tokenizer* tokenizer_;
    bool channels_;
    State state_ = State::said;
    std::string pending_, channel_;
    std::string_view closing_;  // what ends the thought; empty: a channel's
    bool at_start_ = true;      // nothing has been said, or nothing since a thought
    bool trims_ = false;        // white space before what is said goes with the thought
};

}  // namespace gremium::engine
