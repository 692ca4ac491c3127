#include "text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <new>

#include "base/error.h"
#include "text/unicode.h"

namespace gremium {

namespace {

// Unicode's White_Space; PCRE2's own \s also has U+180E.
constexpr std::string_view white_space =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
std::string message(int error) {
    PCRE2_UCHAR text[256];
    pcre2_get_error_message(error, text, sizeof text);
    return reinterpret_cast<const char*>(text);
}

using Code = std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)>;

Code compiled(const std::string& text, int& error) {
    constexpr uint32_t options =
        PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    PCRE2_SIZE at = 0;
    return {pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), options, &error, &at, nullptr),
            pcre2_code_free};
}

// As Oniguruma has it; PCRE2's own \w has no marks. Outside a class all numbers of Latin-1 are among them.
constexpr std::string_view word_in_class = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc})";
constexpr std::string_view word = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";

// Oniguruma's expressions, in which tokenizers are written, in PCRE2's words where both differ.
class Speller {
  public:
    explicit Speller(std::string_view expression) : rest_(expression) {}

    std::string run() {
        std::string result;
        while (!rest_.empty()) result += rest_[0] == '[' ? bracket() : rest_[0] == '\\' ? escape(false) : take(1);
        return result;
    }

  private:
    std::string take(size_t size) {
        std::string taken(rest_.substr(0, size));
        rest_.remove_prefix(taken.size());
        return taken;
    }

    std::string escape(bool in_class) {
        const char c = rest_.size() > 1 ? rest_[1] : '\0';
        if (c == 'p' || c == 'P') return property();
        if (c == 'u') {
            take(2);
            return fmt::format("\\x{{{}}}", take(4));
        }
        if (c == 'X' || c == 'R' || c == 'h' || c == 'H' || c == 'G')
            fail("tokenizer: \\{} in a pattern is not supported", c);
        if (c == 's' || c == 'w') {
            take(2);
            const std::string_view all = c == 's' ? white_space : in_class ? word_in_class : word;
            return in_class ? std::string(all) : fmt::format("[{}]", all);
        }
        // No class can hold the complement of several ranges; PCRE2's own \S differs by U+180E alone.
        if (in_class && c == 'W') fail("tokenizer: \\W within a class of a pattern is not supported");
        if (in_class || !(c == 'S' || c == 'W' || c == 'b' || c == 'B')) return take(2);
        take(2);
        if (c == 'S' || c == 'W') return fmt::format("[^{}]", c == 'S' ? white_space : word);
        return c == 'b' ? fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", word)
                        : fmt::format("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))", word);
    }

    // A script is meant as such, without the characters that other scripts share with it.
    std::string property() {
        const size_t end = rest_.find('}');
        if (rest_.substr(2, 1) != "{" || end == rest_.npos) return take(3);
        const std::string name(rest_.substr(3, end - 3));
        int error = 0;
        const bool script = name.size() > 2 && name[0] != '^' && name.find_first_of(":=") == name.npos &&
                            compiled(fmt::format("\\p{{sc:{}}}", name), error);
        const std::string whole = take(end + 1);
        return script ? fmt::format("{}sc:{}}}", whole.substr(0, 3), name) : whole;
    }

    // [:alpha:] and its kin, within a class.
    std::string posix() {
        const size_t end = rest_.find(":]");
        const std::string_view name = rest_.substr(2, end == rest_.npos ? 0 : end - 2);
        constexpr std::pair<std::string_view, std::string_view> known[] = {
            {"alpha", R"(\p{Alphabetic})"}, {"digit", R"(\p{Nd})"},        {"alnum", R"(\p{Alphabetic}\p{Nd})"},
            {"upper", R"(\p{Uppercase})"},  {"lower", R"(\p{Lowercase})"}, {"word", word_in_class},
            {"space", white_space}};
        for (const auto& [key, meaning] : known) {
            if (key != name) continue;
            take(end + 2);
            return std::string(meaning);
        }
        fail("tokenizer: [:{}:] in a pattern is not supported", name);
    }

    // A class; && is the intersection of what stands on its sides.
    std::string bracket() {
        take(1);
        const bool negated = rest_.starts_with('^');
        if (negated) take(1);
        std::vector<std::string> sides(1);
        if (rest_.starts_with(']')) sides.back() = fmt::format("\\{}", take(1));
        bool nested = false;
        while (!rest_.empty() && rest_[0] != ']') {
            if (rest_.starts_with("&&")) {
                take(2);
                sides.emplace_back();
                nested = false;
                continue;
            }
            if (nested || (rest_[0] == '[' && !rest_.starts_with("[:") && !sides.back().empty()))
                fail("tokenizer: a class within a class of a pattern is not supported");
            nested = rest_[0] == '[' && !rest_.starts_with("[:");
            sides.back() += nested ? bracket() : rest_[0] == '[' ? posix() : rest_[0] == '\\' ? escape(true) : take(1);
        }
        take(1);
        if (sides.size() == 1 && !nested) return fmt::format("[{}{}]", negated ? "^" : "", sides[0]);
        if (negated) fail("tokenizer: the complement of an intersection in a pattern is not supported");
        std::string result;
        for (size_t i = sides.size(); i-- > 0;) {
            const bool whole = sides[i].starts_with('[') || sides[i].starts_with("(?:");
            const std::string side = whole ? sides[i] : fmt::format("[{}]", sides[i]);
            result += i > 0 ? fmt::format("(?={})", side) : side;
        }
        return fmt::format("(?:{})", result);
    }

    std::string_view rest_;
};

std::string spelled(std::string_view pattern) {
    // The same: what begins within a run of white space matches nowhere if the run's beginning does not.
    if (pattern == R"(\s+$)") pattern = R"((?<!\s)\s+$)";
    return Speller(pattern).run();
}

// What matching needs beside the pattern; one a thread.
class Matcher {
  public:
    Matcher() : data_(pcre2_match_data_create(1, nullptr)), context_(pcre2_match_context_create(nullptr)) {
        if (!data_ || !context_) throw std::bad_alloc();
        give_stack(usual_stack);
    }
    ~Matcher() {
        pcre2_jit_stack_free(stack_);
        pcre2_match_context_free(context_);
        pcre2_match_data_free(data_);
    }
    Matcher(const Matcher&) = delete;

    struct Range {
        size_t begin, end;
    };
    // The first match at or after `from`; it ends behind the text when there is none.
    Range find(const pcre2_code* code, std::string_view text, size_t from) {
        pcre2_set_match_limit(context_,
                              static_cast<uint32_t>(10'000'000 + 64 * std::min<size_t>(text.size(), 50'000'000)));
        const auto match = [&] {
            return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from, 0, data_, context_);
        };
        int found = match();
        if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
            // A repetition within a repetition keeps a place for every character of a long run.
            give_stack(512 * text.size() + usual_stack);
            found = match();
            give_stack(usual_stack);
        }
        if (found == PCRE2_ERROR_NOMATCH) return {text.size(), text.size() + 1};
        if (found < 0) fail("tokenizer: a pre-tokenizer's pattern fails on this text: {}", message(found));
        const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data_);
        // \K in a subroutine that a lookahead calls puts the beginning behind the end.
        return {std::min(range[0], range[1]), range[1]};
    }

  private:
    static constexpr size_t usual_stack = size_t{1} << 22;

    // Reserved; taken as it is touched.
    void give_stack(size_t most) {
        pcre2_jit_stack_free(stack_);
        stack_ = pcre2_jit_stack_create(size_t{1} << 15, most, nullptr);
        if (!stack_) throw std::bad_alloc();
        pcre2_jit_stack_assign(context_, nullptr, stack_);
    }

    pcre2_match_data* data_;
    pcre2_match_context* context_;
    pcre2_jit_stack* stack_ = nullptr;
};

size_t character_size(std::string_view text) {
    size_t size = 1;
    while (size < text.size() && (text[size] & 0xC0) == 0x80) ++size;
    return size;
}

}  // namespace

void Pattern::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free(code); }

Pattern::Pattern(std::string_view expression) {
    recognise_groups(expression);
    int error = 0;
    code_.reset(compiled(spelled(expression), error).release());
    if (!code_) fail("tokenizer: pre-tokenizer pattern \"{}\": {}", expression, message(error));
    // where there is no JIT it is interpreted
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);
}

void Pattern::matches(std::string_view text, const std::function<void(size_t begin, size_t end)>& found) const {
    if (groups_ != Groups::none) return groups(text, found);
    static thread_local Matcher matcher;
    for (size_t from = 0; from < text.size();) {
        const auto [begin, end] = matcher.find(code_.get(), text, from);
        if (end > text.size()) return;
        found(begin, end);
        from = begin < end ? end : end + character_size(text.substr(std::min(end, text.size() - 1)));
    }
}

std::string Pattern::literal(std::string_view text) {
    std::string escaped;
    for (char c : text) {
        if (std::string_view(R"(\^$.|?*+()[]{}-#)").find(c) != std::string_view::npos) escaped += '\\';
        escaped += c;
    }
    return escaped;
}

void Pattern::recognise_groups(std::string_view expression) {
    for (const char* digit : {R"(\d)", R"(\p{N})", R"(\p{Nd})", "[0-9]"}) {
        const std::string three = std::string(digit) + "{3}", no_more = fmt::format("(?!{})", digit);
        for (const std::string& end : {std::string("\\b"), no_more, std::string("$")}) {
            if (expression != fmt::format("{}{{1,3}}(?=(?:{})*{})", digit, three, end)) continue;
            if (end == "$") return;  // a line's end: left to the expression
            groups_ = Groups::pieces;
            to_a_word_ = end == "\\b";
            digit_ = digit;
        }
        for (const char* open : {"(", "(?:"}) {
            if (expression != fmt::format("(?={}{})+{})", open, three, no_more)) continue;
            groups_ = Groups::cuts;
            digit_ = digit;
        }
    }
}

bool Pattern::is_digit(int32_t code) const {
    if (digit_ == "[0-9]") return code >= '0' && code <= '9';
    const auto category = unicode::category(code);
    return category.major == 'N' && (category.minor == 'd' || digit_ == R"(\p{N})");
}

void Pattern::groups(std::string_view text, const std::function<void(size_t begin, size_t end)>& found) const {
    std::vector<size_t> places;  // of a run's digits, and its end
    for (size_t at = 0; at < text.size();) {
        places.clear();
        size_t end = at, next = at;
        for (; end < text.size(); end = next) {
            const auto character = unicode::first(text.substr(end));
            next = end + character.bytes.size();
            if (!is_digit(character.code)) break;
            places.push_back(end);
        }
        const bool goes_on = to_a_word_ && end < text.size() && [&] {
            const int32_t code = unicode::first(text.substr(end)).code;
            return code == '_' || unicode::is_letter(code) || unicode::is_number(code);
        }();
        const size_t count = places.size();
        places.push_back(end);
        for (size_t i = 0; i < count && !goes_on;) {
            const size_t size = (count - i - 1) % 3 + 1;
            if (groups_ == Groups::pieces)
                found(places[i], places[i + size]);
            else if (size == 3)
                found(places[i], places[i]);
            i += size;
        }
        at = count > 0 ? end : next;
    }
}

}  // namespace gremium
