// Runs the products of a grouped matmul on the calling thread's team.
#pragma once

#include <span>
#include <string_view>

#include "kernels/matmul/product.h"

namespace gremium::kernels {

// Returns the name of what ran (of one, where products differ).
std::string_view run_products(std::span<const Product> products, DType compute, bool accumulate);

}  // namespace gremium::kernels
