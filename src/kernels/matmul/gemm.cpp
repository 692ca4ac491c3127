#include "kernels/matmul/gemm.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/parallel.h"
#include "kernels/matmul/pack.h"
#include "kernels/matmul/waiting.h"
#include "kernels/simd/cpu.h"
#include "kernels/simd/variant.h"
#include "tensor/arena.h"

namespace gremium::kernels {
namespace {

int64_t round_down(int64_t v, int64_t multiple) { return v / multiple * multiple; }
int64_t round_up(int64_t v, int64_t multiple) { return (v + multiple - 1) / multiple * multiple; }

// What k_count elements along k become in the leaf's panels.
int64_t units_of(const Leaf& leaf, int64_t k_count) {
    const PanelShape shape = shape_of(leaf.panel);
    return round_up((k_count + shape.k - 1) / shape.k * shape.units, leaf.units_multiple);
}

// The size of equal parts of `all`, at most `limit` and a multiple of `multiple`.
int64_t even_part(int64_t all, int64_t limit, int64_t multiple) {
    const int64_t parts = round_up(all, round_down(limit, multiple)) / round_down(limit, multiple);
    return parts < 2 ? round_up(all, multiple) : round_up((all + parts - 1) / parts, multiple);
}

// Elements of k in a block: even parts, so that none is too short to be worth its pass over C.
int64_t k_part(const Product& p) {
    return even_part(p.k, k_step(p.leaf->panel), is_quantised(p.b.dtype) || p.a.rounded ? code_chunk : 64);
}

// Whether all of k is one block, whose B a thread keeps for the next rows.
bool keeps_b(const Product& p) { return p.chain == 1 && k_part(p) >= p.k; }

// A block of C, [m0, m0 + m) × [n0, n0 + n): what one thread does at a time.
struct Task {
    const Product* product;
    int64_t m0, m, n0, n;
};

// What a thread packs into; kept from call to call.
struct Panels {
    OwnedTensor a{DType::i32, {(task_rows + 3) * a_stride}};
    OwnedTensor b{DType::i32, {n_limit * k_block}};
    OwnedTensor sums{DType::f32, {task_rows * n_limit}};  // tiles that do not go straight to C
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
        holds_codes(task.product->leaf->panel) ? run_codes(task) : run_tiles(task);
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
    void run_codes(const Task& task) const {
        Panels& mine = panels();
        const Product& p = *task.product;
        const int64_t nr = p.leaf->nr, width = round_up(task.n, nr);
        const Output out = p.c.at(task.m0, task.n0);
        const bool direct = out.dtype == DType::f32 && width == task.n;
        float* const c = direct ? reinterpret_cast<float*>(out.data) : mine.sums.get().f32();
        const int64_t ldc = direct ? out.stride / 4 : width;
        for (int64_t j = 0; j < task.n; j += nr) {
            for (int64_t k = 0; k < p.k; k += code_k_step) {
                const Strip strip{task.n0 + j, std::min(nr, task.n - j), k, std::min(code_k_step, p.k - k)};
                const bool more = k + code_k_step < p.k;
                const Strip next{strip.n + (more ? 0 : nr), nr, more ? k + code_k_step : 0, code_k_step};
                multiply_codes(c + j, ldc, task, strip, next, k > 0 || (direct && accumulate_));
            }
        }
        if (!direct) store_tile(out, task.m, task.n, c, ldc, accumulate_);
    }

    // Columns [n, n + count) of C and elements [k, k + k_count) of their weights.
    struct Strip {
        int64_t n, count, k, k_count;
    };

    static void multiply_codes(float* c, int64_t ldc, const Task& task, const Strip& strip, const Strip& next,
                               bool add) {
        const Product& p = *task.product;
        const Leaf& leaf = *p.leaf;
        const CodeFormat format = code_format(p.b.dtype);
        uint32_t* const b = panels().b_units();
        pack_b(b, p.b, {strip.n, strip.count, strip.k, strip.k_count, code_units(format, strip.k_count)}, leaf);
        const int64_t tiles = (task.m + leaf.mr - 1) / leaf.mr;
        for (int64_t t = 0; t < tiles; ++t) {  // of nearly equal heights
            const int64_t i = t * task.m / tiles, rows = (t + 1) * task.m / tiles - i;
            ask_for(p.b, next, t * next.count / tiles, (t + 1) * next.count / tiles);
            const std::byte* a[8];
            for (int64_t r = 0; r < rows; ++r)
                a[r] = p.a.rounded_row<std::byte>(task.m0 + i + r) + rounded_bytes(strip.k, p.a.fine);
            leaf.code_tile(c + i * ldc, ldc, rows, a, b, strip.k_count, format.zero, add);
        }
    }

    // Columns [begin, end) of a strip of weights, which may lie beyond them all.
    static void ask_for(const Operand& b, const Strip& strip, int64_t begin, int64_t end) {
        const int64_t from = row_bytes(b.dtype, strip.k), to = row_bytes(b.dtype, strip.k + strip.k_count);
        for (int64_t j = begin; j < end; ++j) {
            for (int64_t at = from; at < to; at += 64) __builtin_prefetch(b.row(strip.n + j) + at, 0, 3);
        }
    }

    void run_gemv(const Task& task, const Task* next) const {
        Panels& mine = panels();
        const Product& p = *task.product;
        const bool rounded = p.a.rounded;
        const int64_t row = rounded ? rounded_bytes(p.k, p.a.fine) : round_up(p.k, 32) * 4;  // bytes
        if (mine.x_call != call_ || mine.x_product != task.product) {
            if (mine.x.get().bytes() < p.m * row) mine.x = OwnedTensor(DType::i32, {p.m * row / 4});
            if (rounded)
                gemv_codes_inputs(mine.x.get().data, p);
            else
                gemv_inputs(mine.x.get().f32(), row / 4, p, round_);
            mine.x_call = call_;
            mine.x_product = task.product;
        }
        float* const sums = mine.sums.get().f32();
        const GemvDots dots = rounded ? nullptr : gemv_dots(p.b.dtype, round_);
        const int64_t at_once = rounded ? gemv_codes_rows_at_once : gemv_rows_at_once;
        for (int64_t i = 0; i < p.m; i += at_once) {  // the weights of one task stay in a near cache
            const int64_t rows = std::min(at_once, p.m - i);
            const std::byte* const x = mine.x.get().data + i * row;
            if (rounded) {
                const bool last = i + rows == p.m;
                const std::byte* const then = !last  ? p.b.row(task.n0)
                                              : next ? next->product->b.row(next->n0)
                                                     : p.b.row(task.n0 + task.n);
                gemv_codes(sums, x, rows, p, task.n0, task.n, then);
            } else {
                dots(sums, reinterpret_cast<const float*>(x), row / 4, rows, p, task.n0, task.n);
            }
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

// Bytes of weights in one task of few rows: large ones start seldom; at the end small ones let threads finish together.
constexpr int64_t gemv_bytes = int64_t{256} << 10, least_gemv_bytes = int64_t{32} << 10;
constexpr int64_t worth_threads = int64_t{1} << 18;  // multiplications; fewer are done before threads have met

// How much of C a task may cover.
struct Limits {
    int64_t m = task_rows, n = n_limit;
};

// Appends the blocks of C. Their sizes are free: no element's sum depends on them.
void plan_tiles(std::vector<Task>& tasks, const Product& p, Limits limits) {
    const Leaf& leaf = *p.leaf;
    int64_t n_block, rows = limits.m;
    if (holds_codes(leaf.panel)) {  // rows are not packed
        rows = code_m_limit;
        n_block = std::min(limits.n, code_n_limit);
    } else {
        const int64_t units = units_of(leaf, std::min(p.k, k_part(p)));
        const bool kept = keeps_b(p);
        n_block = kept ? std::min(limits.n, b_limit / units) : limits.n;
        rows = std::min(rows, kept ? m_limit : ab_limit / units - even_part(p.n, n_block, leaf.nr));
    }
    n_block = even_part(p.n, n_block, leaf.nr);
    const int64_t m_block = even_part(p.m, rows, leaf.mr);
    for (int64_t n = 0; n < p.n; n += n_block) {
        for (int64_t m = 0; m < p.m; m += m_block)
            tasks.push_back({&p, m, std::min(m_block, p.m - m), n, std::min(n_block, p.n - n)});
    }
}

// `left`: bytes of weights from here on that are multiplied with few rows.
void plan_gemv(std::vector<Task>& tasks, const Product& p, int64_t& left) {
    for (int64_t n = 0; n < p.n;) {
        const int64_t bytes = std::clamp(left / (4 * threads()), least_gemv_bytes, gemv_bytes);
        const int64_t rows = std::clamp(round_down(bytes / (p.b.stride + 1), 16), int64_t{16}, n_limit);
        tasks.push_back({&p, 0, p.m, n, std::min(rows, p.n - n)});
        left -= tasks.back().n * p.b.stride;
        n += rows;
    }
}

// What a task takes, in multiplications; packing an element is worth so many, by measurement.
int64_t cost(const Task& task) {
    constexpr int64_t packing = 32;
    const Product& p = *task.product;
    const bool packs_b = task.m0 == 0 || !keeps_b(p);
    const int64_t packed = (holds_codes(p.leaf->panel) ? 0 : task.m) + (packs_b ? task.n : 0);
    return (task.m * task.n + packing * packed) * p.k * p.chain;
}

// When the last thread is done.
int64_t time_of(std::span<const Task> tasks) {
    thread_local std::vector<int64_t> busy;
    busy.assign(static_cast<size_t>(threads()), 0);
    for (const Task& task : tasks) *std::ranges::min_element(busy) += cost(task);
    return std::ranges::max(busy);
}

// Large blocks pack less, but all threads shall finish together: which with many blocks they do.
void plan(std::vector<Task>& tasks, std::span<const Product> products, bool parallel) {
    thread_local std::vector<Task> other;
    int64_t left = 0, best = INT64_MAX;
    for (const Product& p : products) left += p.few_rows ? p.n * p.b.stride : 0;
    const auto tile = [&](std::vector<Task>& into, Limits limits) {
        into.clear();
        for (size_t i = 0; i < products.size(); i += static_cast<size_t>(products[i].chain))
            if (!products[i].few_rows) plan_tiles(into, products[i], limits);
    };
    tile(tasks, {});
    if (parallel && left == 0 && std::ssize(tasks) < 8 * threads()) {
        for (int64_t m = task_rows; m > 64; m = m / 2 + 8) {
            for (int64_t n = n_limit; n > 32; n /= 2) {
                tile(other, {m, n});
                if (const int64_t time = time_of(other); time < best) {
                    best = time;
                    std::swap(tasks, other);
                }
            }
        }
    }
    for (const Product& p : products)
        if (p.few_rows) plan_gemv(tasks, p, left);
}

// Each thread takes its next task before it runs one of few rows, so that it can ask for the next one's weights in time.
void run_parallel(const Run& run, std::span<const Task> tasks) {
    Waiting waiting(Profiling::current());
    std::atomic<size_t> taken{0};
    parallel_for(threads(), [&](int64_t) {
        for (size_t i = taken++; i < tasks.size();) {
            const size_t then = tasks[i].product->few_rows ? taken++ : tasks.size();
            waiting.count([&] { run(tasks[i], then < tasks.size() ? &tasks[then] : nullptr); });
            i = tasks[i].product->few_rows ? then : taken++;
        }
    });
}

}  // namespace

const Leaf& choose_leaf(DType compute, DType b, bool fine) {
    if (compute == DType::q8_0) {
        const CodeFormat format = code_format(b);
        if (!format.unpack) return choose_leaf(DType::f32, b);
        if (active() != Variant::amx) return *codes_leaf(format, fine);
        // Why bf16 where tiles take bytes too. A cycle of Sapphire Rapids does 2048 operations on bytes, 1024 on bf16; but a sum
        // of bytes ends with its part of 32, which has factors of its own: each 16 × 16 sums of a part leave the tiles for
        // 16 conversions, multiplications and multiply-adds, on the two ports for 512-bit vectors 24 cycles at least.
        // TDPBF16PS is done with the same 16 × 16 × 32 products in 16, sums stay where they are, and weights become bf16
        // once a panel for all rows of a group. By arithmetic, not measured. `fine` rows go the same way, eight times
        // as fast as two bytes on VNNI: bf16 everywhere is nearer to exact than 8 bits in experts and 16 elsewhere
        // (bench/agreement, the same arithmetic on AVX-512: 1.7e-4 against 5e-4 nats of divergence a token).
        return *amx_bf16_leaf();
    }
    if (compute == DType::bf16 && active() == Variant::amx) return *amx_bf16_leaf();
    if (compute == DType::bf16 && active() >= Variant::avx512 && has_avx512_bf16()) return avx512_bf16_leaf();
    return simd_leaf(compute);
}

std::string_view run_products(std::span<const Product> products, DType compute, bool accumulate) {
    int64_t work = 0;
    for (const Product& p : products) work += p.m * p.n * p.k;
    const bool parallel = threads() > 1 && work >= worth_threads;
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
    return !all.empty() && all.front().product->a.rounded ? gemv_codes_name() : gemv_name();
}

}  // namespace gremium::kernels
