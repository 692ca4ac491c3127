// Cuts text into words by regular expressions, before byte-pair merges.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/pattern.h"

namespace gremium {

// Each pattern cuts the pieces that the one before it left; matches and what lies between them are pieces
// alike ("isolated" in tokenizer.json). Immutable: one splitter serves all threads.
class Splitter {
  public:
    // Throws Error for an expression that is none.
    explicit Splitter(std::span<const std::string> patterns);

    // Calls word(piece) in order; the pieces joined are the text. Any bytes are text. Throws Error for a pattern that
    // takes exponential time on this text.
    void split(std::string_view text, const std::function<void(std::string_view word)>& word) const;

  private:
    void cut(size_t stage, std::string_view text, const std::function<void(std::string_view)>& word) const;

    std::vector<Pattern> stages_;
};

}  // namespace gremium
