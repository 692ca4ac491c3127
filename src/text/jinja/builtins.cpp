// The filters, tests and functions that templates find ready (Jinja's documentation, "List of Builtin …";
// those that transformers adds: tojson without HTML escapes, raise_exception, strftime_now).
#include <algorithm>
#include <cmath>
#include <ctime>

#include "base/error.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/text_functions.h"
#include "text/replace.h"

namespace gremium::jinja {

namespace {

using Filter = Value (*)(Evaluator&, const Value&, const Arguments&);
using Test = bool (*)(Evaluator&, const Value&, const Arguments&);

Value argument(const Arguments& given, size_t place, std::string_view name, Value standard = {}) {
    const Value* found = given.find(place, name);
    return found ? *found : standard;
}

bool flag(const Arguments& given, size_t place, std::string_view name) {
    return argument(given, place, name, false).truth();
}

// "a.b" of an object, as map(attribute=…) has it.
Value attribute(Evaluator& e, Value object, const Value& path) {
    if (!path.string()) return item(e, object, path);
    e.charge(path.string()->size());
    for (const std::string& name : split_at(*path.string(), ".", -1, false)) object = item(e, object, name);
    return object;
}

// What select, map and their kin go over: nothing of none.
List parts_of(Evaluator& e, const Value& input) { return input.truth() ? e.iterate(input) : List(); }

Arguments without(const Arguments& given, size_t count) {
    Arguments rest = given;
    rest.positional.erase(rest.positional.begin(), rest.positional.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                                 count, rest.positional.size())));
    return rest;
}

// select, reject and, by an attribute, selectattr and rejectattr: items that pass a test, or are true without
// one.
template <bool keep, bool by_attribute>
Value select(Evaluator& e, const Value& input, const Arguments& given) {
    List result;
    const size_t place = by_attribute;
    const Value test = argument(given, place, "");
    for (const Value& value : parts_of(e, input)) {
        const Value subject = by_attribute ? attribute(e, value, argument(given, 0, "attribute")) : value;
        const bool passes =
            test.string() ? e.test(*test.string(), subject, without(given, place + 1)) : subject.truth();
        if (passes == keep) result.push_back(value);
    }
    return result;
}

Value map(Evaluator& e, const Value& input, const Arguments& given) {
    List result;
    const Value* path = given.find(SIZE_MAX, "attribute");
    const Value standard = argument(given, SIZE_MAX, "default", Undefined{"an attribute"});
    for (const Value& value : parts_of(e, input)) {
        if (path) {
            const Value found = attribute(e, value, *path);
            result.push_back(found.is_undefined() ? standard : found);
        } else {
            result.push_back(e.filter(e.text(argument(given, 0, "")), value, without(given, 1)));
        }
    }
    return result;
}

// What sort, unique, min and max compare: an attribute, strings without case unless asked.
Value sort_key(Evaluator& e, const Value& value, const Arguments& given, size_t case_place) {
    const Value path = argument(given, case_place + 1, "attribute");
    const Value key = path.is_none() ? value : attribute(e, value, path);
    if (!key.string() || flag(given, case_place, "case_sensitive")) return key;
    e.charge_bytes(key.string()->size());
    return lower(*key.string());
}

Value sort(Evaluator& e, const Value& input, const Arguments& given) {
    List list = e.iterate(input);
    e.charge(8 * list.size());
    std::stable_sort(list.begin(), list.end(), [&](const Value& a, const Value& b) {
        return less(sort_key(e, a, given, 1), sort_key(e, b, given, 1), e.budget());
    });
    if (flag(given, 0, "reverse")) std::reverse(list.begin(), list.end());
    return list;
}

template <bool largest>
Value extreme(Evaluator& e, const Value& input, const Arguments& given) {
    const List list = e.iterate(input);
    if (list.empty()) return Undefined{"the extreme of an empty list"};
    const auto key_less = [&](const Value& a, const Value& b) {
        return less(sort_key(e, a, given, 0), sort_key(e, b, given, 0), e.budget());
    };
    return largest ? *std::ranges::max_element(list, key_less) : *std::ranges::min_element(list, key_less);
}

Value unique(Evaluator& e, const Value& input, const Arguments& given) {
    List result;
    Dict seen;
    for (const Value& value : e.iterate(input)) {
        const Value key = sort_key(e, value, given, 0);
        if (seen.find(key, e.budget())) continue;
        seen.set(key, {}, e.budget());
        result.push_back(value);
    }
    return result;
}

Value dictsort(Evaluator& e, const Value& input, const Arguments& given) {
    const bool by_value = e.text(argument(given, 1, "by", "key")) == "value";
    List items = *e.filter("items", input, {}).list();
    const auto key = [&](const Value& pair) {
        return sort_key(e, (*pair.list())[by_value],
                        {{given.positional.empty() ? Value(false) : given.positional[0]}, {}}, 0);
    };
    std::stable_sort(items.begin(), items.end(),
                     [&](const Value& a, const Value& b) { return less(key(a), key(b), e.budget()); });
    return items;
}

Value join(Evaluator& e, const Value& input, const Arguments& given) {
    const std::string separator = e.text(argument(given, 0, "d", ""));
    const Value path = argument(given, 1, "attribute");
    std::string text;
    bool first = true;
    for (const Value& value : e.iterate(input)) {
        if (!first) text += separator;
        first = false;
        text += e.text(path.is_none() ? value : attribute(e, value, path));
        e.charge_bytes(separator.size());
    }
    return text;
}

Value replace(Evaluator& e, const Value& input, const Arguments& given) {
    const std::string text = e.text(input), from = e.text(argument(given, 0, "old")),
                      to = e.text(argument(given, 1, "new"));
    const Value count = argument(given, 2, "count");
    const auto parts = split_at(text, from, count.is_none() ? -1 : count.integer(), false);
    e.charge_bytes(text.size() + parts.size() * (to.size() + sizeof(std::string)));
    std::string result;
    for (size_t i = 0; i < parts.size(); ++i) result += (i > 0 ? to : "") + parts[i];
    return result;
}

Value indent(Evaluator& e, const Value& input, const Arguments& given) {
    const Value width = argument(given, 0, "width", int64_t{4});
    const std::string margin =
        width.string() ? *width.string() : std::string(std::clamp<int64_t>(width.integer(), 0, 1000), ' ');
    const bool blank_lines = flag(given, 2, "blank");
    const auto lines = split_at(e.text(input), "\n", -1, false);
    e.charge_bytes(lines.size() * margin.size());
    std::string result;
    for (size_t i = 0; i < lines.size(); ++i) {
        if (i > 0) result += '\n';
        const bool wanted = i > 0 ? !lines[i].empty() || blank_lines : flag(given, 1, "first");
        result += (wanted ? margin : "") + lines[i];
    }
    return result;
}

Value to_json(Evaluator& e, const Value& input, const Arguments& given) {
    const Value width = argument(given, SIZE_MAX, "indent");
    return input.json(width.is_none() ? -1 : static_cast<int>(std::clamp<int64_t>(width.integer(), 0, 16)), e.budget());
}

Value to_integer(Evaluator&, const Value& input, const Arguments& given) {
    if (input.is_integer() || input.as<bool>()) return input.integer();
    try {
        if (input.is_number() && !std::isnan(input.number()))
            return static_cast<int64_t>(std::clamp(input.number(), -0x1p62, 0x1p62));
        if (input.string()) return static_cast<int64_t>(std::stoll(*input.string()));
    } catch (const std::logic_error&) {
    }
    return argument(given, 0, "default", int64_t{0});
}

Value to_float(Evaluator&, const Value& input, const Arguments& given) {
    if (input.is_number() || input.as<bool>()) return input.number();
    try {
        if (input.string()) return std::stod(*input.string());
    } catch (const std::logic_error&) {
    }
    return argument(given, 0, "default", 0.0);
}

Value round(Evaluator& e, const Value& input, const Arguments& given) {
    const double scale = std::pow(10, static_cast<double>(argument(given, 0, "precision", int64_t{0}).integer()));
    const std::string method = e.text(argument(given, 1, "method", "common"));
    const double scaled = input.number() * scale;
    return (method == "ceil"    ? std::ceil(scaled)
            : method == "floor" ? std::floor(scaled)
                                : std::nearbyint(scaled)) /
           scale;
}

Value length(Evaluator& e, const Value& input, const Arguments&) {
    if (input.string()) {
        e.charge_bytes(input.string()->size());
        return character_count(*input.string());
    }
    if (input.list()) return input.list()->size();
    if (input.dict()) return input.dict()->items.size();
    if (input.is_undefined()) return int64_t{0};
    fail("{} has no length", input.type());
}

Value items(Evaluator& e, const Value& input, const Arguments&) {
    if (input.is_undefined()) return List{};
    if (!input.dict()) fail("{} has no items", input.type());
    e.budget().take_values(4 * input.dict()->items.size());
    List pairs;
    for (const auto& [key, value] : input.dict()->items) pairs.push_back(List{key, value});
    return pairs;
}

Value reverse(Evaluator& e, const Value& input, const Arguments&) {
    List list = e.iterate(input);
    std::reverse(list.begin(), list.end());
    if (!input.string()) return list;
    std::string text;
    for (const Value& character : list) text += *character.string();
    return text;
}

Value sum(Evaluator& e, const Value& input, const Arguments& given) {
    const Value path = argument(given, 0, "attribute");
    Value total = argument(given, 1, "start", int64_t{0});
    for (const Value& value : e.iterate(input))
        total = arithmetic('+', total, path.is_none() ? value : attribute(e, value, path));
    return total;
}

Value first(Evaluator& e, const Value& input, const Arguments&) {
    const List list = e.iterate(input);
    return list.empty() ? Value(Undefined{"the first of nothing"}) : list.front();
}

Value last(Evaluator& e, const Value& input, const Arguments&) {
    const List list = e.iterate(input);
    return list.empty() ? Value(Undefined{"the last of nothing"}) : list.back();
}

Value standard(Evaluator&, const Value& input, const Arguments& given) {
    const bool missing = input.is_undefined() || (flag(given, 1, "boolean") && !input.truth());
    return missing ? argument(given, 0, "default_value", "") : input;
}

Value trim(Evaluator& e, const Value& input, const Arguments& given) {
    Value result;
    call_method(e, e.text(input), "strip", given, result);
    return result;
}

Value escape(Evaluator& e, const Value& input, const Arguments&) {
    std::string text = e.text(input);
    for (const auto& [from, to] : {std::pair("&", "&amp;"), std::pair("<", "&lt;"), std::pair(">", "&gt;"),
                                   std::pair("\"", "&#34;"), std::pair("'", "&#39;")}) {
        text = replaced(text, from, to);
    }
    e.charge_bytes(text.size());
    return text;
}

Value split_lines(Evaluator& e, const Value& input, const Arguments&) {
    const std::string text = e.text(input);
    e.charge(text.size());
    List list;
    for (std::string& line : split_at(replaced(text, "\r\n", "\n"), "\n", -1, false)) list.push_back(std::move(line));
    if (list.back().string()->empty()) list.pop_back();
    return list;
}

template <std::string (*function)(std::string_view)>
Value on_text(Evaluator& e, const Value& input, const Arguments&) {
    return function(e.text(input));
}

const std::map<std::string_view, Filter> filters = {
    {"abs",
     [](Evaluator&, const Value& v, const Arguments&) -> Value {
         return v.number() < 0 ? arithmetic('-', Value(int64_t{0}), v) : arithmetic('+', Value(int64_t{0}), v);
     }},
    {"capitalize", on_text<capitalized>},
    {"count", length},
    {"d", standard},
    {"default", standard},
    {"dictsort", dictsort},
    {"e", escape},
    {"escape", escape},
    {"first", first},
    {"float", to_float},
    {"indent", indent},
    {"int", to_integer},
    {"items", items},
    {"join", join},
    {"last", last},
    {"length", length},
    {"list", [](Evaluator& e, const Value& v, const Arguments&) -> Value { return e.iterate(v); }},
    {"lower", on_text<lower>},
    {"map", map},
    {"max", extreme<true>},
    {"min", extreme<false>},
    {"reject", select<false, false>},
    {"rejectattr", select<false, true>},
    {"replace", replace},
    {"reverse", reverse},
    {"round", round},
    {"safe", [](Evaluator&, const Value& v, const Arguments&) -> Value { return v; }},
    {"select", select<true, false>},
    {"selectattr", select<true, true>},
    {"sort", sort},
    {"splitlines", split_lines},
    {"string", [](Evaluator& e, const Value& v, const Arguments&) -> Value { return e.text(v); }},
    {"sum", sum},
    {"title", on_text<title>},
    {"tojson", to_json},
    {"trim", trim},
    {"unique", unique},
    {"upper", on_text<upper>},
};

bool is_lower(Evaluator& e, const Value& v, const Arguments&) { return v.string() && lower(e.text(v)) == *v.string(); }
bool is_upper(Evaluator& e, const Value& v, const Arguments&) { return v.string() && upper(e.text(v)) == *v.string(); }
bool is_equal(Evaluator& e, const Value& v, const Arguments& given) {
    return equal(v, argument(given, 0, "other"), e.budget());
}
bool is_less(Evaluator& e, const Value& v, const Arguments& given) {
    return less(v, argument(given, 0, "other"), e.budget());
}
bool is_greater(Evaluator& e, const Value& v, const Arguments& given) {
    return less(argument(given, 0, "other"), v, e.budget());
}
bool is_sequence(Evaluator&, const Value& v, const Arguments&) { return v.string() || v.list() || v.dict(); }

template <typename T>
bool holds(Evaluator&, const Value& v, const Arguments&) {
    return v.as<T>() != nullptr;
}

const std::map<std::string_view, Test> tests = {
    {"boolean", holds<bool>},
    {"callable", [](Evaluator&, const Value& v, const Arguments&) { return v.function() != nullptr; }},
    {"defined", [](Evaluator&, const Value& v, const Arguments&) { return !v.is_undefined(); }},
    {"divisibleby",
     [](Evaluator&, const Value& v, const Arguments& given) {
         const int64_t divisor = argument(given, 0, "num").integer();
         return divisor == -1 || (divisor != 0 && v.integer() % divisor == 0);
     }},
    {"eq", is_equal},
    {"equalto", is_equal},
    {"even", [](Evaluator&, const Value& v, const Arguments&) { return v.integer() % 2 == 0; }},
    {"false", [](Evaluator&, const Value& v, const Arguments&) { return v.as<bool>() && !v.truth(); }},
    {"float", holds<double>},
    {"ge", [](Evaluator& e, const Value& v, const Arguments& given) { return !is_less(e, v, given); }},
    {"greaterthan", is_greater},
    {"gt", is_greater},
    {"in",
     [](Evaluator& e, const Value& v, const Arguments& given) { return e.contains(argument(given, 0, "seq"), v); }},
    {"integer", [](Evaluator&, const Value& v, const Arguments&) { return v.is_integer(); }},
    {"iterable", [](Evaluator&, const Value& v,
                    const Arguments&) { return v.string() || v.list() || v.dict() || v.is_undefined(); }},
    {"le", [](Evaluator& e, const Value& v, const Arguments& given) { return !is_greater(e, v, given); }},
    {"lessthan", is_less},
    {"lower", is_lower},
    {"lt", is_less},
    {"mapping", [](Evaluator&, const Value& v, const Arguments&) { return v.dict() != nullptr; }},
    {"ne", [](Evaluator& e, const Value& v, const Arguments& given) { return !is_equal(e, v, given); }},
    {"none", [](Evaluator&, const Value& v, const Arguments&) { return v.is_none(); }},
    {"number", [](Evaluator&, const Value& v, const Arguments&) { return v.is_number() || v.as<bool>(); }},
    {"odd", [](Evaluator&, const Value& v, const Arguments&) { return v.integer() % 2 != 0; }},
    {"sameas", is_equal},
    {"sequence", is_sequence},
    {"string", [](Evaluator&, const Value& v, const Arguments&) { return v.string() != nullptr; }},
    {"true", [](Evaluator&, const Value& v, const Arguments&) { return v.as<bool>() && v.truth(); }},
    {"undefined", [](Evaluator&, const Value& v, const Arguments&) { return v.is_undefined(); }},
    {"upper", is_upper},
};

template <typename Table>
const auto& look_up(const Table& table, std::string_view kind, const std::string& name) {
    if (const auto it = table.find(name); it != table.end()) return it->second;
    std::string names;
    for (const auto& row : table) names += (names.empty() ? "" : ", ") + std::string(row.first);
    fail("{} '{}' is not supported; supported: {}", kind, name, names);
}

Value range(Evaluator& e, const Arguments& given) {
    const auto at = [&](size_t i) { return given.positional.at(i).integer(); };
    const size_t n = given.positional.size();
    if (n < 1 || n > 3) fail("range needs one to three integers");
    const int64_t from = n > 1 ? at(0) : 0, to = n > 1 ? at(1) : at(0), step = n > 2 ? at(2) : 1;
    if (step == 0) fail("range's step is zero");
    List list;
    for (int64_t i = from; step > 0 ? i < to : i > to;) {
        e.budget().take_values(1);
        list.push_back(i);
        if (__builtin_add_overflow(i, step, &i)) break;
    }
    return list;
}

Dict mapping(Evaluator& e, const Arguments& given) {
    Dict dict;
    if (!given.positional.empty()) {
        for (const Value& pair : *e.filter("items", given.positional[0], {}).list()) {
            dict.set((*pair.list())[0], (*pair.list())[1], e.budget());
        }
    }
    for (const auto& [name, value] : given.named) dict.set(name, value, e.budget());
    return dict;
}

Value now(Evaluator& e, const Arguments& given) {
    const std::string format = e.text(argument(given, 0, "format"));
    const std::time_t time = std::time(nullptr);
    std::tm local{};
    localtime_r(&time, &local);
    std::string text(256, '\0');
    text.resize(std::strftime(text.data(), text.size(), format.c_str(), &local));
    return text;
}

}  // namespace

Value Evaluator::filter(const std::string& name, const Value& input, const Arguments& arguments) {
    return look_up(filters, "filter", name)(*this, input, arguments);
}

bool Evaluator::test(const std::string& name, const Value& input, const Arguments& arguments) {
    return look_up(tests, "test", name)(*this, input, arguments);
}

std::map<std::string, Value> builtin_functions() {
    return {{"range", Function(range)},
            {"dict", Function([](Evaluator& e, const Arguments& given) -> Value { return mapping(e, given); })},
            {"namespace", Function([](Evaluator& e, const Arguments& given) -> Value {
                 Dict dict = mapping(e, given);
                 dict.is_namespace = true;
                 return dict;
             })},
            {"raise_exception", Function([](Evaluator& e, const Arguments& given) -> Value {
                 fail("the template refuses this conversation: {}", e.text(argument(given, 0, "message")));
             })},
            {"strftime_now", Function(now)}};
}

}  // namespace gremium::jinja
