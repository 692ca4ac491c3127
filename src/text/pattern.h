// Regular expressions over text, as tokenizers use them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

struct pcre2_real_code_8;

namespace gremium {

// Immutable: serves all threads. Any bytes are text: what is not UTF-8 matches nothing.
class Pattern {
  public:
    // Perl-like syntax over Unicode; \s is Unicode's White_Space, \w letters, marks, digits
    // and connectors. Throws Error for a pattern
    // that is none.
    explicit Pattern(std::string_view expression);

    // Calls found(begin, end) for every match, from left to right; an empty one, too. In a time that is near linear
    // where the expression allows it; throws Error for one that takes exponential time on this text.
    void matches(std::string_view text, const std::function<void(size_t begin, size_t end)>& found) const;

    // The expression that matches `text` alone.
    static std::string literal(std::string_view text);

  private:
    // Digits in groups of three, counted from the end of their run: as an expression that looks ahead it would read
    // every run again for every group.
    enum class Groups { none, pieces, cuts };
    struct Free {
        void operator()(pcre2_real_code_8* code) const;
    };
    void recognise_groups(std::string_view expression);
    void groups(std::string_view text, const std::function<void(size_t begin, size_t end)>& found) const;
    bool is_digit(int32_t code) const;

    std::unique_ptr<pcre2_real_code_8, Free> code_;
    Groups groups_ = Groups::none;
    std::string digit_;       // of groups: the expression of a digit
    bool to_a_word_ = false;  // of groups: where a word goes on behind the run, nothing matches
};

}  // namespace gremium
