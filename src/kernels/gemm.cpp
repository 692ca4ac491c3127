#include "kernels/gemm.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/parallel.h"
#include "kernels/cpu.h"
#include "kernels/pack.h"
#include "kernels/variant.h"
#include "tensor/arena.h"

namespace gremium::kernels {
namespace {

int64_t round_down(int64_t v, int64_t multiple) { return v / multiple * multiple; }
int64_t round_up(int64_t v, int64_t multiple) { return (v + multiple - 1) / multiple * multiple; }

// A block of C, [m0, m0 + m) × [n0, n0 + n): what one thread does at a time.
struct Task {
    const Product* product;
    int64_t m0, m, n0, n;
};

// What a thread packs into; kept from call to call.
struct Panels {
    OwnedTensor a{DType::i32, {(i_block + 3) * a_stride}};
    OwnedTensor b{DType::i32, {i_block * k_block}};
    OwnedTensor sums{DType::f32, {i_block * i_block}};  // tiles that do not go straight to C
    // Whose B is packed: the next block of rows of the same group finds its weights ready.
    uint64_t call = 0;
    const Product* product = nullptr;
    int64_t n0 = 0;

    uint32_t* a_units() const { return reinterpret_cast<uint32_t*>(a.get().data); }
    uint32_t* b_units() const { return reinterpret_cast<uint32_t*>(b.get().data); }
};

Panels& panels() {
    thread_local Panels mine;
    return mine;
}

class Run {
  public:
    Run(const Leaf& leaf, bool accumulate) : leaf_(leaf), accumulate_(accumulate) {
        static std::atomic<uint64_t> calls{0};
        call_ = ++calls;
    }

    void operator()(const Task& task) const {
        Panels& mine = panels();
        const Product& p = *task.product;
        const int64_t step = k_block * (leaf_.panel == Panel::bf16 ? 2 : 1);
        for (int64_t k = 0; k < p.k; k += step) {
            const int64_t k_count = std::min(step, p.k - k);
            const int64_t units = round_up(k_count * k_block, step * leaf_.units_multiple) / step;
            pack_weights(mine, task, {task.n0, task.n, k, k_count, units});
            pack_a(mine.a_units(), p.a, {task.m0, task.m, k, k_count, units}, leaf_);
            multiply(mine, task, units, k == 0, k + step >= p.k);
        }
    }

  private:
    void pack_weights(Panels& mine, const Task& task, const Piece& piece) const {
        const bool whole = piece.k_count == task.product->k;
        if (whole && mine.call == call_ && mine.product == task.product && mine.n0 == task.n0) return;
        pack_b(mine.b_units(), task.product->b, piece, leaf_);
        mine.call = whole ? call_ : 0;
        mine.product = task.product;
        mine.n0 = task.n0;
    }

    // All tiles of the block over one block of k.
    void multiply(Panels& mine, const Task& task, int64_t units, bool first, bool last) const {
        const Tensor c = task.product->c;
        const int64_t mr = leaf_.mr, nr = leaf_.nr;
        float* sums = mine.sums.get().f32();
        for (int64_t j = 0; j < task.n; j += nr) {
            const uint32_t* const b = mine.b_units() + j * units;
            for (int64_t i = 0; i < task.m; i += mr, sums += mr * nr) {
                const uint32_t* const a = mine.a_units() + i * a_stride;
                const TilePart part{task.product->c_row + task.m0 + i, task.n0 + j, std::min(mr, task.m - i),
                                    std::min(nr, task.n - j)};
                if (c.dtype == DType::f32 && part.rows == mr && part.cols == nr) {
                    float* const out = c.f32() + part.row * c.cols() + part.col;
                    leaf_.tile(out, c.cols(), a, b, units, accumulate_ || !first);
                } else {
                    leaf_.tile(sums, nr, a, b, units, !first);
                    if (last) store_tile(c, part, sums, nr, accumulate_);
                }
            }
        }
    }

    const Leaf& leaf_;
    bool accumulate_;
    uint64_t call_;
};

}  // namespace

const Leaf& choose_leaf(DType compute) {
    if (compute == DType::bf16 && active() >= Variant::avx512 && has_avx512_bf16()) return avx512_bf16_leaf();
    return simd_leaf(compute);
}

void run_products(std::span<const Product> products, const Leaf& leaf, bool accumulate) {
    const int64_t m_block = round_down(i_block, leaf.mr), n_block = round_down(i_block, leaf.nr);
    thread_local std::vector<Task> tasks;
    tasks.clear();
    for (const Product& p : products) {
        for (int64_t n = 0; n < p.n; n += n_block) {
            for (int64_t m = 0; m < p.m; m += m_block) {
                tasks.push_back({&p, m, std::min(m_block, p.m - m), n, std::min(n_block, p.n - n)});
            }
        }
    }
    const Run run(leaf, accumulate);
    const std::span<const Task> all = tasks;
    parallel_for(std::ssize(all), [&](int64_t i) { run(all[i]); });
}

}  // namespace gremium::kernels
