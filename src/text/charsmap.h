// SentencePiece's text normalisation: precompiled replacement rules, then spaces.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/prefix_index.h"
#include "text/vocabulary.h"

namespace gremium {

// The rules of a precompiled_charsmap: uint32 size of a double-array trie (darts-clone), the trie as uint32
// nodes, then replacements that end with NUL. All little-endian.
class Charsmap {
  public:
    // "" holds no rules. Throws Error for bytes of another form.
    explicit Charsmap(std::string_view bytes);

    struct Rule {
        size_t size;  // bytes of text it replaces; 0: none applies
        std::string_view replacement;
    };
    Rule longest(std::string_view text) const;   // at the head of `text`
    Rule shortest(std::string_view text) const;  // likewise

  private:
    Rule find(std::string_view text, bool first) const;
    uint32_t node(size_t index) const { return index < nodes_.size() ? nodes_[index] : 0; }

    std::vector<uint32_t> nodes_;
    std::string replacements_;
};

// As a vocabulary asks: rules, U+2581 for spaces, one in front, runs of spaces collapsed. User-defined tokens
// stay as they are; what is not UTF-8 becomes U+FFFD.
class Normalizer {
  public:
    explicit Normalizer(const Vocabulary& vocabulary);  // keeps views of its tokens
    std::string operator()(std::string_view text) const;

  private:
    Charsmap::Rule next(std::string_view text) const;

    Charsmap charsmap_;
    PrefixIndex user_defined_;
    bool space_in_front_, one_space_;
};

}  // namespace gremium
