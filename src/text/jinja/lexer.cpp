#include "text/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace gremium::jinja {

namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80); }

class Lexer {
  public:
    explicit Lexer(std::string_view source) : source_(source) {
        if (source_.ends_with('\n')) source_.remove_suffix(1);
        if (source_.ends_with('\r')) source_.remove_suffix(1);
    }

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
            while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
        } else if (trim_line_end_) {
            if (text.starts_with("\r\n"))
                text.remove_prefix(2), line_begins = true;
            else if (text.starts_with('\n'))
                text.remove_prefix(1), line_begins = true;
        }
        if (open != source_.npos) text = before_tag(text, open, line_begins);
        if (!text.empty()) segments_.push_back({Segment::text, line, std::string(text), {}});
        strip_next_ = trim_line_end_ = false;
    }

    std::string_view before_tag(std::string_view text, size_t open, bool line_begins) const {
        const char kind = source_[open + 1], sign = open + 2 < source_.size() ? source_[open + 2] : ' ';
        if (sign == '-') {
            while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
        } else if (kind != '{' && sign != '+') {
            const size_t last = text.find_last_not_of(" \t");
            if (last == text.npos ? line_begins : text[last] == '\n') text = text.substr(0, last + 1);
        }
        return text;
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
        int open_braces = 0;  // "}}" may also end two dictionaries
        while (true) {
            while (at_ < source_.size() && is_space(source_[at_])) line_ += source_[at_++] == '\n';
            const std::string_view rest = source_.substr(at_);
            const bool has_sign = !rest.empty() && (rest[0] == '-' || rest[0] == '+');
            if (open_braces == 0 && rest.substr(has_sign).starts_with(close)) {
                close_tag(has_sign ? rest[0] : ' ', kind == Segment::statement);
                at_ += has_sign + 2;
                break;
            }
            if (rest.empty()) error("a tag has no end");
            segment.tokens.push_back(next_token());
            const Token& token = segment.tokens.back();
            if (token.kind == Token::symbol) open_braces += (token.text == "{") - (token.text == "}");
        }
        if (kind == Segment::statement && !segment.tokens.empty() && segment.tokens[0].text == "raw") return add_raw();
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

    Token next_token() {
        const char c = source_[at_];
        if (c == '"' || c == '\'') return string();
        if (is_digit(c)) return number();
        size_t size = 0;
        const std::string_view rest = source_.substr(at_);
        if (is_letter(c)) {
            while (size < rest.size() && (is_letter(rest[size]) || is_digit(rest[size]))) ++size;
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

    Token number() {
        const size_t begin = at_;
        const auto digits = [&] {
            while (at_ < source_.size() && (is_digit(source_[at_]) || source_[at_] == '_')) ++at_;
        };
        digits();
        const bool fraction = at_ + 1 < source_.size() && source_[at_] == '.' && is_digit(source_[at_ + 1]);
        if (fraction) ++at_, digits();
        std::string text(source_.substr(begin, at_ - begin));
        std::erase(text, '_');
        return {fraction ? Token::floating : Token::integer, text};
    }

    Token string() {
        const char quote = source_[at_++];
        std::string text;
        while (at_ < source_.size() && source_[at_] != quote) {
            char c = source_[at_++];
            line_ += c == '\n';
            if (c == '\\' && at_ < source_.size()) {
                c = source_[at_++];
                constexpr std::string_view escapes = "ntrbf0", meanings{"\n\t\r\b\f\0", 6};
                if (const size_t i = escapes.find(c); i != escapes.npos) {
                    c = meanings[i];
                } else if (c != '\\' && c != '\'' && c != '"') {
                    text += '\\';  // no escape of ours: as it stands
                }
            }
            text += c;
        }
        if (at_ == source_.size()) error("a string has no end");
        ++at_;
        return {Token::string, text};
    }

    [[noreturn]] void error(const std::string& what) const { fail("line {}: {}", line_, what); }

    std::string_view source_;
    size_t at_ = 0;
    int line_ = 1;
    bool strip_next_ = false, trim_line_end_ = false;
    std::vector<Segment> segments_;
};

}  // namespace

std::vector<Segment> lex(std::string_view source) { return Lexer(source).run(); }

}  // namespace gremium::jinja
