// An answer's text as its tokens arrive, and the texts at which it ends.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace gremium::engine {

// Whole UTF-8 characters, held back while they could still be the beginning of a stop text. Which stop text ends an
// answer depends on the text alone, not on how tokens cut it: the one that is complete first, of several the longest.
class TextStream {
  public:
    // Throws Error for stop texts that are empty or not UTF-8. The tokenizer must outlive it.
    explicit TextStream(const Tokenizer& tokenizer, std::vector<std::string> stops = {},
                        const DecodeOptions& decode = {});

    std::string push(int32_t token);  // the text that is certain now; nothing more after a stop text
    std::string finish();             // what was held back, at the end of the answer

    // The stop text that was met: neither it nor what follows it is part of the text. Empty: none.
    const std::string& stop() const { return met_; }

  private:
    std::string add(std::string_view text);
    size_t possible_stop() const;

    StreamingDecoder decoder_;
    std::vector<std::string> stops_;
    std::string held_, met_;
};

}  // namespace gremium::engine
