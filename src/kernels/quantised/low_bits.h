// The types of low_bit_types.h as chunks.
#pragma once

#include "kernels/quantised/chunk.h"

namespace gremium::kernels {

// As quantised_format(), of these types alone.
QuantisedFormat low_bit_format(DType type);

}  // namespace gremium::kernels
