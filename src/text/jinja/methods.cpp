// Attributes, and the methods of Python's str, list and dict that templates call.
#include <algorithm>

#include "base/error.h"
#include "text/jinja/evaluator.h"
#include "text/jinja/text_functions.h"
#include "text/replace.h"

namespace gremium::jinja {

namespace {

const std::string& text_argument(const Arguments& given, size_t place, std::string_view name) {
    const Value* value = given.find(place, name);
    if (!value || !value->string()) fail("'{}' should be a string{}", name, value ? ", not " + value->type() : "");
    return *value->string();
}

// startswith and endswith: one string or a tuple of them.
bool matches(const Arguments& given, const auto& fits) {
    if (given.positional.empty()) fail("a string is missing");
    const Value& wanted = given.positional[0];
    if (!wanted.list()) return fits(text_argument(given, 0, "prefix"));
    return std::ranges::any_of(*wanted.list(),
                               [&](const Value& part) { return part.string() && fits(*part.string()); });
}

Value split(Evaluator& evaluator, std::string_view text, const Arguments& given, bool from_end) {
    const Value* separator = given.find(0, "sep");
    const Value* limit = given.find(1, "maxsplit");
    const int64_t most = limit ? limit->integer() : -1;
    const bool by_space = !separator || separator->is_none();
    evaluator.charge(text.size());
    if (from_end && !by_space) evaluator.charge_bytes(text.size() * text_argument(given, 0, "sep").size() / 64);
    std::vector<std::string> parts =
        by_space ? split_at_space(text, most) : split_at(text, text_argument(given, 0, "sep"), most, from_end);
    List list;
    for (std::string& part : parts) list.push_back(std::move(part));
    return list;
}

std::string_view stripped(Evaluator& evaluator, std::string_view text, const Arguments& given, bool left, bool right) {
    const Value* given_characters = given.find(0, "chars");
    const bool usual = !given_characters || !given_characters->string();
    const std::string_view characters = usual ? white_space : std::string_view(*given_characters->string());
    if (!usual) evaluator.charge_bytes(text.size() * characters.size() / 64);
    return strip(text, characters, left, right);
}

bool all_of_kind(std::string_view text, bool digits, bool letters) {
    return !text.empty() && std::ranges::all_of(text, [&](char c) {
        return (digits && c >= '0' && c <= '9') ||
               (letters && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80)));
    });
}

bool call_string_method(Evaluator& e, const std::string& text, const std::string& name, const Arguments& given,
                        Value& result) {
    e.charge_bytes(text.size());
    const auto argument = [&](size_t place, std::string_view key) -> const std::string& {
        return text_argument(given, place, key);
    };
    const auto index = [&](size_t at) {
        return at == std::string::npos ? int64_t{-1} : character_count(text.substr(0, at));
    };
    if (name == "strip")
        result = stripped(e, text, given, true, true);
    else if (name == "lstrip")
        result = stripped(e, text, given, true, false);
    else if (name == "rstrip")
        result = stripped(e, text, given, false, true);
    else if (name == "split")
        result = split(e, text, given, false);
    else if (name == "rsplit")
        result = split(e, text, given, true);
    else if (name == "splitlines")
        result = e.filter("splitlines", text, given);
    else if (name == "startswith")
        result = matches(given, [&](const std::string& s) { return text.starts_with(s); });
    else if (name == "endswith")
        result = matches(given, [&](const std::string& s) { return text.ends_with(s); });
    else if (name == "removeprefix")
        result = text.starts_with(argument(0, "prefix")) ? text.substr(argument(0, "prefix").size()) : text;
    else if (name == "removesuffix")
        result =
            text.ends_with(argument(0, "suffix")) ? text.substr(0, text.size() - argument(0, "suffix").size()) : text;
    else if (name == "find")
        result = index(find_in(text, argument(0, "sub")));
    else if (name == "rfind")
        e.charge_bytes(text.size() * argument(0, "sub").size() / 64), result = index(text.rfind(argument(0, "sub")));
    else if (name == "count")
        e.charge(text.size()), result = static_cast<int64_t>(split_at(text, argument(0, "sub"), -1, false).size()) - 1;
    else if (name == "isdigit")
        result = all_of_kind(text, true, false);
    else if (name == "isalpha")
        result = all_of_kind(text, false, true);
    else if (name == "isalnum")
        result = all_of_kind(text, true, true);
    else if (name == "join")
        result = e.filter("join", given.positional.empty() ? Value() : given.positional[0], {{text}, {}});
    else if (name == "upper" || name == "lower" || name == "title" || name == "capitalize" || name == "replace")
        result = e.filter(name, text, given);
    else
        return false;
    return true;
}

bool call_mapping_method(Evaluator& e, const Value& object, const std::string& name, const Arguments& given,
                         Value& result) {
    const Dict& dict = *object.dict();
    if (name == "items") {
        result = e.filter("items", object, {});
    } else if (name == "keys") {
        result = e.iterate(object);
    } else if (name == "values") {
        List values;
        for (const auto& item : dict.items) values.push_back(item.second);
        result = std::move(values);
    } else if (name == "get" && !given.positional.empty()) {
        const Value* found = dict.find(given.positional[0], e.budget());
        const Value* standard = given.find(1, "default");
        result = found ? *found : standard ? *standard : Value();
    } else {
        return false;
    }
    return true;
}

}  // namespace

Value item(Evaluator& evaluator, const Value& object, const Value& key) {
    if (const Dict* dict = object.dict()) {
        if (const Value* found = dict->find(key, evaluator.budget())) return *found;
    } else if (object.is_undefined()) {
        fail("{} has no '{}'", object.type(), evaluator.text(key));
    } else if (key.is_integer() && (object.list() || object.string())) {
        const List* list = object.list();
        if (!list) evaluator.charge(8 * object.string()->size());
        const auto text = list ? std::vector<std::string_view>() : characters(*object.string());
        const int64_t size = static_cast<int64_t>(list ? list->size() : text.size());
        const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
        if (at >= 0 && at < size) return list ? (*list)[at] : Value(text[at]);
    }
    return Undefined{evaluator.text(key)};
}

bool call_method(Evaluator& evaluator, const Value& object, const std::string& name, const Arguments& arguments,
                 Value& result) {
    if (object.string()) return call_string_method(evaluator, *object.string(), name, arguments, result);
    if (object.dict()) return call_mapping_method(evaluator, object, name, arguments, result);
    if (object.list() && (name == "index" || name == "count") && arguments.positional.size() == 1) {
        const auto same = [&](const Value& value) { return equal(value, arguments.positional[0], evaluator.budget()); };
        const auto at = std::ranges::find_if(*object.list(), same);
        if (name == "index" && at == object.list()->end()) fail("the list has no such item");
        result = name == "index" ? at - object.list()->begin() : std::ranges::count_if(*object.list(), same);
        return true;
    }
    return false;
}

}  // namespace gremium::jinja
