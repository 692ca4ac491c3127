#include "text/jinja/lexer.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/error.h"
#include "text/jinja/text_functions.h"
#include "text/unicode.h"

namespace gremium::jinja {

namespace {

bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_ascii_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80); }

// The line ends of Windows and old Macs are those of Unix; the last one goes.
std::string with_plain_line_ends(std::string_view source) {
    std::string result;
    for (size_t i = 0; i < source.size(); ++i) {
        if (source[i] != '\r')
            result += source[i];
        else if (!source.substr(i + 1).starts_with('\n'))
            result += '\n';
    }
    if (result.ends_with('\n')) result.pop_back();
    return result;
}

class Lexer {
  public:
    explicit Lexer(std::string_view source) : source_(source) {}

    std::vector<Segment> run() {
        while (at_ < source_.size()) {
            const size_t open = find_open();
            add_text(open);
            if (open == source_.npos) break;
            at_ = open + 2;
            const char kind = source_[open + 1];
            const bool has_sign = at_ < source_.size() && (source_[at_] == '-' || source_[at_] == '+');
            if (has_sign) ++at_;
            if (kind == '#') {
                skip_comment();
            } else {
                add_code(kind == '{' ? Segment::output : Segment::statement);
            }
        }
        return std::move(segments_);
    }

  private:
    // The next "{{", "{%" or "{#".
    size_t find_open() const {
        for (size_t i = at_; i + 1 < source_.size(); ++i) {
            if (source_[i] == '{' && std::string_view("{%#").find(source_[i + 1]) != std::string_view::npos) return i;
        }
        return source_.npos;
    }

    // The text up to `open`, rid of the white space that the tags on both sides take.
    void add_text(size_t open) {
        std::string_view text = source_.substr(at_, open == source_.npos ? open : open - at_);
        const int line = line_;
        line_ += static_cast<int>(std::count(text.begin(), text.end(), '\n'));
        bool line_begins = at_ == 0;
        if (strip_next_) {
            text = strip(text, white_space, true, false);
        } else if (trim_line_end_ && text.starts_with('\n')) {
            text.remove_prefix(1);
            line_begins = true;
        }
        if (open != source_.npos) text = before_tag(text, open, line_begins);
        if (!text.empty()) segments_.push_back({Segment::text, line, std::string(text), {}});
        strip_next_ = trim_line_end_ = false;
    }

    std::string_view before_tag(std::string_view text, size_t open, bool line_begins) const {
        const char kind = source_[open + 1], sign = open + 2 < source_.size() ? source_[open + 2] : ' ';
        if (sign == '-') return strip(text, white_space, false, true);
        if (kind == '{' || sign == '+') return text;
        const size_t line = text.rfind('\n') + 1;
        const bool blank = strip(text.substr(line), white_space, true, false).empty();
        return blank && (line > 0 || line_begins) ? text.substr(0, line) : text;
    }

    void skip_comment() {
        const size_t close = source_.find("#}", at_);
        if (close == source_.npos) error("a comment has no end");
        line_ += static_cast<int>(std::count(source_.begin() + at_, source_.begin() + close, '\n'));
        close_tag(close > at_ ? source_[close - 1] : ' ', true);
        at_ = close + 2;
    }

    void close_tag(char sign, bool is_block) {
        strip_next_ = sign == '-';
        trim_line_end_ = is_block && sign != '+';
    }

    void add_code(Segment::Kind kind) {
        const std::string_view close = kind == Segment::output ? "}}" : "%}";
        Segment segment{kind, line_, {}, {}};
        int open_brackets = 0;  // "}}" may also end two dictionaries
        while (true) {
            while (at_ < source_.size() && is_ascii_space(source_[at_])) line_ += source_[at_++] == '\n';
            const std::string_view rest = source_.substr(at_);
            const bool has_sign = rest.starts_with('-') || (rest.starts_with('+') && kind == Segment::statement);
            if (open_brackets == 0 && rest.substr(has_sign).starts_with(close)) {
                close_tag(has_sign ? rest[0] : ' ', kind == Segment::statement);
                at_ += has_sign + 2;
                break;
            }
            if (rest.empty()) error("a tag has no end");
            const bool after_dot = !segment.tokens.empty() && segment.tokens.back().kind == Token::symbol &&
                                   segment.tokens.back().text == "." && source_[at_ - 1] == '.';
            segment.tokens.push_back(next_token(after_dot));
            const Token& token = segment.tokens.back();
            if (token.kind != Token::symbol) continue;
            open_brackets += token.text == "{" || token.text == "[" || token.text == "(";
            open_brackets -= token.text == "}" || token.text == "]" || token.text == ")";
        }
        if (kind == Segment::statement && segment.tokens.size() == 1 && segment.tokens[0].text == "raw") {
            trim_line_end_ = false;  // a line end after "raw" stays
            return add_raw();
        }
        segment.tokens.push_back({Token::end, "the end of the tag"});
        segments_.push_back(std::move(segment));
    }

    // Everything up to {% endraw %} is text.
    void add_raw() {
        size_t open = at_, name = 0;
        do {
            open = source_.find("{%", open + (name > 0));
            if (open == source_.npos) error("raw has no endraw");
            name = source_.find_first_not_of("-+ \t\n", open + 2);
        } while (source_.substr(std::min(name, source_.size()), 6) != "endraw");
        add_text(open);
        const size_t close = source_.find("%}", name);
        if (close == source_.npos) error("a tag has no end");
        close_tag(source_[close - 1], true);
        at_ = close + 2;
    }

    // `after_dot`: x.0.1 are two subscripts.
    Token next_token(bool after_dot) {
        const char c = source_[at_];
        if (c == '"' || c == '\'') return string();
        if (is_ascii_digit(c)) return number(!after_dot);
        size_t size = 0;
        const std::string_view rest = source_.substr(at_);
        if (is_letter(c)) {
            while (size < rest.size() && (is_letter(rest[size]) || is_ascii_digit(rest[size]))) ++size;
            at_ += size;
            return {Token::name, std::string(rest.substr(0, size))};
        }
        for (const std::string_view symbol : {"==", "!=", "<=", ">=", "//", "**"}) {
            if (rest.starts_with(symbol)) size = 2;
        }
        if (size == 0 && std::string_view("+-*/%~|.,:()[]{}=<>").find(c) == std::string_view::npos) {
            error(fmt::format("unexpected '{}'", c));
        }
        size = std::max<size_t>(size, 1);
        at_ += size;
        return {Token::symbol, std::string(rest.substr(0, size))};
    }

    // The size of digits of `base` at the head of `text`, with a "_" between two of them.
    static size_t digits(std::string_view text, int base) {
        const auto is_one = [&](size_t i) {
            const std::string_view all = "0123456789abcdef";
            return i < text.size() &&
                   all.substr(0, static_cast<size_t>(base)).find(static_cast<char>(std::tolower(text[i]))) != all.npos;
        };
        size_t size = 0;
        while (is_one(size) || (size > 0 && size < text.size() && text[size] == '_' && is_one(size + 1))) ++size;
        return size;
    }

    Token number(bool may_be_floating) {
        const std::string_view rest = source_.substr(at_);
        const auto taken = [&](size_t size, Token::Kind kind) {
            at_ += size;
            std::string text(rest.substr(0, size));
            std::erase(text, '_');
            return Token{kind, text};
        };
        const char mark = rest[0] == '0' && rest.size() > 1 ? static_cast<char>(std::tolower(rest[1])) : ' ';
        const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
        if (base != 10) {
            const size_t size = digits(rest.substr(2), base);
            if (size == 0) error("a number has no digits");
            return taken(2 + size, Token::integer);
        }
        size_t size = digits(rest, 10);
        bool floating = false;
        if (const size_t more = size < rest.size() && rest[size] == '.' ? digits(rest.substr(size + 1), 10) : 0) {
            size += may_be_floating ? 1 + more : 0;
            floating = may_be_floating;
        }
        if (may_be_floating && size < rest.size() && (rest[size] == 'e' || rest[size] == 'E')) {
            const size_t sign = size + 1 < rest.size() && (rest[size + 1] == '+' || rest[size + 1] == '-');
            const size_t exponent = size + 1 + sign < rest.size() ? digits(rest.substr(size + 1 + sign), 10) : 0;
            if (exponent > 0) size += 1 + sign + exponent, floating = true;
        }
        if (!floating && rest[0] == '0' && rest.substr(0, size).find_first_not_of("0_") != rest.npos &&
            rest.substr(0, size).find_first_not_of("0_") < size)
            error(fmt::format("{} begins with 0", rest.substr(0, size)));
        return taken(size, floating ? Token::floating : Token::integer);
    }

    Token string() {
        const char quote = source_[at_++];
        std::string text;
        while (at_ < source_.size() && source_[at_] != quote) {
            line_ += source_[at_] == '\n';
            if (source_[at_] == '\\' && at_ + 1 < source_.size())
                escape(text);
            else
                text += source_[at_++];
        }
        if (at_ >= source_.size()) error("a string has no end");
        ++at_;
        return {Token::string, text};
    }

    // Python's escapes; a backslash before anything else stands for itself.
    void escape(std::string& text) {
        const char c = source_[at_ + 1];
        constexpr std::string_view escapes = "ntrbfav\\'\"", meanings = "\n\t\r\b\f\a\v\\'\"";
        at_ += 2;
        if (const size_t i = escapes.find(c); i != escapes.npos) {
            text += meanings[i];
        } else if (c == '\n') {
            ++line_;
        } else if (c == 'x' || c == 'u' || c == 'U') {
            code_point(text, c == 'x' ? 2 : c == 'u' ? 4 : 8);
        } else if (c >= '0' && c <= '7') {
            int32_t code = 0;
            size_t size = 0;
            --at_;
            for (; size < 3 && at_ < source_.size() && source_[at_] >= '0' && source_[at_] <= '7'; ++size)
                code = 8 * code + source_[at_++] - '0';
            unicode::append(text, code);
        } else if (c == 'N') {
            error("the escape \\N is not supported");
        } else if (c & 0x80) {
            other_escape(text);
        } else {
            text.append(1, '\\').append(1, c);
        }
    }

    void code_point(std::string& text, size_t size) {
        const std::string_view hex = source_.substr(at_, size);
        uint32_t code = 0;
        const auto [end, failed] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
        if (hex.size() < size || failed != std::errc() || end != hex.data() + size)
            error(fmt::format("an escape needs {} hexadecimal digits, not '{}'", size, hex));
        if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) error(fmt::format("{} is no character", hex));
        unicode::append(text, static_cast<int32_t>(code));
        at_ += size;
    }

    // Jinja turns what is not ASCII into escapes of its own before it looks at a string's: a backslash in front
    // takes away that one's.
    void other_escape(std::string& text) {
        const auto [code, bytes] = unicode::first(source_.substr(at_ - 1));
        text += code < 0x100     ? fmt::format("\\x{:02x}", code)
                : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                                 : fmt::format("\\U{:08x}", code);
        at_ += bytes.size() - 1;
    }

    [[noreturn]] void error(const std::string& what) const { fail("line {}: {}", line_, what); }

    std::string_view source_;
    size_t at_ = 0;
    int line_ = 1;
    bool strip_next_ = false, trim_line_end_ = false;
    std::vector<Segment> segments_;
};

}  // namespace

std::vector<Segment> lex(std::string_view source) { return Lexer(with_plain_line_ends(source)).run(); }

}  // namespace gremium::jinja
