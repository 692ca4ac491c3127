#include "engine/arithmetic.h"

namespace gremium::engine {

std::string_view name_of(Arithmetic arithmetic) { return arithmetic == Arithmetic::exact ? "exact" : "running"; }

std::optional<Arithmetic> arithmetic_named(std::string_view name) {
    for (const Arithmetic a : {Arithmetic::exact, Arithmetic::running})
        if (name == name_of(a)) return a;
    return std::nullopt;
}

}  // namespace gremium::engine
