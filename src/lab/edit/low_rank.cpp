#include "lab/edit/low_rank.h"

#include "kernels/matmul/grouped_matmul.h"
#include "kernels/rowwise/elementwise.h"

namespace gremium::lab {

void LowRank::add_to(Tensor w_NK) const {
    const OwnedTensor product_NK(DType::f32, w_NK.shape);
    kernels::matmul(product_NK, b_Nr, a_Kr);
    kernels::axpby(w_NK, product_NK, scale);
}

}  // namespace gremium::lab
