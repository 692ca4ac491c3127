// `x is …`.
#include <cmath>

#include "base/error.h"
#include "text/jinja/builtins.h"
#include "text/jinja/text_functions.h"

namespace gremium::jinja {

namespace {

bool is_equal(Evaluator& e, const Value& v, const Arguments& given) {
    return equal(v, required(given, 0, "other"), e.budget());
}
bool is_less(Evaluator& e, const Value& v, const Arguments& given) {
    return less(v, required(given, 0, "other"), e.budget());
}
bool is_greater(Evaluator& e, const Value& v, const Arguments& given) {
    return less(required(given, 0, "other"), v, e.budget());
}
bool is_at_least(Evaluator& e, const Value& v, const Arguments& given) {
    return is_greater(e, v, given) || is_equal(e, v, given);
}
bool is_at_most(Evaluator& e, const Value& v, const Arguments& given) {
    return is_less(e, v, given) || is_equal(e, v, given);
}
bool is_other(Evaluator& e, const Value& v, const Arguments& given) { return !is_equal(e, v, given); }

bool text_method(Evaluator& e, const Value& v, std::string_view name) {
    const Value text = e.text(v);
    return find_method(text, name)(e, text, {}).truth();
}
bool is_lower(Evaluator& e, const Value& v, const Arguments&) { return text_method(e, v, "islower"); }
bool is_upper(Evaluator& e, const Value& v, const Arguments&) { return text_method(e, v, "isupper"); }

// The rest of a division as Python has it.
double rest(const Value& v, double divisor) {
    if (divisor == 0) fail("division by zero");
    if (!v.as<double>() && std::abs(divisor) < 0x1p62 && divisor == std::floor(divisor))
        return static_cast<double>(v.integer() % static_cast<int64_t>(divisor));
    return std::fmod(v.number(), divisor);
}
bool is_divisible(Evaluator&, const Value& v, const Arguments& given) {
    return rest(v, required(given, 0, "num").number()) == 0;
}
bool is_even(Evaluator&, const Value& v, const Arguments&) { return rest(v, 2) == 0; }
bool is_odd(Evaluator&, const Value& v, const Arguments&) { return std::abs(rest(v, 2)) == 1; }

// Values of scalars are their identity.
bool is_same(Evaluator& e, const Value& v, const Arguments& given) {
    const Value other = required(given, 0, "other");
    if (v.list() || other.list()) return v.list() == other.list();
    if (v.dict() || other.dict()) return v.dict() == other.dict();
    return v.type() == other.type() && equal(v, other, e.budget());
}

bool is_in(Evaluator& e, const Value& v, const Arguments& given) { return e.contains(required(given, 0, "seq"), v); }

template <typename T>
bool holds(Evaluator&, const Value& v, const Arguments&) {
    return v.as<T>() != nullptr;
}
template <bool value>
bool is_boolean(Evaluator&, const Value& v, const Arguments&) {
    return v.as<bool>() && v.truth() == value;
}
bool is_callable(Evaluator& e, const Value& v, const Arguments&) {
    return v.function() || v.is_undefined() ||
           (v.dict() && v.dict()->kind == Dict::object && v.dict()->find("()", e.budget()));
}
bool is_defined(Evaluator&, const Value& v, const Arguments&) { return !v.is_undefined(); }
bool is_undefined(Evaluator&, const Value& v, const Arguments&) { return v.is_undefined(); }
bool is_escaped(Evaluator&, const Value& v, const Arguments&) { return v.is_markup(); }
bool is_integer(Evaluator&, const Value& v, const Arguments&) { return v.is_integer(); }
bool is_iterable(Evaluator&, const Value& v, const Arguments&) {
    return v.string() || v.list() || v.is_mapping() || v.iterator() || v.is_undefined();
}
bool is_mapping(Evaluator&, const Value& v, const Arguments&) { return v.is_mapping(); }
bool is_none(Evaluator&, const Value& v, const Arguments&) { return v.is_none(); }
bool is_number(Evaluator&, const Value& v, const Arguments&) { return v.is_number() || v.as<bool>(); }
bool is_sequence(Evaluator&, const Value& v, const Arguments&) {
    return v.string() || v.is_indexed() || v.is_mapping() || v.is_undefined();
}
bool is_string(Evaluator&, const Value& v, const Arguments&) { return v.string() != nullptr; }

}  // namespace

const Builtins<bool>& tests() {
    static const Builtins<bool> all = {
        {"!=", {is_other, "other"}},
        {"<", {is_less, "other"}},
        {"<=", {is_at_most, "other"}},
        {"==", {is_equal, "other"}},
        {">", {is_greater, "other"}},
        {">=", {is_at_least, "other"}},
        {"boolean", {holds<bool>, ""}},
        {"callable", {is_callable, ""}},
        {"defined", {is_defined, ""}},
        {"divisibleby", {is_divisible, "num"}},
        {"eq", {is_equal, "other"}},
        {"equalto", {is_equal, "other"}},
        {"escaped", {is_escaped, ""}},
        {"even", {is_even, ""}},
        {"false", {is_boolean<false>, ""}},
        {"float", {holds<double>, ""}},
        {"ge", {is_at_least, "other"}},
        {"greaterthan", {is_greater, "other"}},
        {"gt", {is_greater, "other"}},
        {"in", {is_in, "seq"}},
        {"integer", {is_integer, ""}},
        {"iterable", {is_iterable, ""}},
        {"le", {is_at_most, "other"}},
        {"lessthan", {is_less, "other"}},
        {"lower", {is_lower, ""}},
        {"lt", {is_less, "other"}},
        {"mapping", {is_mapping, ""}},
        {"ne", {is_other, "other"}},
        {"none", {is_none, ""}},
        {"number", {is_number, ""}},
        {"odd", {is_odd, ""}},
        {"sameas", {is_same, "other"}},
        {"sequence", {is_sequence, ""}},
        {"string", {is_string, ""}},
        {"true", {is_boolean<true>, ""}},
        {"undefined", {is_undefined, ""}},
        {"upper", {is_upper, ""}},
    };
    return all;
}

}  // namespace gremium::jinja
