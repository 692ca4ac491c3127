// How values are written out: Python's str and repr, and json.dumps.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/jinja/text_functions.h"
#include "text/jinja/value.h"
#include "text/unicode.h"

namespace gremium::jinja {

namespace {

std::string number_text(double d) {
    if (std::isnan(d)) return "nan";
    if (std::isinf(d)) return d > 0 ? "inf" : "-inf";
    std::string text = fmt::format("{}", d);
    return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

std::string python_string(std::string_view text) {
    const char quote = text.find('\'') != text.npos && text.find('"') == text.npos ? '"' : '\'';
    std::string result(1, quote);
    for (const auto& [code, bytes] : unicode::characters(text)) {
        constexpr std::string_view controls = "\n\r\t", letters = "nrt";
        if (const size_t at = controls.find(bytes[0]); at != controls.npos)
            result.append(1, '\\').append(1, letters[at]);
        else if (bytes[0] == quote || bytes[0] == '\\')
            result.append(1, '\\').append(bytes);
        else if (code < 0 || is_printable(code))
            result += bytes;
        else
            result += code < 0x100     ? fmt::format("\\x{:02x}", code)
                      : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                                       : fmt::format("\\U{:08x}", code);
    }
    return result + quote;
}

// The entries of a mapping, by key where they are to be sorted.
std::vector<const std::pair<Value, Value>*> entries(const Dict& dict, bool sorted, Budget& budget) {
    std::vector<const std::pair<Value, Value>*> result;
    for (const auto& item : dict.items) result.push_back(&item);
    if (sorted) {
        std::ranges::stable_sort(result,
                                 [&](const auto* a, const auto* b) { return less(a->first, b->first, budget); });
    }
    return result;
}

class Repr {
  public:
    Repr(bool sorted, Budget& budget) : sorted_(sorted), budget_(budget) {}

    void write(const Value& value) {
        budget_.take(1);
        if (value.list()) return list(value);
        if (value.is_mapping()) return mapping(*value.dict());
        if (const std::string* s = value.string()) {
            budget_.take_bytes(s->size());
            out += value.is_markup() ? "Markup(" + python_string(*s) + ")" : python_string(*s);
        } else {
            out += value.is_undefined() ? "Undefined" : value.text(budget_);
        }
    }

    std::string out;

  private:
    void list(const Value& value) {
        constexpr std::string_view opening[] = {"[", "(", "(", "", "dict_keys([", "dict_values([", "dict_items(["};
        constexpr std::string_view closing[] = {"]", ")", ")", "", "])", "])", "])"};
        if (value.shape() == Shape::range) fail("a range cannot be printed");
        const auto shape = static_cast<size_t>(value.shape());
        const List& items = *value.list();
        out += opening[shape];
        for (const Value& item : items) {
            if (&item != items.data()) out += ", ";
            write(item);
        }
        if (value.shape() == Shape::tuple && items.size() == 1) out += ',';
        out += closing[shape];
    }
    void mapping(const Dict& dict) {
        out += '{';
        bool first = true;
        for (const auto* item : entries(dict, sorted_, budget_)) {
            if (!first) out += ", ";
            first = false;
            write(item->first);
            out += ": ";
            write(item->second);
        }
        out += '}';
    }

    bool sorted_;
    Budget& budget_;
};

class Json {
  public:
    Json(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}

    void write(const Value& value, size_t depth) {
        budget_.take(1);
        if (value.is_indexed() && value.shape() != Shape::range) {
            out += '[';
            for (const Value& item : *value.list()) {
                separate(&item == value.list()->data(), depth);
                write(item, depth + 1);
            }
            close(value.list()->empty(), depth, ']');
        } else if (value.is_mapping()) {
            out += '{';
            bool first = true;
            for (const auto* item : entries(*value.dict(), style_.sorted, budget_)) {
                separate(first, depth);
                first = false;
                const bool quoted = !item->first.string();
                if (item->first.list()) fail("{} cannot be a key of JSON", item->first.type());
                out += quoted ? '"' + scalar(item->first) + '"' : scalar(item->first);
                out += style_.key_separator;
                write(item->second, depth + 1);
            }
            close(first, depth, '}');
        } else {
            out += scalar(value);
        }
    }

    std::string out;

  private:
    std::string scalar(const Value& value) {
        if (const std::string* s = value.string()) {
            budget_.take_bytes(s->size());
            return nlohmann::json(*s).dump(-1, ' ', style_.ascii, nlohmann::json::error_handler_t::replace);
        }
        if (value.is_none()) return "null";
        if (value.as<bool>()) return value.truth() ? "true" : "false";
        if (!value.is_number()) fail("{} cannot be written as JSON", value.type());
        if (value.is_integer() || std::isfinite(value.number())) return value.text(budget_);
        return std::isnan(value.number()) ? "NaN" : value.number() > 0 ? "Infinity" : "-Infinity";
    }

    void line(size_t depth) {
        if (!style_.indent) return;
        out += '\n';
        budget_.take_bytes(depth * style_.indent->size());
        for (size_t i = 0; i < depth; ++i) out += *style_.indent;
    }
    void separate(bool first, size_t depth) {
        if (!first) out += style_.item_separator;
        line(depth + 1);
    }
    void close(bool empty, size_t depth, char bracket) {
        if (!empty) line(depth);
        out += bracket;
    }

    const JsonStyle& style_;
    Budget& budget_;
};

}  // namespace

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
    if (!list() && !is_mapping()) fail("{} cannot be printed", type());
    return repr(budget);
}

std::string Value::repr(Budget& budget, bool sorted) const {
    Repr repr(sorted, budget);
    repr.write(*this);
    return std::move(repr.out);
}

std::string Value::json(const JsonStyle& style, Budget& budget) const {
    Json json(style, budget);
    json.write(*this, 0);
    return std::move(json.out);
}

}  // namespace gremium::jinja
