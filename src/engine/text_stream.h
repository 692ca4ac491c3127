// Turns an answer's tokens into text as they arrive, and stops at stop texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace gremium::engine {

// Gives out complete UTF-8 characters, but holds them back while they could be the beginning of a stop text. Which stop
// text ends an answer depends only on the text, not on how it is cut into tokens: the first that is complete, and of
// several the longest.
class TextStream {
  public:
    // Throws Error for stop texts that are empty or not UTF-8. The tokenizer must outlive it.
    explicit TextStream(const Tokenizer& tokenizer, std::vector<std::string> stops = {},
                        const DecodeOptions& decode = {});

    // Returns the text that is now certain; nothing after a stop text.
    std::string push(int32_t token);
    // Returns what was held back, at the end of the answer.
    std::string finish();

    // The stop text that ended the answer; neither it nor what follows is part of the text. Empty: none.
    const std::string& stop() const { return met_; }

  private:
    std::string add(std::string_view text);
    size_t possible_stop() const;

    StreamingDecoder decoder_;
    std::vector<std::string> stops_;
    std::string held_, met_;
};

}  // namespace gremium::engine
