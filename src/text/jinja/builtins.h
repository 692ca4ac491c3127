// The filters, tests and functions that templates find ready (Jinja's documentation, "List of Builtin …"; those that
// transformers adds: tojson without HTML escapes, raise_exception, strftime_now).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "text/jinja/evaluator.h"

namespace gremium::jinja {

template <typename Result>
struct Builtin {
    Result (*function)(Evaluator&, const Value& input, const Arguments& given);
    std::string_view parameters;  // their names, in order; "*" when it looks at its arguments itself
};
template <typename Result>
using Builtins = std::map<std::string_view, Builtin<Result>>;

const Builtins<Value>& text_filters();
const Builtins<Value>& sequence_filters();
const Builtins<bool>& tests();

// The argument given by place or name, or `standard`.
Value argument(const Arguments& given, size_t place, std::string_view name, Value standard = {});
Value required(const Arguments& given, size_t place, std::string_view name);
bool flag(const Arguments& given, size_t place, std::string_view name);
// Not negative and not absurd: a width, a length.
size_t size_argument(const Arguments& given, size_t place, std::string_view name, int64_t standard);

}  // namespace gremium::jinja
