#include "kernels/matmul/grouped_matmul.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "kernels/matmul/leaf.h"
#include "kernels/matmul/product.h"
#include "kernels/matmul/reference.h"
#include "kernels/matmul/run.h"
#include "kernels/quantised/quantised.h"
#include "kernels/simd/rows.h"
#include "kernels/simd/variant.h"
#include "tensor/arena.h"

namespace gremium::kernels {
namespace {

thread_local std::string_view last_leaf;

void expect(bool ok, std::string_view what, TensorView a, TensorView b) {
    if (!ok) fail("grouped matmul: {} ({} against {})", what, to_string(a.shape), to_string(b.shape));
}

void check(TensorView y_RN, TensorView x_TK, std::span<const int32_t> x_rows, GroupOffsets offsets, size_t groups) {
    expect(offsets.size() == groups + 1 && offsets.front() == 0 && offsets.back() == y_RN.rows(),
           "offsets must cover the rows, one group a matrix", y_RN, x_TK);
    expect(x_rows.empty() ? x_TK.rows() == y_RN.rows() : std::ssize(x_rows) == y_RN.rows(), "row counts differ", x_TK,
           y_RN);
    const auto activations = [](DType type) { return type == DType::f32 || type == DType::bf16; };
    if (!activations(y_RN.dtype) || !activations(x_TK.dtype)) {
        fail("grouped matmul: activations are f32 or bf16, not {} and {}", info(x_TK.dtype).name,
             info(y_RN.dtype).name);
    }
}

// The rows of t from `first` on, or the gathered ones.
Operand operand(TensorView t, int64_t first, std::span<const int32_t> rows, bool along_k) {
    const int64_t stride = t.row_bytes();
    if (rows.empty()) return {t.data + first * stride, t.dtype, stride, nullptr, along_k};
    return {t.data, t.dtype, stride, rows.data() + first, along_k};
}

Output output(Tensor t, int64_t first) { return {t.row(first), t.dtype, t.row_bytes()}; }

// Rounds the rows of x, or the gathered ones where they are fewer, for products of block-quantised weights
// (MatmulOptions::compute). The result is valid until the thread's next call.
class RoundedRows {
  public:
    RoundedRows(TensorView x, std::span<const int32_t> x_rows, bool fine)
        : gathered_(!x_rows.empty() && std::ssize(x_rows) < x.rows()),
          fine_(fine),
          stride_(rounded_bytes(x.cols(), fine)),
          x_rows_(x_rows) {
        thread_local Arena kept;
        const int64_t rows = gathered_ ? std::ssize(x_rows) : x.rows();
        kept.clear();
        rounded_ = kept.allocate(static_cast<size_t>(rows * stride_));
        parallel_rows(rows, x.cols(), [&](int64_t begin, int64_t end) {
            for (int64_t r = begin; r < end; ++r)
                round_row(x.dtype, x.row(gathered_ ? x_rows[r] : r), x.cols(), fine_, rounded_ + r * stride_);
        });
    }
    // For an operand whose first row is row `first` of the product.
    void put_into(Operand& a, int64_t first) const {
        const bool by_table = !gathered_ && !x_rows_.empty();
        a.rounded = by_table ? rounded_ : rounded_ + first * stride_;
        a.rounded_rows = by_table ? x_rows_.data() + first : nullptr;
        a.rounded_stride = stride_;
        a.fine = fine_;
    }

  private:
    bool gathered_, fine_;
    int64_t stride_;
    std::span<const int32_t> x_rows_;
    std::byte* rounded_;
};

// Calls visit(first, rows, few) for stretches of the rows [first, first + rows) of a group: all of them, or as many as
// neighbouring cohorts agree on whether their rows are few.
template <typename Visit>
void for_each_stretch(int64_t first, int64_t rows, int64_t most, std::span<const int32_t> cohorts, Visit&& visit) {
    if (cohorts.empty()) return visit(first, rows, rows <= most);
    const int64_t end = first + rows;
    bool few = false;
    for (int64_t i = first, next; i < end; i = next) {
        for (next = i + 1; next < end && cohorts[next] == cohorts[i];) ++next;
        const bool now = next - i <= most;
        if (i > first && now != few) {
            visit(first, i - first, few);
            first = i;
        }
        few = now;
    }
    visit(first, end - first, few);
}

// Products to run, kept from call to call so that a steady state allocates nothing.
std::vector<Product>& fresh_products() {
    thread_local std::vector<Product> products;
    products.clear();
    return products;
}

void run(std::span<const Product> products, MatmulOptions options) {
    last_leaf = run_products(products, options.compute, options.accumulate);
}

}  // namespace

std::string_view last_grouped_matmul_leaf() { return last_leaf; }

void grouped_matmul(std::span<const Projection> projections, TensorView x, std::span<const int32_t> x_rows,
                    GroupOffsets offsets, MatmulOptions options) {
    for (const auto& [y, w] : projections) {
        check(y, x, x_rows, offsets, w.size());
        expect(options.cohorts.empty() || std::ssize(options.cohorts) == y.rows(), "cohorts are not [R]", y, x);
        for (size_t g = 0; g < w.size(); ++g) {
            if (offsets[g] == offsets[g + 1]) continue;  // an expert without rows may be absent
            expect(w[g].rows() == y.cols() && w[g].cols() == x.cols(), "weights are not [N, K]", w[g], x);
        }
        if (options.observer) options.observer->on_matmul(x, x_rows, w, offsets);
    }
    if (active() == Variant::reference) {
        last_leaf = "reference";
        for (const auto& [y, w] : projections) reference::grouped_matmul(y, x, x_rows, w, offsets, options);
        return;
    }
    std::optional<RoundedRows> rounded;
    std::vector<Product>& products = fresh_products();
    for (size_t g = 0; g + 1 < offsets.size(); ++g) {
        const int64_t first = offsets[g], rows = offsets[g + 1] - first;
        if (rows == 0) continue;
        for (const auto& [y, w] : projections) {
            const Leaf& leaf = choose_leaf(options.compute, w[g].dtype, options.fine);
            const bool rounds = options.compute == DType::q8_0 && quantised_format(w[g].dtype).unpack;
            for_each_stretch(first, rows, leaf.gemv_rows, options.cohorts, [&](int64_t from, int64_t count, bool few) {
                products.push_back({operand(x, from, x_rows, true), operand(w[g], 0, {}, true), count, y.cols(),
                                    x.cols(), output(y, from), &leaf, few});
                if (!rounds || !(few || holds_quantised(leaf.panel))) return;  // tiles of bf16 take x itself
                if (!rounded) rounded.emplace(x, x_rows, options.fine);
                rounded->put_into(products.back().a, from);
            });
        }
    }
    run(products, options);
}

void grouped_matmul(Tensor y, TensorView x, std::span<const int32_t> x_rows, std::span<const TensorView> w,
                    GroupOffsets offsets, MatmulOptions options) {
    const Projection one{y, w};
    grouped_matmul({&one, 1}, x, x_rows, offsets, options);
}

void grouped_matmul_dx(Tensor dx, std::span<const ProjectionGrad> projections, GroupOffsets offsets,
                       MatmulOptions options) {
    for (const auto& [dy, w] : projections) {
        check(dx, dy, {}, offsets, w.size());
        for (size_t g = 0; g < w.size(); ++g) {
            if (offsets[g] == offsets[g + 1]) continue;
            expect(w[g].rows() == dy.cols() && w[g].cols() == dx.cols(), "weights are not [N, K]", w[g], dy);
            expect(is_float(w[g].dtype), "no gradient through block-quantised weights", w[g], dy);
        }
    }
    if (active() == Variant::reference) {
        last_leaf = "reference";
        for (const auto& [dy, w] : projections) {
            reference::grouped_matmul_dx(dx, dy, w, offsets, options);
            options.accumulate = true;
        }
        return;
    }
    std::vector<Product>& products = fresh_products();
    for (size_t g = 0; g + 1 < offsets.size(); ++g) {
        const int64_t first = offsets[g], rows = offsets[g + 1] - first;
        if (rows == 0) continue;
        int left = static_cast<int>(projections.size());
        for (const auto& [dy, w] : projections) {
            products.push_back({operand(dy, first, {}, true), operand(w[g], 0, {}, false), rows, dx.cols(), dy.cols(),
                                output(dx, first), &choose_leaf(options.compute, w[g].dtype), false, left--});
        }
    }
    run(products, options);
}

void grouped_matmul_dx(Tensor dx, TensorView dy, std::span<const TensorView> w, GroupOffsets offsets,
                       MatmulOptions options) {
    const ProjectionGrad one{dy, w};
    grouped_matmul_dx(dx, {&one, 1}, offsets, options);
}

void grouped_matmul_dw(std::span<const WeightGrad> grads, TensorView x, std::span<const int32_t> x_rows,
                       GroupOffsets offsets, MatmulOptions options) {
    for (const auto& [dw, dy] : grads) {
        check(dy, x, x_rows, offsets, dw.size());
        for (const Tensor& one : dw) {
            if (!one) continue;
            expect(one.rows() == dy.cols() && one.cols() == x.cols(), "gradient is not [N, K]", one, x);
            expect(one.dtype == DType::f32, "gradients of weights are f32", one, x);
        }
    }
    if (active() == Variant::reference) {
        last_leaf = "reference";
        for (const auto& [dw, dy] : grads) reference::grouped_matmul_dw(dw, dy, x, x_rows, offsets, options);
        return;
    }
    std::vector<Product>& products = fresh_products();
    for (size_t g = 0; g + 1 < offsets.size(); ++g) {
        const int64_t first = offsets[g], rows = offsets[g + 1] - first;
        for (const auto& [dw, dy] : grads) {
            if (!dw[g]) continue;
            if (rows == 0) {
                if (!options.accumulate) std::memset(dw[g].data, 0, static_cast<size_t>(dw[g].bytes()));
                continue;
            }
            products.push_back({operand(dy, first, {}, false), operand(x, first, x_rows, false), dy.cols(), x.cols(),
                                rows, output(dw[g], 0), &choose_leaf(options.compute, x.dtype)});
        }
    }
    run(products, options);
}

void grouped_matmul_dw(std::span<const Tensor> dw, TensorView dy, TensorView x, std::span<const int32_t> x_rows,
                       GroupOffsets offsets, MatmulOptions options) {
    const WeightGrad one{dw, dy};
    grouped_matmul_dw({&one, 1}, x, x_rows, offsets, options);
}

void matmul(Tensor y, TensorView x, TensorView w, MatmulOptions options) {
    const int32_t offsets[] = {0, static_cast<int32_t>(y.rows())};
    grouped_matmul(y, x, {}, {&w, 1}, offsets, options);
}

void matmul_dx(Tensor dx, TensorView dy, TensorView w, MatmulOptions options) {
    const int32_t offsets[] = {0, static_cast<int32_t>(dy.rows())};
    grouped_matmul_dx(dx, dy, {&w, 1}, offsets, options);
}

void matmul_dw(Tensor dw, TensorView dy, TensorView x, MatmulOptions options) {
    const int32_t offsets[] = {0, static_cast<int32_t>(dy.rows())};
    grouped_matmul_dw({&dw, 1}, dy, x, {}, offsets, options);
}

}  // namespace gremium::kernels
