#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/utf8.h"

namespace gremium::jinja {

namespace {

constexpr int deepest_value = 64;

int deeper(int depth, const Value& part) {
    if (part.depth() >= deepest_value) fail("values are nested too deeply");
    return std::max(depth, part.depth() + 1);
}

std::string number_text(double d) {
    if (std::isnan(d)) return "nan";
    if (std::isinf(d)) return d > 0 ? "inf" : "-inf";
    std::string text = fmt::format("{}", d);
    return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

std::string python_string(std::string_view text) {
    const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
    std::string result(1, quote);
    for (char c : text) {
        if (c == '\n') {
            result += "\\n";
        } else if (c == '\r') {
            result += "\\r";
        } else if (c == '\t') {
            result += "\\t";
        } else {
            if (c == quote || c == '\\') result += '\\';
            result += c;
        }
    }
    return result + quote;
}

// How a value is written out: Python's repr, or JSON.
class Writer {
  public:
    Writer(bool json, int indent, Budget& budget) : json_(json), indent_(indent), budget_(budget) {}

    std::string written(const Value& value) {
        write(value, 0);
        return std::move(out_);
    }

  private:
    void write(const Value& value, int depth) {
        budget_.take(1);
        if (const List* list = value.list()) {
            out_ += '[';
            for (const Value& item : *list) {
                separate(&item == list->data(), depth);
                write(item, depth + 1);
            }
            close(list->empty(), depth, ']');
        } else if (const Dict* dict = value.dict()) {
            out_ += '{';
            for (const auto& item : dict->items) {
                separate(&item == dict->items.data(), depth);
                const bool quoted = json_ && !item.first.string();
                if (quoted) out_ += '"';
                write(item.first, depth + 1);
                out_ += quoted ? "\": " : ": ";
                write(item.second, depth + 1);
            }
            close(dict->items.empty(), depth, '}');
        } else {
            out_ += scalar(value);
        }
    }

    std::string scalar(const Value& value) {
        if (const std::string* s = value.string()) {
            budget_.take_bytes(s->size());
            return json_ ? nlohmann::json(*s).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
                         : python_string(*s);
        }
        if (json_ && value.is_none()) return "null";
        if (json_ && value.as<bool>()) return value.truth() ? "true" : "false";
        if (json_ && !value.is_number()) fail("{} cannot be written as JSON", value.type());
        return value.text(budget_);
    }

    void line(int depth) {
        if (indent_ < 0) return;
        const auto margin = static_cast<size_t>(indent_ * depth);
        budget_.take_bytes(margin);
        out_.append(1, '\n').append(margin, ' ');
    }
    void separate(bool first, int depth) {
        if (!first) out_ += indent_ < 0 ? ", " : ",";
        line(depth + 1);
    }
    void close(bool empty, int depth, char bracket) {
        if (!empty) line(depth);
        out_ += bracket;
    }

    bool json_;
    int indent_;
    Budget& budget_;
    std::string out_;
};

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

Value::Value(List list) {
    for (const Value& part : list) depth_ = deeper(depth_, part);
    variant_ = std::make_shared<const List>(std::move(list));
}

Value::Value(Dict dict) {
    for (const auto& [key, part] : dict.items) depth_ = deeper(depth_, part);
    if (dict.is_namespace) depth_ = deepest_value;
    variant_ = std::make_shared<Dict>(std::move(dict));
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
    if (dict()) return dict()->is_namespace || !dict()->items.empty();
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
    if (list()) return "a list";
    return dict() ? "a mapping" : "a function";
}

std::string Value::text(Budget& budget) const {
    if (string()) {
        budget.take_bytes(string()->size());
        return *string();
    }
    if (is_undefined()) return "";
    if (is_none()) return "None";
    if (as<bool>()) return truth() ? "True" : "False";
    if (is_integer()) return fmt::format("{}", integer());
    if (is_number()) return number_text(number());
    return function() ? "<function>" : Writer(false, -1, budget).written(*this);
}

std::string Value::json(int indent, Budget& budget) const { return Writer(true, indent, budget).written(*this); }

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

bool equal(const Value& a, const Value& b, Budget& budget) {
    budget.take(1);
    const auto same = [&](const Value& x, const Value& y) { return equal(x, y, budget); };
    if (a.is_undefined() || a.is_none()) return a.is_undefined() == b.is_undefined() && a.is_none() == b.is_none();
    const auto numeric = [](const Value& v) { return v.is_number() || v.as<bool>(); };
    if (numeric(a) && numeric(b)) return a.number() == b.number();
    if (a.string() && b.string()) {
        if (a.string()->size() == b.string()->size()) budget.take_bytes(a.string()->size());
        return *a.string() == *b.string();
    }
    if (a.list() && b.list()) return std::ranges::equal(*a.list(), *b.list(), same);
    if (a.dict() && b.dict()) {
        return a.dict()->items.size() == b.dict()->items.size() &&
               std::ranges::all_of(a.dict()->items, [&](const auto& item) {
                   const Value* other = b.dict()->find(item.first, budget);
                   return other && same(item.second, *other);
               });
    }
    return a.function() && a.function() == b.function();
}

bool less(const Value& a, const Value& b, Budget& budget) {
    budget.take(1);
    if (a.string() && b.string()) {
        budget.take_bytes(std::min(a.string()->size(), b.string()->size()));
        return *a.string() < *b.string();
    }
    if (a.list() && b.list())
        return std::ranges::lexicographical_compare(*a.list(), *b.list(),
                                                    [&](const Value& x, const Value& y) { return less(x, y, budget); });
    const auto numeric = [](const Value& v) { return v.is_number() || v.as<bool>(); };
    if (!numeric(a) || !numeric(b)) fail("{} and {} have no order", a.type(), b.type());
    return a.number() < b.number();
}

std::vector<std::string_view> characters(std::string_view text) {
    std::vector<std::string_view> result;
    while (!text.empty()) {
        result.push_back(text.substr(0, utf8::start(text).size));
        text.remove_prefix(result.back().size());
    }
    return result;
}

}  // namespace gremium::jinja
