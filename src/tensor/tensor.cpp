#include "tensor/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>

namespace gremium {

std::string to_string(const Shape& shape) {
    return fmt::format("{}", std::span(shape.dim.data(), static_cast<size_t>(shape.rank)));
}

}  // namespace gremium
