#include "text/splitter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "base/error.h"

namespace gremium {

namespace {

// Unicode's White_Space; PCRE2's own \s also has U+180E.
constexpr std::string_view white_space =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

// The pattern with \s, and \S outside a class, spelled out.
std::string with_white_space(std::string_view pattern) {
    std::string result;
    bool in_class = false;
    for (size_t i = 0; i < pattern.size(); ++i) {
        const std::string_view two = pattern.substr(i, 2);
        if (two == "\\s") {
            result += in_class ? std::string(white_space) : fmt::format("[{}]", white_space);
        } else if (two == "\\S" && !in_class) {
            result += fmt::format("[^{}]", white_space);
        } else if (pattern[i] == '\\') {
            result += two;
        } else {
            if (pattern[i] == '[') in_class = true;
            if (pattern[i] == ']') in_class = false;
            result += pattern[i];
            continue;
        }
        ++i;
    }
    return result;
}

std::string message(int error) {
    PCRE2_UCHAR text[256];
    pcre2_get_error_message(error, text, sizeof text);
    return reinterpret_cast<const char*>(text);
}

// What one call of split needs beside the patterns.
class Match {
  public:
    Match() : data_(pcre2_match_data_create(1, nullptr)), context_(pcre2_match_context_create(nullptr)) {
        stack_ = pcre2_jit_stack_create(size_t{1} << 15, size_t{1} << 22, nullptr);
        if (!data_ || !context_ || !stack_) throw std::bad_alloc();
        pcre2_jit_stack_assign(context_, nullptr, stack_);
        pcre2_set_match_limit(context_, 10'000'000);
    }
    ~Match() {
        pcre2_jit_stack_free(stack_);
        pcre2_match_context_free(context_);
        pcre2_match_data_free(data_);
    }
    Match(const Match&) = delete;

    struct Range {
        size_t begin, end;
    };
    // The first match at or after `from`; {size, size} when there is none.
    Range find(const pcre2_code* code, std::string_view text, size_t from) {
        const int found =
            pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, 0, data_, context_);
        if (found == PCRE2_ERROR_NOMATCH) return {text.size(), text.size()};
        if (found < 0) fail("tokenizer: a pre-tokenizer's pattern fails on this text: {}", message(found));
        const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data_);
        // \K in a subroutine that a lookahead calls puts the beginning behind the end.
        return {std::min(range[0], range[1]), range[1]};
    }

  private:
    pcre2_match_data* data_;
    pcre2_match_context* context_;
    pcre2_jit_stack* stack_;
};

size_t character_size(std::string_view text) {
    size_t size = 1;
    while (size < text.size() && (text[size] & 0xC0) == 0x80) ++size;
    return size;
}

template <typename Stages>
void cut(const Stages& stages, size_t stage, std::string_view text, Match& match,
         const std::function<void(std::string_view)>& word) {
    if (text.empty()) return;
    if (stage == stages.size()) return word(text);
    size_t done = 0, from = 0;  // an empty match cuts, too; the search goes on one character further
    while (from < text.size()) {
        const auto [begin, end] = match.find(stages[stage].get(), text, from);
        cut(stages, stage + 1, text.substr(done, begin - done), match, word);
        if (begin < end) cut(stages, stage + 1, text.substr(begin, end - begin), match, word);
        done = end;
        from = begin < end ? end : end + character_size(text.substr(std::min(end, text.size() - 1)));
    }
    cut(stages, stage + 1, text.substr(done), match, word);
}

}  // namespace

void Splitter::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Splitter::Splitter(std::span<const std::string> patterns) {
    constexpr size_t most = 64;  // a stage is a level of recursion; published tokenizers have up to four
    if (patterns.size() > most)
        fail("tokenizer: {} pre-tokenizer patterns, at most {} are supported", patterns.size(), most);
    for (const std::string& pattern : patterns) {
        const std::string spelled = with_white_space(pattern);
        int error = 0;
        PCRE2_SIZE at = 0;
        stages_.emplace_back(
            pcre2_compile(reinterpret_cast<PCRE2_SPTR>(spelled.data()), spelled.size(),
                          PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                          &error, &at, nullptr));
        if (!stages_.back()) fail("tokenizer: pre-tokenizer pattern \"{}\": {}", pattern, message(error));
        // where there is no JIT it is interpreted
        pcre2_jit_compile(stages_.back().get(), PCRE2_JIT_COMPLETE);
    }
}

void Splitter::split(std::string_view text, const std::function<void(std::string_view)>& word) const {
    Match match;
    cut(stages_, 0, text, match, word);
}

}  // namespace gremium
