// Filters of lists and mappings.
#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "text/jinja/builtins.h"
#include "text/jinja/text_functions.h"

namespace gremium::jinja {

namespace {

// "a.0.b" of an object, as map(attribute=…) has it; `standard`, if it is given, for what is not there.
Value path_of(Evaluator& e, Value object, const Value& path, const Value& standard = {}) {
    const auto step = [&](const Value& key) {
        object = e.item(object, key);
        if (object.is_undefined() && !standard.is_none()) object = standard;
    };
    if (path.is_none()) return object;
    if (!path.string()) {
        step(path);
        return object;
    }
    e.charge(path.string()->size());
    for (const std::string& name : split_at(*path.string(), ".", -1, false)) {
        int64_t place = 0;
        const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), place);
        const bool digits = failed == std::errc() && end == name.data() + name.size() && name[0] != '-';
        step(digits ? Value(place) : Value(name));
    }
    return object;
}

// What select, map and their kin go over: nothing of none.
List parts_of(Evaluator& e, const Value& input) { return input.truth() ? e.iterate(input) : List(); }

Arguments without(const Arguments& given, size_t count) {
    Arguments rest = given;
    const auto end = rest.positional.begin() + static_cast<std::ptrdiff_t>(std::min(count, rest.positional.size()));
    rest.positional.erase(rest.positional.begin(), end);
    return rest;
}

// select, reject and, by an attribute, selectattr and rejectattr: items that pass a test, or are true without
// one.
template <bool keep, bool by_attribute>
Value select(Evaluator& e, const Value& input, const Arguments& given) {
    List result;
    const size_t place = by_attribute;
    if (given.positional.size() < place) fail("an attribute is missing");
    const Value test = argument(given, place, "");
    const Arguments rest = without(given, place + 1);
    for (const Value& value : parts_of(e, input)) {
        const Value subject = by_attribute ? path_of(e, value, given.positional[0]) : value;
        const bool passes = test.string() ? e.test(*test.string(), subject, rest) : subject.truth();
        if (passes == keep) result.push_back(value);
    }
    return Value::iterator(std::move(result));
}

Value map(Evaluator& e, const Value& input, const Arguments& given) {
    List result;
    if (given.positional.empty()) {
        check_arguments("map", given, "attribute default");
        const Value path = required(given, SIZE_MAX, "attribute"), standard = argument(given, SIZE_MAX, "default");
        for (const Value& value : parts_of(e, input)) result.push_back(path_of(e, value, path, standard));
    } else {
        const std::string name = e.text(given.positional[0]);
        const Arguments rest = without(given, 1);
        for (const Value& value : parts_of(e, input)) result.push_back(e.filter(name, value, rest));
    }
    return Value::iterator(std::move(result));
}

Value caseless(Evaluator& e, const Value& key, bool case_sensitive) {
    if (!key.string() || case_sensitive) return key;
    e.charge_bytes(key.string()->size());
    return lower(*key.string());
}

struct Keyed {
    Value key, value;
};

// In the order of their keys; equal ones stay as they are.
void sort_by_key(Evaluator& e, std::vector<Keyed>& items, bool reverse) {
    e.charge(8 * items.size());
    std::ranges::stable_sort(items, [&](const Keyed& a, const Keyed& b) {
        return reverse ? less(b.key, a.key, e.budget()) : less(a.key, b.key, e.budget());
    });
}

List values_of(std::vector<Keyed> items) {
    List list;
    for (Keyed& item : items) list.push_back(std::move(item.value));
    return list;
}

// `attribute` may name several, "a,b".
Value sort(Evaluator& e, const Value& input, const Arguments& given) {
    const Value path = argument(given, 2, "attribute");
    const bool sensitive = flag(given, 1, "case_sensitive");
    std::vector<Keyed> items;
    for (const Value& value : e.iterate(input)) {
        if (!path.string()) {
            items.push_back({caseless(e, path_of(e, value, path), sensitive), value});
            continue;
        }
        List keys;
        for (const std::string& one : split_at(*path.string(), ",", -1, false))
            keys.push_back(caseless(e, path_of(e, value, one), sensitive));
        items.push_back({std::move(keys), value});
    }
    sort_by_key(e, items, flag(given, 0, "reverse"));
    return values_of(std::move(items));
}

template <bool largest>
Value extreme(Evaluator& e, const Value& input, const Arguments& given) {
    const Value path = argument(given, 1, "attribute");
    std::optional<Keyed> best;
    for (const Value& value : e.iterate(input)) {
        Keyed now{caseless(e, path_of(e, value, path), flag(given, 0, "case_sensitive")), value};
        if (!best || (largest ? less(best->key, now.key, e.budget()) : less(now.key, best->key, e.budget())))
            best = std::move(now);
    }
    return best ? best->value : Value(Undefined{"the extreme of an empty list"});
}

Value unique(Evaluator& e, const Value& input, const Arguments& given) {
    const Value path = argument(given, 1, "attribute");
    List result;
    Dict seen;
    for (const Value& value : e.iterate(input)) {
        const Value key = caseless(e, path_of(e, value, path), flag(given, 0, "case_sensitive"));
        if (seen.find(key, e.budget())) continue;
        seen.set(key, {}, e.budget());
        result.push_back(value);
    }
    return Value::iterator(std::move(result));
}

Value group_by(Evaluator& e, const Value& input, const Arguments& given) {
    const Value path = required(given, 0, "attribute"), standard = argument(given, 1, "default");
    const bool sensitive = flag(given, 2, "case_sensitive");
    std::vector<Keyed> items;
    for (const Value& value : e.iterate(input))
        items.push_back({caseless(e, path_of(e, value, path, standard), sensitive), value});
    sort_by_key(e, items, false);
    List groups;
    for (size_t i = 0; i < items.size();) {
        const Value key = path_of(e, items[i].value, path, standard);
        List group;
        const size_t first = i;
        for (; i < items.size() && equal(items[i].key, items[first].key, e.budget()); ++i)
            group.push_back(items[i].value);
        groups.push_back({List{key, std::move(group)}, Shape::group});
    }
    return groups;
}

Value items(Evaluator& e, const Value& input, const Arguments&) {
    if (input.is_undefined()) return Value::iterator({});
    if (!input.is_mapping()) fail("{} has no items", input.type());
    e.budget().take_values(4 * input.dict()->items.size());
    List pairs;
    for (const auto& [key, value] : input.dict()->items) pairs.push_back(Value::tuple({key, value}));
    return Value::iterator(std::move(pairs));
}

Value dictsort(Evaluator& e, const Value& input, const Arguments& given) {
    const Value by = argument(given, 1, "by", "key");
    const bool by_value = by.string() && *by.string() == "value";
    if (!by_value && !(by.string() && *by.string() == "key")) fail("dictsort goes by \"key\" or \"value\"");
    if (input.is_undefined()) fail("{} has no items", input.type());
    std::vector<Keyed> pairs;
    for (const Value& pair : e.iterate(items(e, input, {})))
        pairs.push_back({caseless(e, (*pair.list())[by_value], flag(given, 0, "case_sensitive")), pair});
    sort_by_key(e, pairs, flag(given, 2, "reverse"));
    return values_of(std::move(pairs));
}

Value join(Evaluator& e, const Value& input, const Arguments& given) {
    const std::string separator = e.text(argument(given, 0, "d", ""));
    const Value path = argument(given, 1, "attribute");
    std::string text;
    bool first = true;
    for (const Value& value : e.iterate(input)) {
        if (!first) text += separator;
        first = false;
        text += e.text(path_of(e, value, path));
        e.charge_bytes(separator.size());
    }
    return text;
}

Value batch(Evaluator& e, const Value& input, const Arguments& given) {
    const int64_t count = required(given, 0, "linecount").integer();
    const Value filler = argument(given, 1, "fill_with");
    List result, row;
    for (const Value& value : e.iterate(input)) {
        if (static_cast<int64_t>(row.size()) == count) result.emplace_back(std::exchange(row, {}));
        row.push_back(value);
    }
    if (!row.empty()) {
        if (!filler.is_none()) row.resize(std::max(row.size(), size_argument(given, 0, "linecount", 0)), filler);
        e.budget().take_values(row.size());
        result.emplace_back(std::move(row));
    }
    return Value::iterator(std::move(result));
}

Value slice(Evaluator& e, const Value& input, const Arguments& given) {
    required(given, 0, "slices");
    const size_t count = size_argument(given, 0, "slices", 1);
    const Value filler = argument(given, 1, "fill_with");
    if (count == 0) fail("slice needs a number of slices");
    const List all = e.iterate(input);
    const size_t each = all.size() / count, longer = all.size() % count;
    e.budget().take_values(count);
    List result;
    for (size_t i = 0, at = 0; i < count; ++i) {
        const size_t size = each + (i < longer);
        List part(all.begin() + static_cast<std::ptrdiff_t>(at), all.begin() + static_cast<std::ptrdiff_t>(at + size));
        if (!filler.is_none() && i >= longer) part.push_back(filler);
        result.emplace_back(std::move(part));
        at += size;
    }
    return Value::iterator(std::move(result));
}

Value length(Evaluator& e, const Value& input, const Arguments&) {
    if (input.string()) {
        e.charge_bytes(input.string()->size());
        return character_count(*input.string());
    }
    if (input.list()) return input.list()->size();
    if (input.is_mapping()) return input.dict()->items.size();
    if (input.is_undefined()) return int64_t{0};
    fail("{} has no length", input.type());
}

Value reverse(Evaluator& e, const Value& input, const Arguments&) {
    List list = e.iterate(input);
    std::ranges::reverse(list);
    if (!input.string()) return Value::iterator(std::move(list));
    std::string text;
    for (const Value& character : list) text += *character.string();
    return text;
}

Value sum(Evaluator& e, const Value& input, const Arguments& given) {
    const Value path = argument(given, 0, "attribute");
    Value total = argument(given, 1, "start", int64_t{0});
    if (total.string()) fail("sum starts with a number or a list, not {}", total.type());
    for (const Value& value : e.iterate(input)) {
        const Value part = path_of(e, value, path);
        if (total.list() && part.list() && total.shape() == part.shape()) {
            e.budget().take_values(total.list()->size() + part.list()->size());
            List both = *total.list();
            both.insert(both.end(), part.list()->begin(), part.list()->end());
            total = Value(std::move(both), total.shape());
        } else {
            total = arithmetic('+', total, part);
        }
    }
    return total;
}

Value first(Evaluator& e, const Value& input, const Arguments&) {
    if (Iterator* iterator = input.iterator()) {
        if (iterator->next < iterator->items.size()) return iterator->items[iterator->next++];
        return Undefined{"the first of nothing"};
    }
    const List list = e.iterate(input);
    return list.empty() ? Value(Undefined{"the first of nothing"}) : list.front();
}

Value last(Evaluator& e, const Value& input, const Arguments&) {
    if (input.iterator()) fail("{} has no last item", input.type());
    const List list = e.iterate(input);
    return list.empty() ? Value(Undefined{"the last of nothing"}) : list.back();
}

Value to_list(Evaluator& e, const Value& input, const Arguments&) { return e.iterate(input); }

// Attributes only: a mapping's are its methods.
Value attr(Evaluator& e, const Value& input, const Arguments& given) {
    const std::string name = e.text(required(given, 0, "name"));
    return input.is_mapping() && !find_method(input, name) ? Value(Undefined{name}) : e.attribute(input, name);
}

}  // namespace

const Builtins<Value>& sequence_filters() {
    static const Builtins<Value> all = {
        {"attr", {attr, "name"}},
        {"batch", {batch, "linecount fill_with"}},
        {"count", {length, ""}},
        {"dictsort", {dictsort, "case_sensitive by reverse"}},
        {"first", {first, ""}},
        {"groupby", {group_by, "attribute default case_sensitive"}},
        {"items", {items, ""}},
        {"join", {join, "d attribute"}},
        {"last", {last, ""}},
        {"length", {length, ""}},
        {"list", {to_list, ""}},
        {"map", {map, "*"}},
        {"max", {extreme<true>, "case_sensitive attribute"}},
        {"min", {extreme<false>, "case_sensitive attribute"}},
        {"reject", {select<false, false>, "*"}},
        {"rejectattr", {select<false, true>, "*"}},
        {"reverse", {reverse, ""}},
        {"select", {select<true, false>, "*"}},
        {"selectattr", {select<true, true>, "*"}},
        {"slice", {slice, "slices fill_with"}},
        {"sort", {sort, "reverse case_sensitive attribute"}},
        {"sum", {sum, "attribute start"}},
        {"unique", {unique, "case_sensitive attribute"}},
    };
    return all;
}

}  // namespace gremium::jinja
