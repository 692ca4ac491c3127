#include "kernels/matmul/run.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/parallel.h"
#include "kernels/matmul/gemv.h"
#include "kernels/matmul/leaf.h"
#include "kernels/matmul/pack.h"
#include "kernels/matmul/plan.h"
#include "kernels/matmul/waiting.h"
#include "kernels/quantised/quantised.h"
#include "tensor/arena.h"

namespace gremium::kernels {
namespace {

// What a thread packs into; kept from call to call.
struct Panels {
    OwnedTensor a{DType::i32, {(task_rows + 3) * a_stride}};
    OwnedTensor b{DType::i32, {n_limit * k_block}};
    // Tiles that do not go straight to C.
    OwnedTensor sums{DType::f32, {task_rows * n_limit}};
    // Whose B is packed: the next block of rows of the same group finds its weights ready.
    uint64_t call = 0;
    const Product* product = nullptr;
    int64_t n0 = 0;
    // The rows of few_rows tasks, as f32 or rounded, and whose they are.
    OwnedTensor x;
    uint64_t x_call = 0;
    const Product* x_product = nullptr;

    uint32_t* a_units() const { return reinterpret_cast<uint32_t*>(a.get().data); }
    uint32_t* b_units() const { return reinterpret_cast<uint32_t*>(b.get().data); }
};

Panels& panels() {
    thread_local Panels mine;
    return mine;
}

class Run {
  public:
    Run(DType compute, bool accumulate) : round_(compute == DType::bf16), accumulate_(accumulate) {
        static std::atomic<uint64_t> calls{0};
        call_ = ++calls;
    }

    // next: what the same thread runs after it; null: not known.
    void operator()(const Task& task, const Task* next) const {
        if (task.product->few_rows) return run_gemv(task, next);
        holds_quantised(task.product->leaf->panel) ? run_quantised(task) : run_tiles(task);
    }

  private:
    void run_tiles(const Task& task) const {
        Panels& mine = panels();
        const std::span<const Product> chain(task.product, static_cast<size_t>(task.product->chain));
        const Leaf& leaf = *task.product->leaf;
        if (leaf.enter) leaf.enter();
        for (const Product& p : chain) {
            const int64_t step = k_part(p);
            for (int64_t k = 0; k < p.k; k += step) {
                const int64_t k_count = std::min(step, p.k - k);
                const int64_t units = units_of(leaf, k_count);
                pack_weights(mine, task, p, {task.n0, task.n, k, k_count, units});
                pack_rows(mine, p, {task.m0, task.m, k, k_count, units});
                const bool first = &p == &chain.front() && k == 0;
                const bool last = &p == &chain.back() && k + step >= p.k;
                multiply(mine, task, units, first, last);
            }
        }
        if (leaf.leave) leaf.leave();
    }

    // A strip of weights is packed, multiplied with all rows while the next one is asked for, and forgotten.
    void run_quantised(const Task& task) const {
        Panels& mine = panels();
        const Product& p = *task.product;
        const int64_t nr = p.leaf->nr, width = round_up(task.n, nr);
        const Output out = p.c.at(task.m0, task.n0);
        const bool direct = out.dtype == DType::f32 && width == task.n;
        float* const c = direct ? reinterpret_cast<float*>(out.data) : mine.sums.get().f32();
        const int64_t ldc = direct ? out.stride / 4 : width;
        for (int64_t j = 0; j < task.n; j += nr) {
            for (int64_t k = 0; k < p.k; k += quantised_k_step) {
                const Strip strip{task.n0 + j, std::min(nr, task.n - j), k, std::min(quantised_k_step, p.k - k)};
                const bool more = k + quantised_k_step < p.k;
                const Strip next{strip.n + (more ? 0 : nr), nr, more ? k + quantised_k_step : 0, quantised_k_step};
                multiply_quantised(c + j, ldc, task, strip, next, k > 0 || (direct && accumulate_));
            }
        }
        if (!direct) store_tile(out, task.m, task.n, c, ldc, accumulate_);
    }

    // Columns [n, n + count) of C and elements [k, k + k_count) of their weights.
    struct Strip {
        int64_t n, count, k, k_count;
    };

    static void multiply_quantised(float* c, int64_t ldc, const Task& task, const Strip& strip, const Strip& next,
                                   bool add) {
        const Product& p = *task.product;
        const Leaf& leaf = *p.leaf;
        const QuantisedFormat format = quantised_format(p.b.dtype);
        uint32_t* const b = panels().b_units();
        pack_b(b, p.b, {strip.n, strip.count, strip.k, strip.k_count, quantised_units(format, strip.k_count)}, leaf);
        const int64_t tiles = (task.m + leaf.mr - 1) / leaf.mr;
        for (int64_t t = 0; t < tiles; ++t) {  // of nearly equal heights
            const int64_t i = t * task.m / tiles, rows = (t + 1) * task.m / tiles - i;
            ask_for(p.b, next, t * next.count / tiles, (t + 1) * next.count / tiles);
            const std::byte* a[8];
            for (int64_t r = 0; r < rows; ++r)
                a[r] = p.a.rounded_row<std::byte>(task.m0 + i + r) + rounded_bytes(strip.k, p.a.fine);
            leaf.quantised_tile(c + i * ldc, ldc, rows, a, b, strip.k_count, format.zero, add);
        }
    }

    // Columns [begin, end) of a strip of weights, which may lie beyond them all.
    static void ask_for(const Operand& b, const Strip& strip, int64_t begin, int64_t end) {
        const int64_t from = row_bytes(b.dtype, strip.k), to = row_bytes(b.dtype, strip.k + strip.k_count);
        for (int64_t j = begin; j < end; ++j) {
            for (int64_t at = from; at < to; at += 64) __builtin_prefetch(b.row(strip.n + j) + at, 0, 3);
        }
    }

    // The rows of x as dots read them: once for each product and thread.
    const std::byte* gemv_rows(Panels& mine, const Product& p, int64_t bytes) const {
        std::byte* x = mine.x.get().data;
        if (mine.x_call == call_ && mine.x_product == &p) return x;
        if (mine.x.get().bytes() < p.m * bytes) mine.x = OwnedTensor(DType::i32, {p.m * bytes / 4});
        x = mine.x.get().data;
        if (p.a.rounded) {
            const QuantisedFormat format = quantised_format(p.b.dtype);
            for (int64_t i = 0; i < p.m; ++i)
                arrange_rounded(format, p.a.rounded_row<std::byte>(i), p.k, p.a.fine, x + i * bytes);
        } else {
            gemv_inputs(reinterpret_cast<float*>(x), bytes / 4, p, round_);
        }
        mine.x_call = call_;
        mine.x_product = &p;
        return x;
    }

    void run_gemv(const Task& task, const Task* next) const {
        task.product->a.rounded ? run_quantised_gemv(task, next) : run_float_gemv(task);
    }

    void run_float_gemv(const Task& task) const {
        Panels& mine = panels();
        const Product& p = *task.product;
        const int64_t row = round_up(p.k, 32);
        const auto* x = reinterpret_cast<const float*>(gemv_rows(mine, p, 4 * row));
        const GemvDots dots = gemv_dots(p.b.dtype, round_);
        for_rows(task, gemv_rows_at_once,
                 [&](int64_t i, int64_t rows, float* sums) { dots(sums, x + i * row, row, rows, p, task.n0, task.n); });
    }

    void run_quantised_gemv(const Task& task, const Task* next) const {
        Panels& mine = panels();
        const Product& p = *task.product;
        const int64_t row = rounded_bytes(p.k, p.a.fine);
        const std::byte* const x = gemv_rows(mine, p, row);
        const QuantisedDots dots = gemv_quantised_dots(p.b.dtype, p.a.fine);
        for_rows(task, gemv_quantised_rows_at_once, [&](int64_t i, int64_t rows, float* sums) {
            const bool last = i + rows == p.m;
            const std::byte* const then = !last  ? p.b.row(task.n0)
                                          : next ? next->product->b.row(next->n0)
                                                 : p.b.row(task.n0 + task.n);
            dots.run(sums, x + i * row, rows, p, task.n0, task.n, then);
        });
    }

    // dots(first row, rows, sums): the weights of one task stay in a near cache meanwhile.
    template <typename Dots>
    void for_rows(const Task& task, int64_t at_once, Dots&& dots) const {
        float* const sums = panels().sums.get().f32();
        const Product& p = *task.product;
        for (int64_t i = 0; i < p.m; i += at_once) {
            const int64_t rows = std::min(at_once, p.m - i);
            dots(i, rows, sums);
            store_tile(p.c.at(i, task.n0), rows, task.n, sums, task.n, accumulate_);
        }
    }

    void pack_weights(Panels& mine, const Task& task, const Product& p, const Piece& piece) const {
        const bool keep = keeps_b(p);
        if (keep && mine.call == call_ && mine.product == &p && mine.n0 == task.n0) return;
        pack_b(mine.b_units(), p.b, piece, *p.leaf);
        mine.call = keep ? call_ : 0;
        mine.product = &p;
        mine.n0 = task.n0;
    }

    static void pack_rows(Panels& mine, const Product& p, Piece piece) {
        const int64_t end = piece.i + piece.count, at_once = round_down(m_limit, p.leaf->mr);
        for (uint32_t* out = mine.a_units(); piece.i < end; piece.i += at_once, out += at_once * a_stride) {
            piece.count = std::min(at_once, end - piece.i);
            pack_a(out, p.a, piece, *p.leaf);
        }
    }

    // All tiles of the block over one block of k.
    void multiply(Panels& mine, const Task& task, int64_t units, bool first, bool last) const {
        const Output& c = task.product->c;
        const Leaf& leaf = *task.product->leaf;
        const int64_t mr = leaf.mr, nr = leaf.nr;
        float* sums = mine.sums.get().f32();
        for (int64_t j = 0; j < task.n; j += nr) {
            const uint32_t* const b = mine.b_units() + j * units;
            for (int64_t i = 0; i < task.m; i += mr) {
                const uint32_t* const a = mine.a_units() + i * a_stride;
                const Output out = c.at(task.m0 + i, task.n0 + j);
                const int64_t rows = std::min(mr, task.m - i), cols = std::min(nr, task.n - j);
                if (c.dtype == DType::f32 && rows == mr && cols == nr) {
                    leaf.tile(reinterpret_cast<float*>(out.data), c.stride / 4, a, b, units, accumulate_ || !first);
                } else {
                    leaf.tile(sums, nr, a, b, units, !first);
                    if (last) store_tile(out, rows, cols, sums, nr, accumulate_);
                    if (!first || !last) sums += mr * nr;  // kept until the last block of k
                }
            }
        }
    }

    bool round_, accumulate_;
    uint64_t call_;
};

// Each thread takes its next task before it runs one of few rows, so that it can ask for the next one's weights in
// time.
void run_parallel(const Run& run, std::span<const Task> tasks) {
    Waiting waiting(Profiling::current());
    std::atomic<size_t> taken{0};
    parallel_for(threads(), [&](int64_t thread) {
        for (size_t i = taken++; i < tasks.size();) {
            const size_t then = tasks[i].product->few_rows ? taken++ : tasks.size();
            waiting.count(thread, [&] { run(tasks[i], then < tasks.size() ? &tasks[then] : nullptr); });
            i = tasks[i].product->few_rows ? then : taken++;
        }
    });
}

}  // namespace

std::string_view run_products(std::span<const Product> products, DType compute, bool accumulate) {
    int64_t bytes = 0, multiplications = 0;
    for (const Product& p : products) {
        bytes += p.n * p.b.stride;
        multiplications += p.m * p.n * p.k;
    }
    const bool parallel = !parallel::alone(Work::of(bytes, multiplications));
    const Run run(compute, accumulate);
    thread_local std::vector<Task> tasks;
    plan(tasks, products, parallel);
    const std::span<const Task> all = tasks;
    if (parallel) {
        run_parallel(run, all);
    } else {
        for (const Task& task : all) run(task, &task == &all.back() ? nullptr : &task + 1);
    }
    for (const Task& task : all) {
        if (!task.product->few_rows) return task.product->leaf->name;
    }
    if (all.empty() || !all.front().product->a.rounded) return gemv_name();
    return gemv_quantised_dots(all.front().product->b.dtype, all.front().product->a.fine).name;
}

}  // namespace gremium::kernels
