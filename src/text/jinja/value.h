// Values of the template language: those of Python that templates touch. Immutable, but for namespaces and iterators.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gremium::jinja {

class Value;
class Evaluator;

using List = std::vector<Value>;

// What a hostile template may still cost: one a step, one for 4 bytes made or compared. A value may hold another many
// times over, so that what goes through all of one takes from it as it goes.
class Budget {
  public:
    explicit Budget(size_t cost) : left_(cost) {}
    void take(size_t cost);  // throws Error when there is not enough left
    void take_bytes(size_t bytes) { take(bytes / 4); }
    void take_values(size_t count);  // items of a list that is made

  private:
    size_t left_;
};

struct Undefined {
    std::string name;  // for messages
};

// Insertion order is kept.
struct Dict {
    // A name_space lets `{% set ns.x = … %}` change it. An object is what Jinja makes (a loop, a cycler): it has
    // attributes, and is called by the one named "()".
    enum Kind : uint8_t { mapping, name_space, object };

    std::vector<std::pair<Value, Value>> items;
    Kind kind = mapping;

    const Value* find(const Value& key, Budget& budget) const;
    void set(const Value& key, Value value, Budget& budget);  // throws Error, as Value does
};

struct Arguments {
    List positional;
    std::vector<std::pair<std::string, Value>> named;

    // By place or by name; nullptr when it was not given.
    const Value* find(size_t place, std::string_view name) const;
};

using Function = std::function<Value(Evaluator&, const Arguments&)>;

// What a sequence is to Python: how it prints and what it allows follows from it. A group is groupby's (key, items).
enum class Shape : uint8_t { list, tuple, group, range, keys, values, items };

// What a filter yields item by item: it is true, has no length, and is empty once it was gone over.
struct Iterator;

// Of Python's json.dumps.
struct JsonStyle {
    bool ascii = false, sorted = false;
    std::optional<std::string> indent;  // before every level, on lines of their own
    std::string item_separator = ", ", key_separator = ": ";
};

class Value {
  public:
    static constexpr int max_depth = 64;  // of values within values

    // What can be large is shared, so that a copy costs nothing.
    using Variant = std::variant<Undefined, std::nullptr_t, bool, int64_t, double, std::shared_ptr<const std::string>,
                                 std::shared_ptr<const List>, std::shared_ptr<Dict>, std::shared_ptr<const Function>,
                                 std::shared_ptr<Iterator>>;

    Value() : variant_(nullptr) {}
    Value(Undefined undefined) : variant_(std::move(undefined)) {}
    Value(bool b) : variant_(b) {}
    Value(int64_t i) : variant_(i) {}
    Value(size_t n) : variant_(static_cast<int64_t>(n)) {}
    Value(double d) : variant_(d) {}
    Value(std::string s) : variant_(std::make_shared<const std::string>(std::move(s))) {}
    Value(std::string_view s) : Value(std::string(s)) {}
    Value(const char* s) : Value(std::string(s)) {}
    // Throw Error for values nested too deeply; no namespace is within another value.
    Value(List list, Shape shape = Shape::list);
    Value(Dict dict);
    explicit Value(std::shared_ptr<Dict> object) : variant_(std::move(object)), depth_(max_depth) {}
    Value(Function function) : variant_(std::make_shared<const Function>(std::move(function))) {}
    static Value from(const nlohmann::ordered_json& json);
    static Value tuple(List list) { return {std::move(list), Shape::tuple}; }
    static Value iterator(List list);
    static Value markup(std::string s);  // text that is escaped already

    bool is_undefined() const { return std::holds_alternative<Undefined>(variant_); }
    bool is_none() const { return std::holds_alternative<std::nullptr_t>(variant_); }
    bool is_number() const { return is_integer() || as<double>(); }  // not booleans
    bool is_integer() const { return std::holds_alternative<int64_t>(variant_); }
    // Pointers into the value; nullptr when it is of another type.
    template <typename T>
    const T* as() const {
        return std::get_if<T>(&variant_);
    }
    const std::string* string() const;
    const List* list() const;  // of any shape
    Shape shape() const { return shape_; }
    bool is_indexed() const { return list() && shape_ <= Shape::range; }
    bool is_markup() const { return markup_; }
    Iterator* iterator() const;
    Dict* dict() const;  // of any kind
    bool is_mapping() const { return dict() && dict()->kind == Dict::mapping; }
    const Function* function() const;

    bool truth() const;
    // Booleans count as 0 and 1. Throw Error for what is no number.
    int64_t integer() const;
    double number() const;

    std::string type() const;                                     // for messages: "a string"
    std::string text(Budget& budget) const;                       // as {{ … }} prints it: Python's str
    std::string repr(Budget& budget, bool sorted = false) const;  // sorted: mappings by key
    std::string json(const JsonStyle& style, Budget& budget) const;

    int depth() const { return depth_; }  // of values within values

  private:
    Variant variant_;
    int depth_ = 0;
    Shape shape_ = Shape::list;
    bool markup_ = false;
};

struct Iterator {
    List items;
    size_t next = 0;
};

bool equal(const Value& a, const Value& b, Budget& budget);
// Numbers, strings, lists. Throws Error for what has no order.
bool less(const Value& a, const Value& b, Budget& budget);

// Sum ('+'), difference or product: of integers and booleans an integer. Throws Error where that overflows.
Value arithmetic(char op, const Value& left, const Value& right);

}  // namespace gremium::jinja
