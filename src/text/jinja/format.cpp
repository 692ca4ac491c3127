// Python's two ways of formatting: `'%5.2f' % x` and '{:>5}'.format(x).
#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/text_functions.h"
#include "text/unicode.h"

namespace gremium::jinja {

namespace {

constexpr int64_t most_width = 100'000;

// How one value is written: what both ways have in common.
struct Spec {
    std::string fill = " ";
    char align = 0;  // '<', '>', '^', '=' (behind the sign); 0: as the type has it
    char sign = '-';
    bool alternate = false;
    char group = 0;  // ',' or '_'
    int64_t width = 0, precision = -1;
    char type = 0;
};

std::string padded(const Spec& spec, std::string_view sign, std::string_view body, char usual) {
    const int64_t size = character_count(sign) + character_count(body),
                  missing = std::max<int64_t>(0, spec.width - size);
    const char align = spec.align ? spec.align : usual;
    const int64_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
    std::string result;
    const auto fill = [&](int64_t count) {
        for (; count > 0; --count) result += spec.fill;
    };
    if (align == '=') result += sign;
    fill(left);
    if (align != '=') result += sign;
    result += body;
    fill(missing - left);
    return result;
}

std::string grouped(std::string_view digits, char separator, size_t every) {
    const size_t whole = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
    std::string result;
    for (size_t i = 0; i < digits.size(); ++i) {
        if (separator && i > 0 && i < whole && (whole - i) % every == 0) result += separator;
        result += digits[i];
    }
    return result;
}

// Zeros that fill a grouped number are grouped, too.
std::string zero_filled(const Spec& spec, std::string_view sign, std::string_view body, size_t every) {
    if (!spec.group || spec.align != '=' || spec.fill != "0") return grouped(body, spec.group, every);
    std::string plain(body);
    while (static_cast<int64_t>(sign.size() + grouped(plain, spec.group, every).size()) < spec.width)
        plain = '0' + plain;
    return grouped(plain, spec.group, every);
}

std::string sign_of(const Spec& spec, bool negative) {
    return negative ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
}

std::string integer_text(const Spec& spec, int64_t value) {
    const char type = spec.type ? spec.type : 'd';
    if (type == 'c') {
        if (value < 0 || value > 0x10FFFF) fail("{} is no character", value);
        std::string text;
        unicode::append(text, static_cast<int32_t>(value));
        return padded(spec, "", text, '<');
    }
    const int base = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
    const uint64_t size = value < 0 ? ~static_cast<uint64_t>(value) + 1 : static_cast<uint64_t>(value);
    char digits[65];
    std::string body(digits, std::to_chars(digits, digits + sizeof digits, size, base).ptr);
    if (type == 'X')
        std::ranges::transform(body, body.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
    std::string sign = sign_of(spec, value < 0);
    if (spec.alternate && base != 10) sign.append(1, '0').append(1, type);
    return padded(spec, sign, zero_filled(spec, sign, body, base == 10 ? 3 : 4), '>');
}

std::string float_text(const Spec& spec, double value) {
    const char type = spec.type ? spec.type : 'g';
    std::string body;
    const double size = std::fabs(value);
    const int precision = static_cast<int>(std::min<int64_t>(spec.precision < 0 ? 6 : spec.precision, 1000));
    if (!std::isfinite(size)) {
        body = std::isnan(value) ? "nan" : "inf";
    } else if (type == '%') {
        body = fmt::format("{:.{}f}%", size * 100, precision);
    } else if (!spec.type && spec.precision < 0) {
        Budget budget(1000);
        body = Value(size).text(budget);
    } else if (!spec.type) {
        // As 'g', with at least a digit behind the point and exponents from the precision's one on.
        body = fmt::format("{:.{}g}", size, std::max(1, precision));
        if (body.find('e') == body.npos && body.find('.') == body.npos) body += ".0";
    } else {
        const std::string form = fmt::format("{{:{}.{}{}}}", spec.alternate ? "#" : "",
                                             type == 'g' || type == 'G' ? std::max(1, precision) : precision, type);
        body = fmt::format(fmt::runtime(form), size);
    }
    if (type == 'F' || type == 'E' || type == 'G')
        std::ranges::transform(body, body.begin(), [](char c) { return static_cast<char>(std::toupper(c)); });
    const std::string sign = sign_of(spec, std::signbit(value) && !std::isnan(value));
    return padded(spec, sign, zero_filled(spec, sign, body, 3), '>');
}

std::string string_text(const Spec& spec, std::string_view text) {
    if (spec.precision >= 0) {
        const auto characters = unicode::characters(text);
        size_t size = 0;
        for (size_t i = 0; i < std::min(characters.size(), static_cast<size_t>(spec.precision)); ++i)
            size += characters[i].bytes.size();
        text = text.substr(0, size);
    }
    return padded(spec, "", text, '<');
}

bool one_of(char c, std::string_view all) { return all.find(c) != all.npos; }

// A number at the head of `text`, taken off it; `none` when there is none.
int64_t take_number(std::string_view& text, int64_t none) {
    int64_t value = 0;
    size_t size = 0;
    while (size < text.size() && text[size] >= '0' && text[size] <= '9')
        value = std::min(most_width + 1, 10 * value + text[size++] - '0');
    text.remove_prefix(size);
    if (value > most_width) fail("a format is wider than {}", most_width);
    return size > 0 ? value : none;
}

class Percent {
  public:
    Percent(Evaluator& evaluator, std::string_view format, const Value& values)
        : e_(evaluator), rest_(format), values_(values) {}

    std::string run() {
        std::string out;
        while (!rest_.empty()) {
            const size_t at = rest_.find('%');
            out += rest_.substr(0, at);
            rest_.remove_prefix(std::min(at, rest_.size()));
            if (at == rest_.npos || rest_.empty()) break;
            rest_.remove_prefix(1);
            out += one();
            e_.charge_bytes(out.size());
        }
        const bool may_be_unused = values_.is_mapping() || (values_.list() && !is_tuple());
        if (!by_name_ && !may_be_unused && next_ < count()) fail("not all arguments are used by the format");
        return out;
    }

  private:
    bool is_tuple() const {
        return values_.list() && (values_.shape() == Shape::tuple || values_.shape() == Shape::group);
    }
    size_t count() const { return is_tuple() ? values_.list()->size() : 1; }

    Value next() {
        if (next_ >= count()) fail("the format needs more arguments");
        return is_tuple() ? (*values_.list())[next_++] : (++next_, values_);
    }

    std::string one() {
        Spec spec;
        Value named;
        bool has_name = false;
        if (rest_.starts_with('(')) {
            const size_t end = rest_.find(')');
            if (end == rest_.npos || !values_.is_mapping()) fail("'%(' needs ')' and a mapping");
            const Value* found = values_.dict()->find(rest_.substr(1, end - 1), e_.budget());
            if (!found) fail("the format's mapping has no '{}'", rest_.substr(1, end - 1));
            named = *found;
            has_name = by_name_ = true;
            rest_.remove_prefix(end + 1);
        }
        bool zero = false;
        for (; !rest_.empty() && one_of(rest_[0], "-+ #0"); rest_.remove_prefix(1)) {
            if (rest_[0] == '-') spec.align = '<';
            if (rest_[0] == '+' || (rest_[0] == ' ' && spec.sign != '+')) spec.sign = rest_[0];
            spec.alternate |= rest_[0] == '#';
            zero |= rest_[0] == '0';
        }
        spec.width = number(0);
        if (spec.width < 0) spec.align = '<', spec.width = -spec.width;
        if (rest_.starts_with('.')) {
            rest_.remove_prefix(1);
            spec.precision = std::max<int64_t>(0, number(0));
        }
        while (!rest_.empty() && one_of(rest_[0], "hlL")) rest_.remove_prefix(1);
        if (rest_.empty()) fail("a format ends within '%'");
        spec.type = rest_[0];
        rest_.remove_prefix(1);
        if (spec.type == '%') return "%";
        return written(spec, zero, has_name ? named : next());
    }

    int64_t number(int64_t none) {
        if (!rest_.starts_with('*')) return take_number(rest_, none);
        rest_.remove_prefix(1);
        const int64_t value = next().integer();
        if (value > most_width || value < -most_width) fail("a format is wider than {}", most_width);
        return value;
    }

    std::string written(Spec spec, bool zero, const Value& value) {
        const char type = spec.type;
        if (spec.align == 0) spec.align = '>';
        if (type == 's') return string_text(spec, e_.text(value));
        if (type == 'r') return string_text(spec, value.repr(e_.budget()));
        if (type == 'c' && value.string()) {
            if (character_count(*value.string()) != 1) fail("%c needs one character");
            return string_text(spec, *value.string());
        }
        if (zero && spec.align != '<') spec.align = '=', spec.fill.assign(1, '0');
        if (!value.is_number() && !value.as<bool>()) fail("%{} needs a number, not {}", type, value.type());
        if (one_of(type, "eEfFgG")) return float_text(spec, value.number());
        if (!one_of(type, "diuxXoc")) fail("'%{}' is not supported", type);
        if (one_of(type, "xXoc") && value.as<double>()) fail("%{} needs an integer, not {}", type, value.type());
        if (type == 'i' || type == 'u') spec.type = 'd';
        if (spec.precision >= 0) fail("a precision of '%{}' is not supported", type);
        const double d = value.number();
        if (value.as<double>() && !(std::fabs(d) < 0x1p63)) fail("%{} of {} is not supported", type, d);
        return integer_text(spec, value.as<double>() ? static_cast<int64_t>(d) : value.integer());
    }

    Evaluator& e_;
    std::string_view rest_;
    const Value& values_;
    size_t next_ = 0;
    bool by_name_ = false;
};

class Braces {
  public:
    Braces(Evaluator& evaluator, const Arguments& given) : e_(evaluator), given_(given) {}

    std::string run(std::string_view format, int depth) {
        if (depth > 2) fail("a format's fields are nested too deeply");
        std::string out;
        for (; !format.empty();) {
            const size_t at = format.find_first_of("{}");
            out += format.substr(0, at);
            format.remove_prefix(std::min(at, format.size()));
            if (format.empty()) break;
            if (format.substr(1).starts_with(format[0])) {
                out += format[0];
                format.remove_prefix(2);
                continue;
            }
            if (format[0] == '}') fail("a single '}}' in a format");
            size_t end = 1;
            for (int open = 1; end < format.size(); ++end) {
                open += (format[end] == '{') - (format[end] == '}');
                if (open == 0) break;
            }
            if (end >= format.size()) fail("a '{{' of a format has no end");
            out += field(format.substr(1, end - 1), depth);
            e_.charge_bytes(out.size());
            format.remove_prefix(end + 1);
        }
        return out;
    }

  private:
    std::string field(std::string_view content, int depth) {
        const size_t end = content.find_first_of("!:");
        Value value = named(content.substr(0, end));
        content.remove_prefix(std::min(end, content.size()));
        if (content.starts_with('!')) {
            const char conversion = content.size() > 1 ? content[1] : ' ';
            if (conversion != 's' && conversion != 'r') fail("conversion '!{}' is not supported", conversion);
            value = conversion == 'r' ? Value(value.repr(e_.budget())) : Value(e_.text(value));
            content.remove_prefix(2);
        }
        if (content.empty()) return e_.text(value);
        if (content[0] != ':') fail("a format's field goes on with '{}'", content);
        return formatted(value, run(content.substr(1), depth + 1));
    }

    Value named(std::string_view path) {
        const size_t end = path.find_first_of(".[");
        std::string_view first = path.substr(0, end), rest = path.substr(std::min(end, path.size()));
        Value value;
        const std::string_view digits = first;
        if (const int64_t place = first.empty() ? next_++ : take_number(first, -1); place >= 0 && first.empty()) {
            if (static_cast<size_t>(place) >= given_.positional.size()) fail("the format needs argument {}", place);
            value = given_.positional[static_cast<size_t>(place)];
        } else {
            const Value* found = given_.find(SIZE_MAX, digits);
            if (!found) fail("the format has no argument '{}'", digits);
            value = *found;
        }
        while (!rest.empty()) {
            const bool indexed = rest[0] == '[';
            const size_t stop = indexed ? rest.find(']') : rest.find_first_of(".[", 1);
            if (indexed && stop == rest.npos) fail("a '[' of a format has no end");
            std::string_view key = rest.substr(1, stop == rest.npos ? rest.npos : stop - 1);
            rest.remove_prefix(std::min(stop == rest.npos ? stop : stop + indexed, rest.size()));
            const std::string text(key);
            const int64_t number = indexed ? take_number(key, -1) : -1;
            value = number >= 0 && key.empty() ? e_.item(value, number)
                    : indexed                  ? e_.item(value, text)
                                               : e_.attribute(value, text);
            if (value.is_undefined()) fail("a format's '{}' is not there", text);
        }
        return value;
    }

    std::string formatted(const Value& value, std::string_view text) {
        if (text.empty()) return e_.text(value);
        const std::string whole(text);
        Spec spec;
        const size_t first = text.empty() ? 0 : unicode::first(text).bytes.size();
        if (text.size() > first && one_of(text[first], "<>^=")) {
            spec.fill = text.substr(0, first);
            spec.align = text[first];
            text.remove_prefix(first + 1);
        } else if (!text.empty() && one_of(text[0], "<>^=")) {
            spec.align = text[0];
            text.remove_prefix(1);
        }
        const auto take = [&](std::string_view all, char none) {
            if (text.empty() || !one_of(text[0], all)) return none;
            const char c = text[0];
            text.remove_prefix(1);
            return c;
        };
        spec.sign = take("+- ", '-');
        spec.alternate = take("#", 0) != 0;
        const bool zero = take("0", 0) != 0;
        if (zero && !spec.align)
            spec.align = value.string() ? '<' : '=', spec.fill.assign(1, '0');
        else if (zero && spec.fill == " ")
            spec.fill.assign(1, '0');
        spec.width = take_number(text, 0);
        spec.group = take(",_", 0);
        if (take(".", 0)) spec.precision = take_number(text, -1);
        spec.type = take("bcdeEfFgGnosxX%", 0);
        if (!text.empty() || spec.type == 'n') fail("format '{}' is not supported", whole);
        if (value.string()) {
            if ((spec.type && spec.type != 's') || spec.align == '=' || spec.group || spec.sign != '-')
                fail("format '{}' of a string", whole);
            return string_text(spec, *value.string());
        }
        const bool floating = one_of(spec.type, "eEfFgG%") && spec.type;
        if (value.is_number() || value.as<bool>()) {
            if (spec.type == 's') fail("format '{}' of a number", whole);
            if (value.as<double>() || floating) {
                if (spec.type && !floating) fail("format '{}' of a float", whole);
                return float_text(spec, value.number());
            }
            if (spec.precision >= 0) fail("format '{}' of an integer", whole);
            return integer_text(spec, value.integer());
        }
        fail("{} takes no format", value.type());
    }

    Evaluator& e_;
    const Arguments& given_;
    int64_t next_ = 0;
};

}  // namespace

std::string percent_format(Evaluator& evaluator, std::string_view format, const Value& values) {
    return Percent(evaluator, format, values).run();
}

std::string brace_format(Evaluator& evaluator, std::string_view format, const Arguments& given) {
    return Braces(evaluator, given).run(format, 0);
}

}  // namespace gremium::jinja
