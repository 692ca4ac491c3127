// Filters of text and numbers.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/jinja/builtins.h"
#include "text/jinja/text_functions.h"
#include "text/replace.h"
#include "text/unicode.h"

namespace gremium::jinja {

namespace {

Value replace(Evaluator& e, const Value& input, const Arguments& given) {
    const std::string text = e.text(input), from = e.text(required(given, 0, "old")),
                      to = e.text(required(given, 1, "new"));
    const Value count = argument(given, 2, "count");
    e.charge(text.size());
    const size_t parts = split_at(text, from, -1, false).size() + (from.empty() ? text.size() : 0);
    e.charge_bytes(text.size() + parts * (to.size() + sizeof(std::string)));
    return replaced_in(text, from, to, count.is_none() ? -1 : count.integer());
}

Value indent(Evaluator& e, const Value& input, const Arguments& given) {
    if (!input.string()) fail("indent needs a string, not {}", input.type());
    const Value width = argument(given, 0, "width", int64_t{4});
    const std::string margin = width.string() ? *width.string() : std::string(size_argument(given, 0, "width", 4), ' ');
    const bool blank = flag(given, 2, "blank");
    const auto lines = split_lines(e.text(input) + "\n", false);
    e.charge_bytes(lines.size() * margin.size());
    std::string result = flag(given, 1, "first") ? margin : "";
    for (size_t i = 0; i < lines.size(); ++i) {
        if (i > 0) result += '\n';
        if (i > 0 && (blank || !lines[i].empty())) result += margin;
        result += lines[i];
    }
    return result;
}

Value to_json(Evaluator& e, const Value& input, const Arguments& given) {
    JsonStyle style;
    style.ascii = flag(given, 0, "ensure_ascii");
    style.sorted = flag(given, 3, "sort_keys");
    const Value width = argument(given, 1, "indent"), separators = argument(given, 2, "separators");
    if (!width.is_none()) {
        style.indent = width.string() ? *width.string() : std::string(size_argument(given, 1, "indent", 0), ' ');
        style.item_separator.assign(1, ',');
    }
    if (!separators.is_none()) {
        const List pair = e.iterate(separators);
        if (pair.size() != 2 || !pair[0].string() || !pair[1].string()) fail("tojson's separators are two strings");
        style.item_separator = *pair[0].string();
        style.key_separator = *pair[1].string();
    }
    return input.json(style, e.budget());
}

Value to_integer(Evaluator&, const Value& input, const Arguments& given) {
    int64_t whole = 0;
    double number = 0;
    if (input.is_integer() || input.as<bool>()) return input.integer();
    if (input.is_undefined()) fail("{} is no number", input.type());
    if (input.string() && parse_integer(*input.string(), argument(given, 1, "base", int64_t{10}).integer(), whole))
        return whole;
    const bool parsed = input.string() ? parse_float(*input.string(), number) : input.is_number();
    if (!input.string() && parsed) number = input.number();
    if (input.as<double>() && std::isinf(number)) fail("{} is no integer", number);
    if (!parsed || !std::isfinite(number)) return argument(given, 0, "default", int64_t{0});
    if (std::fabs(number) >= 0x1p63) fail("{} is too large", number);
    return static_cast<int64_t>(number);
}

Value to_float(Evaluator&, const Value& input, const Arguments& given) {
    double number = 0;
    if (input.is_number() || input.as<bool>()) return input.number();
    if (input.is_undefined()) fail("{} is no number", input.type());
    if (input.string() && parse_float(*input.string(), number)) return number;
    return argument(given, 0, "default", 0.0);
}

Value round(Evaluator& e, const Value& input, const Arguments& given) {
    const int64_t precision = std::clamp<int64_t>(argument(given, 0, "precision", int64_t{0}).integer(), -300, 300);
    const std::string method = e.text(argument(given, 1, "method", "common"));
    const double scale = std::pow(10, static_cast<double>(precision));
    if (method == "ceil" || method == "floor") {
        const double scaled = input.number() * scale;
        if (!std::isfinite(scaled)) fail("{} has no whole number", scaled);
        return (0.0 + (method == "ceil" ? std::ceil(scaled) : std::floor(scaled))) / scale;
    }
    if (method != "common") fail("round's method is 'common', 'ceil' or 'floor', not '{}'", method);
    if (!input.as<double>()) {
        if (precision >= 0) return input.integer();
        return static_cast<int64_t>(std::nearbyint(static_cast<double>(input.integer()) * scale) / scale);
    }
    if (!std::isfinite(input.number())) return input;
    // Through decimals, which are rounded exactly.
    if (precision >= 0) return std::strtod(fmt::format("{:.{}f}", input.number(), precision).c_str(), nullptr);
    return std::nearbyint(input.number() * scale) / scale;
}

Value absolute(Evaluator&, const Value& v, const Arguments&) {
    return v.number() < 0 || (v.as<double>() && std::signbit(v.number())) ? arithmetic('*', Value(int64_t{-1}), v)
                                                                          : arithmetic('*', Value(int64_t{1}), v);
}

Value standard(Evaluator&, const Value& input, const Arguments& given) {
    const bool missing = input.is_undefined() || (flag(given, 1, "boolean") && !input.truth());
    return missing ? argument(given, 0, "default_value", "") : input;
}

Value trim(Evaluator& e, const Value& input, const Arguments& given) {
    const Value text = e.text(input);
    return find_method(text, "strip")(e, text, given);
}

std::string escaped(std::string text) {
    for (const auto& [from, to] : {std::pair("&", "&amp;"), std::pair("<", "&lt;"), std::pair(">", "&gt;"),
                                   std::pair("\"", "&#34;"), std::pair("'", "&#39;")}) {
        text = replaced(text, from, to);
    }
    return text;
}

Value force_escape(Evaluator& e, const Value& input, const Arguments&) {
    const std::string text = escaped(e.text(input));
    e.charge_bytes(text.size());
    return Value::markup(text);
}
Value escape(Evaluator& e, const Value& input, const Arguments& given) {
    return input.is_markup() ? input : force_escape(e, input, given);
}
Value safe(Evaluator& e, const Value& input, const Arguments&) { return Value::markup(e.text(input)); }

Value to_string(Evaluator& e, const Value& input, const Arguments&) { return input.string() ? input : e.text(input); }

template <std::string (*function)(std::string_view)>
Value on_text(Evaluator& e, const Value& input, const Arguments&) {
    return function(e.text(input));
}

// Every word capitalised, where words begin behind white space, "-" and opening brackets.
std::string title_words(std::string_view text) {
    std::string result;
    size_t begin = 0;
    const auto flush = [&](size_t end) {
        const auto word = text.substr(begin, end - begin);
        if (word.empty()) return;
        const size_t first = unicode::first(word).bytes.size();
        result += upper(word.substr(0, first)) + lower(word.substr(first));
    };
    for (size_t at = 0; at < text.size();) {
        const auto character = unicode::first(text.substr(at)).bytes;
        const bool parts = white_space.find(character) != white_space.npos ||
                           std::string_view("-({[<").find(character) != std::string_view::npos;
        if (parts) {
            flush(at);
            result += character;
            begin = at + character.size();
        }
        at += character.size();
    }
    flush(text.size());
    return result;
}

Value center(Evaluator& e, const Value& input, const Arguments& given) {
    const Value text = e.text(input);
    return find_method(text, "center")(e, text, {{argument(given, 0, "width", int64_t{80})}, {}});
}

Value truncate(Evaluator& e, const Value& input, const Arguments& given) {
    const std::string text = e.text(input), end = e.text(argument(given, 2, "end", "..."));
    const auto length = static_cast<int64_t>(size_argument(given, 0, "length", 255));
    const Value slack = argument(given, 3, "leeway");
    const int64_t leeway = slack.is_none() ? 5 : slack.integer(), ends = character_count(end);
    if (input.list() && std::ssize(*input.list()) <= length + leeway) return input;
    if (!input.string() && !input.is_undefined()) fail("truncate needs a string, not {}", input.type());
    if (length < ends || leeway < 0) fail("truncate expects a length of at least {} and a leeway of at least 0", ends);
    if (character_count(text) <= length + leeway) return text;
    size_t size = 0;
    for (int64_t i = 0; i < length - ends; ++i)
        size += unicode::first(std::string_view(text).substr(size)).bytes.size();
    std::string kept = text.substr(0, size);
    if (!flag(given, 1, "killwords")) kept = kept.substr(0, kept.rfind(' '));
    return kept + end;
}

// Runs of letters, digits and "_".
Value word_count(Evaluator& e, const Value& input, const Arguments&) {
    int64_t count = 0;
    bool within = false;
    for (const auto& [code, bytes] : unicode::characters(e.text(input))) {
        const bool part = code == '_' || unicode::is_letter(code) || unicode::is_number(code);
        count += part && !within;
        within = part;
    }
    return count;
}

Value format(Evaluator& e, const Value& input, const Arguments& given) {
    if (!given.positional.empty() && !given.named.empty()) fail("format takes values or names, not both");
    if (given.named.empty()) return percent_format(e, e.text(input), Value::tuple(given.positional));
    Dict names;
    for (const auto& [name, value] : given.named) names.set(name, value, e.budget());
    return percent_format(e, e.text(input), std::move(names));
}

Value file_size(Evaluator&, const Value& input, const Arguments& given) {
    double parsed = 0;
    if (input.string() && !parse_float(*input.string(), parsed)) fail("'{}' is no number of bytes", *input.string());
    const bool binary = flag(given, 0, "binary");
    const double base = binary ? 1024 : 1000, bytes = input.string() ? parsed : input.number();
    if (bytes == 1) return "1 Byte";
    if (bytes < base) return fmt::format("{} Bytes", static_cast<int64_t>(bytes));
    double unit = base;
    for (const char prefix : std::string_view("kMGTPEZY")) {
        unit *= base;
        if (bytes < unit || prefix == 'Y') {
            const char shown = binary && prefix == 'k' ? 'K' : prefix;
            return fmt::format("{:.1f} {}{}", base * bytes / unit, shown, binary ? "iB" : "B");
        }
    }
    return {};
}

std::string percent_encoded(std::string_view text, bool query) {
    std::string result;
    for (const char c : text) {
        const bool plain = (c & 0x80) == 0 && (std::isalnum(static_cast<unsigned char>(c)) ||
                                               std::string_view("_.-~").find(c) != std::string_view::npos);
        if (plain || (c == '/' && !query))
            result += c;
        else if (c == ' ' && query)
            result += '+';
        else
            result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
    return result;
}

Value url_encode(Evaluator& e, const Value& input, const Arguments&) {
    if (input.string() || !(input.list() || input.dict() || input.iterator()))
        return percent_encoded(e.text(input), false);
    std::string result;
    for (const Value& pair : e.iterate(input.is_mapping() ? e.filter("items", input, {}) : input)) {
        const List parts = e.iterate(pair);
        if (parts.size() != 2) fail("urlencode needs pairs");
        if (!result.empty()) result += '&';
        result += percent_encoded(e.text(parts[0]), true);
        result += '=';
        result += percent_encoded(e.text(parts[1]), true);
    }
    e.charge_bytes(result.size());
    return result;
}

// As pprint where that fits into a line.
Value pretty(Evaluator& e, const Value& input, const Arguments&) {
    const std::string text = input.repr(e.budget(), true);
    if (character_count(text) > 80) fail("pprint of more than a line is not supported");
    return text;
}

}  // namespace

const Builtins<Value>& text_filters() {
    static const Builtins<Value> all = {
        {"abs", {absolute, ""}},
        {"capitalize", {on_text<capitalized>, ""}},
        {"center", {center, "width"}},
        {"d", {standard, "default_value boolean"}},
        {"default", {standard, "default_value boolean"}},
        {"e", {escape, ""}},
        {"escape", {escape, ""}},
        {"filesizeformat", {file_size, "binary"}},
        {"float", {to_float, "default"}},
        {"forceescape", {force_escape, ""}},
        {"format", {format, "*"}},
        {"indent", {indent, "width first blank"}},
        {"int", {to_integer, "default base"}},
        {"lower", {on_text<lower>, ""}},
        {"pprint", {pretty, ""}},
        {"replace", {replace, "old new count"}},
        {"round", {round, "precision method"}},
        {"safe", {safe, ""}},
        {"string", {to_string, ""}},
        {"title", {on_text<title_words>, ""}},
        {"tojson", {to_json, "ensure_ascii indent separators sort_keys"}},
        {"trim", {trim, "chars"}},
        {"truncate", {truncate, "length killwords end leeway"}},
        {"upper", {on_text<upper>, ""}},
        {"urlencode", {url_encode, ""}},
        {"wordcount", {word_count, ""}},
    };
    return all;
}

}  // namespace gremium::jinja
