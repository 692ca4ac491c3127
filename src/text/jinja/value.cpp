#include "text/jinja/value.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace gremium::jinja {

namespace {

int deeper(int depth, const Value& part) {
    if (part.depth() >= Value::max_depth) fail("values are nested too deeply");
    return std::max(depth, part.depth() + 1);
}

}  // namespace

void Budget::take(size_t cost) {
    if (cost > left_) fail("the template takes too many steps");
    left_ -= cost;
}

void Budget::take_values(size_t count) { take_bytes(count * sizeof(Value)); }

const Value* Dict::find(const Value& key, Budget& budget) const {
    for (const auto& [name, value] : items) {
        if (equal(name, key, budget)) return &value;
    }
    return nullptr;
}

void Dict::set(const Value& key, Value value, Budget& budget) {
    if ((key.list() && key.shape() == Shape::list) || key.is_mapping()) fail("{} cannot be a key", key.type());
    deeper(0, value);
    for (auto& [name, old] : items) {
        if (equal(name, key, budget)) {
            old = std::move(value);
            return;
        }
    }
    items.emplace_back(key, std::move(value));
}

const Value* Arguments::find(size_t place, std::string_view name) const {
    if (place < positional.size()) return &positional[place];
    for (const auto& [given, value] : named) {
        if (given == name) return &value;
    }
    return nullptr;
}

Value::Value(List list, Shape shape) : shape_(shape) {
    for (const Value& part : list) depth_ = deeper(depth_, part);
    variant_ = std::make_shared<const List>(std::move(list));
}

Value::Value(Dict dict) {
    for (const auto& [key, part] : dict.items) depth_ = deeper(depth_, part);
    if (dict.kind != Dict::mapping) depth_ = max_depth;
    variant_ = std::make_shared<Dict>(std::move(dict));
}

Value Value::iterator(List list) {
    Value value;
    for (const Value& part : list) value.depth_ = deeper(value.depth_, part);
    value.variant_ = std::make_shared<Iterator>(Iterator{std::move(list), 0});
    return value;
}

Value Value::markup(std::string s) {
    Value value(std::move(s));
    value.markup_ = true;
    return value;
}

Value Value::from(const nlohmann::ordered_json& json) {
    if (json.is_object()) {
        Dict dict;
        for (const auto& [key, value] : json.items()) dict.items.emplace_back(key, from(value));
        return dict;
    }
    if (json.is_array()) {
        List list;
        for (const auto& value : json) list.push_back(from(value));
        return list;
    }
    if (json.is_string()) return json.get<std::string>();
    if (json.is_boolean()) return json.get<bool>();
    if (json.is_number_integer()) return json.get<int64_t>();
    if (json.is_number()) return json.get<double>();
    return {};
}

const std::string* Value::string() const {
    const auto* string = as<std::shared_ptr<const std::string>>();
    return string ? string->get() : nullptr;
}

const List* Value::list() const {
    const auto* list = as<std::shared_ptr<const List>>();
    return list ? list->get() : nullptr;
}

Iterator* Value::iterator() const {
    const auto* iterator = as<std::shared_ptr<Iterator>>();
    return iterator ? iterator->get() : nullptr;
}

Dict* Value::dict() const {
    const auto* dict = as<std::shared_ptr<Dict>>();
    return dict ? dict->get() : nullptr;
}

const Function* Value::function() const {
    const auto* function = as<std::shared_ptr<const Function>>();
    return function ? function->get() : nullptr;
}

bool Value::truth() const {
    if (is_undefined() || is_none()) return false;
    if (const bool* b = as<bool>()) return *b;
    if (is_number()) return number() != 0;
    if (string()) return !string()->empty();
    if (list()) return !list()->empty();
    if (dict()) return !is_mapping() || !dict()->items.empty();
    return true;
}

int64_t Value::integer() const {
    if (const bool* b = as<bool>()) return *b;
    if (const int64_t* i = as<int64_t>()) return *i;
    fail("expected an integer, not {}", type());
}

double Value::number() const {
    const double* d = as<double>();
    return d ? *d : static_cast<double>(integer());
}

std::string Value::type() const {
    if (const Undefined* undefined = as<Undefined>()) return fmt::format("'{}' (undefined)", undefined->name);
    if (is_none()) return "none";
    if (as<bool>()) return "a boolean";
    if (is_integer()) return "an integer";
    if (is_number()) return "a float";
    if (string()) return "a string";
    if (list()) {
        constexpr const char* names[] = {"a list", "a tuple", "a group", "a range", "keys", "values", "items"};
        return names[static_cast<int>(shape_)];
    }
    if (iterator()) return "what a filter yields";
    if (dict()) return is_mapping() ? "a mapping" : dict()->kind == Dict::name_space ? "a namespace" : "an object";
    return "a function";
}

// Both integers (or booleans): as integers, which must not overflow. Else as doubles.
Value arithmetic(char op, const Value& left, const Value& right) {
    if (!left.as<double>() && !right.as<double>()) {
        const int64_t a = left.integer(), b = right.integer();
        int64_t result = 0;
        const bool overflow = op == '+'   ? __builtin_add_overflow(a, b, &result)
                              : op == '-' ? __builtin_sub_overflow(a, b, &result)
                                          : __builtin_mul_overflow(a, b, &result);
        if (overflow) fail("{} {} {} is too large", a, op, b);
        return result;
    }
    const double a = left.number(), b = right.number();
    return op == '+' ? a + b : op == '-' ? a - b : a * b;
}

namespace {

bool numeric(const Value& v) { return v.is_number() || v.as<bool>(); }

// −1, 0 or 1; 2 where one is no number.
int compared(const Value& a, const Value& b) {
    if (!a.as<double>() && !b.as<double>()) {
        const int64_t x = a.integer(), y = b.integer();
        return x < y ? -1 : x > y;
    }
    const double x = a.number(), y = b.number();
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
}

// Which lists can equal each other, or have an order: what Python calls by one type.
int list_type(const Value& v) {
    return v.shape() == Shape::group ? static_cast<int>(Shape::tuple) : static_cast<int>(v.shape());
}

}  // namespace

bool equal(const Value& a, const Value& b, Budget& budget) {
    budget.take(1);
    const auto same = [&](const Value& x, const Value& y) { return equal(x, y, budget); };
    if (a.is_undefined() || a.is_none()) return a.is_undefined() == b.is_undefined() && a.is_none() == b.is_none();
    if (numeric(a) && numeric(b)) return compared(a, b) == 0;
    if (a.string() && b.string()) {
        if (a.string()->size() == b.string()->size()) budget.take_bytes(a.string()->size());
        return *a.string() == *b.string();
    }
    if (a.list() && b.list()) return list_type(a) == list_type(b) && std::ranges::equal(*a.list(), *b.list(), same);
    if (a.is_mapping() && b.is_mapping()) {
        return a.dict()->items.size() == b.dict()->items.size() &&
               std::ranges::all_of(a.dict()->items, [&](const auto& item) {
                   const Value* other = b.dict()->find(item.first, budget);
                   return other && same(item.second, *other);
               });
    }
    if (a.dict() || a.iterator()) return a.dict() == b.dict() && a.iterator() == b.iterator();
    return a.function() && a.function() == b.function();
}

bool less(const Value& a, const Value& b, Budget& budget) {
    budget.take(1);
    if (a.string() && b.string()) {
        budget.take_bytes(std::min(a.string()->size(), b.string()->size()));
        return *a.string() < *b.string();
    }
    if (a.list() && b.list() && a.shape() <= Shape::group && list_type(a) == list_type(b)) {
        const List &x = *a.list(), &y = *b.list();
        for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
            if (!equal(x[i], y[i], budget)) return less(x[i], y[i], budget);
        }
        return x.size() < y.size();
    }
    if (!numeric(a) || !numeric(b)) fail("{} and {} have no order", a.type(), b.type());
    return compared(a, b) == -1;
}

}  // namespace gremium::jinja
