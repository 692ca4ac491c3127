// Cuts text into words by regular expressions, before byte-pair merges.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;

namespace gremium {

// Each pattern cuts the pieces that the one before it left; matches and what lies between them are pieces
// alike ("isolated" in tokenizer.json). Immutable: one splitter serves all threads.
class Splitter {
  public:
    // Perl-like syntax over Unicode; \s is Unicode's White_Space. Throws Error for a pattern that is none.
    explicit Splitter(std::span<const std::string> patterns);

    // Calls word(piece) in order; the pieces joined are the text. Any bytes are text: what is not UTF-8
    // matches nothing. Throws Error for a pattern that takes exponential time on this text.
    void split(std::string_view text, const std::function<void(std::string_view word)>& word) const;

  private:
    struct Free {
        void operator()(pcre2_real_code_8* code) const;
    };
    std::vector<std::unique_ptr<pcre2_real_code_8, Free>> stages_;
};

}  // namespace gremium
