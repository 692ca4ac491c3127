// The methods of Python's str, list and dict that templates call.
#include <algorithm>

#include "base/error.h"
#include "text/jinja/builtins.h"
#include "text/jinja/text_functions.h"
#include "text/unicode.h"

namespace gremium::jinja {

namespace {

using unicode::Character;

const std::string& text_argument(const Arguments& given, size_t place, std::string_view name) {
    const Value* value = given.find(place, name);
    if (!value || !value->string()) fail("'{}' should be a string{}", name, value ? ", not " + value->type() : "");
    return *value->string();
}

// Where arguments `place` and `place` + 1 bound a text, as a slice does: bytes.
struct Bounds {
    size_t begin, end;
    bool outside = false;  // it begins behind the text's end or its own
};
Bounds bounds(const std::string& text, const Arguments& given, size_t place) {
    if (given.positional.size() <= place) return {0, text.size()};
    const auto all = unicode::characters(text);
    const auto size = static_cast<int64_t>(all.size());
    const auto at = [&](size_t i, int64_t standard) {
        const Value value = argument(given, i, "");
        const int64_t n = value.is_none() ? standard : value.integer();
        return n < 0 ? std::max<int64_t>(0, n + size) : n;
    };
    const int64_t from = at(place, 0), to = std::min(at(place + 1, size), size);
    const auto byte = [&](int64_t i) {
        size_t bytes = 0;
        for (int64_t c = 0; c < std::min(i, size); ++c) bytes += all[static_cast<size_t>(c)].bytes.size();
        return bytes;
    };
    return {byte(from), std::max(byte(from), byte(to)), from > size || from > to};
}

// startswith and endswith: one string or a tuple of them.
template <bool at_start>
Value matches(Evaluator&, const Value& object, const Arguments& given) {
    check_arguments(at_start ? "startswith" : "endswith", given, at_start ? "prefix start end" : "suffix start end");
    const std::string& text = *object.string();
    const auto [begin, end, outside] = bounds(text, given, 1);
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    const auto fits = [&](const std::string& s) { return at_start ? part.starts_with(s) : part.ends_with(s); };
    const Value wanted = required(given, 0, "prefix");
    if (outside) return false;
    if (!wanted.list()) return fits(text_argument(given, 0, "prefix"));
    if (wanted.shape() != Shape::tuple) fail("a string or a tuple of them is needed, not {}", wanted.type());
    return std::ranges::any_of(*wanted.list(), [&](const Value& one) { return one.string() && fits(*one.string()); });
}

template <bool from_end>
Value split(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("split", given, "sep maxsplit");
    const std::string& text = *object.string();
    const Value separator = argument(given, 0, "sep");
    const int64_t most = argument(given, 1, "maxsplit", int64_t{-1}).integer();
    e.charge(text.size());
    if (separator.string() && separator.string()->empty()) fail("an empty separator");
    if (from_end && separator.string()) e.charge_bytes(text.size() * separator.string()->size() / 64);
    std::vector<std::string> parts = separator.is_none()
                                         ? split_at_space(text, most, from_end)
                                         : split_at(text, text_argument(given, 0, "sep"), most, from_end);
    List list;
    for (std::string& part : parts) list.push_back(std::move(part));
    return list;
}

template <bool left, bool right>
Value stripped(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("strip", given, "chars");
    const std::string& text = *object.string();
    const Value characters = argument(given, 0, "chars");
    if (characters.is_none()) return strip(text, white_space, left, right);
    e.charge_bytes(text.size() * text_argument(given, 0, "chars").size() / 64);
    return strip(text, *characters.string(), left, right);
}

enum class Find { index, or_fail, count };
template <Find what, bool from_end>
Value find(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("find", given, "sub start end");
    const std::string &text = *object.string(), &part = text_argument(given, 0, "sub");
    const auto [begin, end, outside] = bounds(text, given, 1);
    const std::string_view within = std::string_view(text).substr(begin, end - begin);
    if (what == Find::count) {
        e.charge(text.size());
        if (outside) return int64_t{0};
        return part.empty() ? character_count(within) + 1
                            : static_cast<int64_t>(split_at(within, part, -1, false).size()) - 1;
    }
    if (from_end) e.charge_bytes(text.size() * part.size() / 64);
    const size_t at = outside ? text.npos : from_end ? within.rfind(part) : find_in(within, part);
    if (at == text.npos && what == Find::or_fail) fail("the string has no '{}'", part);
    return at == text.npos ? int64_t{-1} : character_count(std::string_view(text).substr(0, begin + at));
}

template <char align>
Value justified(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("justified text", given, "width fillchar");
    const std::string& text = *object.string();
    required(given, 0, "width");
    const std::string fill = e.text(argument(given, 1, "fillchar", " "));
    if (character_count(fill) != 1) fail("the fill character is \"{}\"", fill);
    const size_t width = size_argument(given, 0, "width", 0), size = static_cast<size_t>(character_count(text));
    if (width <= size) return text;
    const size_t missing = width - size;
    const size_t left = align == '<' ? 0 : align == '>' ? missing : missing / 2 + (missing & width & 1);
    e.charge_bytes(missing * fill.size());
    std::string result;
    for (size_t i = 0; i < left; ++i) result += fill;
    result += text;
    for (size_t i = left; i < missing; ++i) result += fill;
    return result;
}

Value str_zfill(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("zfill", given, "width");
    const std::string& text = *object.string();
    const size_t width = size_argument(given, 0, "width", 0), size = static_cast<size_t>(character_count(text));
    required(given, 0, "width");
    if (width <= size) return text;
    e.charge_bytes(width);
    const size_t sign = text.starts_with('-') || text.starts_with('+');
    return text.substr(0, sign) + std::string(width - size, '0') + text.substr(sign);
}

template <bool from_end>
Value partition(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("partition", given, "sep");
    const std::string &text = *object.string(), &part = text_argument(given, 0, "sep");
    if (part.empty()) fail("an empty separator");
    if (from_end) e.charge_bytes(text.size() * part.size() / 64);
    const size_t at = from_end ? text.rfind(part) : find_in(text, part);
    if (at == text.npos) return Value::tuple(from_end ? List{"", "", text} : List{text, "", ""});
    return Value::tuple({text.substr(0, at), part, text.substr(at + part.size())});
}

template <bool prefix>
Value removed(Evaluator&, const Value& object, const Arguments& given) {
    const std::string &text = *object.string(), &part = text_argument(given, 0, prefix ? "prefix" : "suffix");
    check_arguments("removeprefix", given, prefix ? "prefix" : "suffix");
    if (!(prefix ? text.starts_with(part) : text.ends_with(part))) return text;
    return prefix ? text.substr(part.size()) : text.substr(0, text.size() - part.size());
}

Value lines(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("splitlines", given, "keepends");
    e.charge(object.string()->size());
    List list;
    for (std::string& line : split_lines(*object.string(), flag(given, 0, "keepends"))) list.push_back(std::move(line));
    return list;
}

Value expand_tabs(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("expandtabs", given, "tabsize");
    const size_t tab = size_argument(given, 0, "tabsize", 8);
    std::string result;
    size_t column = 0;
    for (const Character& c : unicode::characters(*object.string())) {
        const size_t blanks = c.bytes == "\t" ? (tab ? tab - column % tab : 0) : 0;
        e.charge_bytes(blanks);
        if (c.bytes == "\t")
            result.append(blanks, ' ');
        else
            result += c.bytes;
        column = c.bytes == "\n" || c.bytes == "\r" ? 0 : column + (c.bytes == "\t" ? blanks : 1);
    }
    return result;
}

Value str_join(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("join", given, "iterable");
    const List list = e.iterate(required(given, 0, "iterable"));
    for (const Value& part : list) {
        if (!part.string()) fail("join needs strings, not {}", part.type());
    }
    return e.filter("join", list, {{object}, {}});
}

Value str_replace(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("replace", given, "old new count");
    text_argument(given, 0, "old");
    text_argument(given, 1, "new");
    return e.filter("replace", object, given);
}

Value str_format(Evaluator& e, const Value& object, const Arguments& given) {
    return brace_format(e, *object.string(), given);
}

template <std::string (*function)(std::string_view)>
Value mapped(Evaluator&, const Value& object, const Arguments& given) {
    check_arguments("a method of a string", given, "");
    return function(*object.string());
}

// All characters pass, and there is one.
template <bool (*passes)(int32_t)>
Value all_are(Evaluator&, const Value& object, const Arguments& given) {
    check_arguments("a method of a string", given, "");
    const auto all = unicode::characters(*object.string());
    return !all.empty() && std::ranges::all_of(all, [](const Character& c) { return passes(c.code); });
}

bool is_decimal(int32_t code) {
    const auto category = unicode::category(code);
    return category.major == 'N' && category.minor == 'd';
}
bool is_python_digit(int32_t code) {
    constexpr std::pair<int32_t, int32_t> others[] = {
        {0xB2, 0xB3},     {0xB9, 0xB9},       {0x1369, 0x1371},   {0x19DA, 0x19DA},   {0x2070, 0x2070},
        {0x2074, 0x2079}, {0x2080, 0x2089},   {0x2460, 0x2468},   {0x2474, 0x247C},   {0x2488, 0x2490},
        {0x24EA, 0x24EA}, {0x24F5, 0x24FD},   {0x24FF, 0x24FF},   {0x2776, 0x277E},   {0x2780, 0x2788},
        {0x278A, 0x2792}, {0x10A40, 0x10A43}, {0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A}};
    return is_decimal(code) ||
           std::ranges::any_of(others, [&](const auto& range) { return range.first <= code && code <= range.second; });
}
bool is_numeric(int32_t code) {
    if (unicode::is_number(code)) return true;
    if (code >= 0x3400 && unicode::is_letter(code)) fail("isnumeric of Han characters is not supported");
    return false;
}
bool is_alphanumeric(int32_t code) { return unicode::is_letter(code) || unicode::is_number(code); }

Value is_ascii(Evaluator&, const Value& object, const Arguments&) {
    return std::ranges::none_of(*object.string(), [](char c) { return c & 0x80; });
}
Value all_printable(Evaluator&, const Value& object, const Arguments&) {
    return std::ranges::all_of(unicode::characters(*object.string()),
                               [](const Character& c) { return is_printable(c.code); });
}

bool is_title_letter(int32_t code) {
    const auto category = unicode::category(code);
    return category.major == 'L' && category.minor == 't';
}

// All letters with case are of the one, and there is one.
template <bool upper>
Value is_case(Evaluator&, const Value& object, const Arguments&) {
    bool found = false;
    for (const Character& c : unicode::characters(*object.string())) {
        if (is_title_letter(c.code) || (upper ? unicode::is_lower(c.code) : unicode::is_upper(c.code))) return false;
        found |= upper ? unicode::is_upper(c.code) : unicode::is_lower(c.code);
    }
    return found;
}

Value is_title(Evaluator&, const Value& object, const Arguments&) {
    bool found = false, within = false;
    for (const Character& c : unicode::characters(*object.string())) {
        const bool capital = unicode::is_upper(c.code) || is_title_letter(c.code), small = unicode::is_lower(c.code);
        if ((capital && within) || (small && !within)) return false;
        within = capital || small;
        found |= within;
    }
    return found;
}

const std::map<std::string_view, Method> string_methods = {
    {"capitalize", mapped<capitalized>},
    {"casefold", mapped<unicode::case_folded>},
    {"center", justified<'^'>},
    {"count", find<Find::count, false>},
    {"endswith", matches<false>},
    {"expandtabs", expand_tabs},
    {"find", find<Find::index, false>},
    {"format", str_format},
    {"index", find<Find::or_fail, false>},
    {"isalnum", all_are<is_alphanumeric>},
    {"isalpha", all_are<unicode::is_letter>},
    {"isascii", is_ascii},
    {"isdecimal", all_are<is_decimal>},
    {"isdigit", all_are<is_python_digit>},
    {"islower", is_case<false>},
    {"isnumeric", all_are<is_numeric>},
    {"isprintable", all_printable},
    {"isspace", all_are<is_space>},
    {"istitle", is_title},
    {"isupper", is_case<true>},
    {"join", str_join},
    {"ljust", justified<'<'>},
    {"lower", mapped<lower>},
    {"lstrip", stripped<true, false>},
    {"partition", partition<false>},
    {"removeprefix", removed<true>},
    {"removesuffix", removed<false>},
    {"replace", str_replace},
    {"rfind", find<Find::index, true>},
    {"rindex", find<Find::or_fail, true>},
    {"rjust", justified<'>'>},
    {"rpartition", partition<true>},
    {"rsplit", split<true>},
    {"rstrip", stripped<false, true>},
    {"split", split<false>},
    {"splitlines", lines},
    {"startswith", matches<true>},
    {"strip", stripped<true, true>},
    {"swapcase", mapped<swapped_case>},
    {"title", mapped<title>},
    {"upper", mapped<upper>},
    {"zfill", str_zfill},
};

Value get(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("get", given, "key default");
    if (!given.named.empty()) fail("get's arguments have no names");
    const Value* found = object.dict()->find(required(given, 0, "key"), e.budget());
    return found ? *found : argument(given, 1, "default");
}

template <Shape shape>
Value view(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("a method of a mapping", given, "");
    List list;
    e.budget().take_values(object.dict()->items.size());
    for (const auto& [key, value] : object.dict()->items)
        list.push_back(shape == Shape::keys ? key : shape == Shape::values ? value : Value::tuple({key, value}));
    return {std::move(list), shape};
}

Value copy(Evaluator&, const Value& object, const Arguments& given) {
    check_arguments("copy", given, "");
    return object;
}

const std::map<std::string_view, Method> mapping_methods = {
    {"copy", copy},
    {"get", get},
    {"items", view<Shape::items>},
    {"keys", view<Shape::keys>},
    {"values", view<Shape::values>},
};

// index(x[, start[, end]])
Value index_of(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("index", given, "value start end");
    const Value wanted = required(given, 0, "value");
    const List& list = *object.list();
    const auto size = static_cast<int64_t>(list.size());
    const auto at = [&](size_t place, int64_t standard) {
        const int64_t n = argument(given, place, "", standard).integer();
        return std::clamp<int64_t>(n < 0 ? n + size : n, 0, size);
    };
    for (int64_t i = at(1, 0); i < at(2, size); ++i) {
        if (equal(list[static_cast<size_t>(i)], wanted, e.budget())) return i;
    }
    fail("the list has no such item");
}

Value count_of(Evaluator& e, const Value& object, const Arguments& given) {
    check_arguments("count", given, "value");
    const Value wanted = required(given, 0, "value");
    return std::ranges::count_if(*object.list(), [&](const Value& v) { return equal(v, wanted, e.budget()); });
}

const std::map<std::string_view, Method> list_methods = {{"copy", copy}, {"count", count_of}, {"index", index_of}};

// What Python has, too, and would change a value or do what we do not: not to be taken for an undefined attribute.
constexpr std::string_view strings_others[] = {"encode", "format_map", "isidentifier", "maketrans", "translate"};
constexpr std::string_view mappings_others[] = {"clear", "fromkeys", "pop", "popitem", "setdefault", "update"};
constexpr std::string_view lists_others[] = {"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"};

Method found(const std::map<std::string_view, Method>& table, std::span<const std::string_view> others,
             std::string_view name, const Value& object) {
    if (const auto it = table.find(name); it != table.end()) return it->second;
    if (std::ranges::find(others, name) != others.end())
        fail("method '{}' of {} is not supported", name, object.type());
    return nullptr;
}

}  // namespace

Method find_method(const Value& object, std::string_view name) {
    if (object.string()) return found(string_methods, strings_others, name, object);
    if (object.is_mapping()) return found(mapping_methods, mappings_others, name, object);
    if (object.list() && object.shape() == Shape::list) return found(list_methods, lists_others, name, object);
    if (object.is_indexed() && name != "copy") return found(list_methods, {}, name, object);
    return nullptr;
}

}  // namespace gremium::jinja
