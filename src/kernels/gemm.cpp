#include "kernels/gemm.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "base/parallel.h"
#include "base/profile.h"
#include "kernels/cpu.h"
#include "kernels/pack.h"
#include "kernels/variant.h"
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

// A block of C, [m0, m0 + m) × [n0, n0 + n): what one thread does at a time.
struct Task {
    const Product* product;
    int64_t m0, m, n0, n;
    bool few_rows;
};

// What a thread packs into; kept from call to call.
struct Panels {
    OwnedTensor a{DType::i32, {(m_limit + 3) * a_stride}};
    OwnedTensor b{DType::i32, {b_limit}};
    OwnedTensor sums{DType::f32, {m_limit * n_limit}};  // tiles that do not go straight to C
    // Whose B is packed: the next block of rows of the same group finds its weights ready.
    uint64_t call = 0;
    const Product* product = nullptr;
    int64_t n0 = 0;
    // The rows of few_rows tasks, as f32, and whose they are.
    std::vector<float> x;
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

    void operator()(const Task& task) const { task.few_rows ? run_gemv(task) : run_tiles(task); }

  private:
    void run_tiles(const Task& task) const {
        Panels& mine = panels();
        const Product& p = *task.product;
        const Leaf& leaf = *p.leaf;
        const int64_t step = k_step(leaf.panel);
        if (leaf.enter) leaf.enter();
        for (int64_t k = 0; k < p.k; k += step) {
            const int64_t k_count = std::min(step, p.k - k);
            const int64_t units = units_of(leaf, k_count);
            pack_weights(mine, task, {task.n0, task.n, k, k_count, units});
            for (int term = 0; term < p.a.terms; ++term) {
                pack_a(mine.a_units(), p.a, {task.m0, task.m, k, k_count, units, term}, leaf);
                multiply(mine, task, units, k == 0 && term == 0, k + step >= p.k && term + 1 == p.a.terms);
            }
        }
        if (leaf.leave) leaf.leave();
    }

    void run_gemv(const Task& task) const {
        Panels& mine = panels();
        const Product& p = *task.product;
        const int64_t stride = round_up(p.k, 32);
        if (!p.a.rounded && (mine.x_call != call_ || mine.x_product != task.product)) {
            if (std::ssize(mine.x) < p.m * stride) mine.x.resize(static_cast<size_t>(p.m * stride));
            gemv_inputs(mine.x.data(), stride, p, round_);
            mine.x_call = call_;
            mine.x_product = task.product;
        }
        float* const sums = mine.sums.get().f32();
        const GemvDots dots = p.a.rounded ? nullptr : gemv_dots(p.b.dtype, round_);
        const int64_t at_once = gemv_rows_at_once / p.a.terms;
        for (int64_t i = 0; i < p.m; i += at_once) {  // the weights of one task stay in a near cache
            const int64_t rows = std::min(at_once, p.m - i);
            if (p.a.rounded) {
                gemv_codes(sums, i * p.a.terms, rows * p.a.terms, p, task.n0, task.n);
                if (p.a.terms == 2) add_terms(sums, rows, task.n);
            } else {
                dots(sums, mine.x.data() + i * stride, stride, rows, p, task.n0, task.n);
            }
            store_tile(p.c.at(i, task.n0), rows, task.n, sums, task.n, accumulate_);
        }
    }

    // sums[r] = sums[2r] + sums[2r + 1]
    static void add_terms(float* sums, int64_t rows, int64_t n) {
        for (int64_t r = 0; r < rows; ++r) {
            for (int64_t j = 0; j < n; ++j) sums[r * n + j] = sums[2 * r * n + j] + sums[(2 * r + 1) * n + j];
        }
    }

    void pack_weights(Panels& mine, const Task& task, const Piece& piece) const {
        const bool whole = piece.k_count == task.product->k;
        if (whole && mine.call == call_ && mine.product == task.product && mine.n0 == task.n0) return;
        pack_b(mine.b_units(), task.product->b, piece, *task.product->leaf);
        mine.call = whole ? call_ : 0;
        mine.product = task.product;
        mine.n0 = task.n0;
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
                    leaf.tile(reinterpret_cast<float*>(out.data), c.stride / 4, a, b, units,
                              accumulate_ || !first);
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

constexpr int64_t gemv_bytes = int64_t{64} << 10;  // of weights in one task
constexpr int64_t worth_threads = int64_t{1}
                                  << 18;  // multiplications; fewer are done before threads have met

// The size of equal parts of `all`, at most `limit` and a multiple of `multiple`.
int64_t even_part(int64_t all, int64_t limit, int64_t multiple) {
    const int64_t parts = round_up(all, round_down(limit, multiple)) / round_down(limit, multiple);
    return parts < 2 ? round_up(all, multiple) : round_up((all + parts - 1) / parts, multiple);
}

// How much of C a task may cover.
struct Limits {
    int64_t m = m_limit, n = n_limit;
};

// Appends the blocks of C. Their sizes are free: no element's sum depends on them.
void plan(std::vector<Task>& tasks, const Product& p, Limits limits) {
    const Leaf& leaf = *p.leaf;
    const bool few_rows = p.m <= leaf.gemv_rows && p.a.along_k && p.b.along_k;
    int64_t m_block = p.m, n_block = 0;
    if (few_rows) {
        n_block = std::clamp(round_down(gemv_bytes / (p.b.stride + 1), 16), int64_t{16}, limits.n);
    } else {
        const int64_t units = units_of(leaf, std::min(p.k, k_step(leaf.panel)));
        m_block = even_part(p.m, limits.m, leaf.mr);
        n_block = even_part(p.n, std::min(limits.n, b_limit / units), leaf.nr);
    }
    for (int64_t n = 0; n < p.n; n += n_block) {
        for (int64_t m = 0; m < p.m; m += m_block) {
            tasks.push_back({&p, m, std::min(m_block, p.m - m), n, std::min(n_block, p.n - n), few_rows});
        }
    }
}

// Large blocks pack less, but there must be enough of them for all threads to finish together.
void plan(std::vector<Task>& tasks, std::span<const Product> products, bool parallel) {
    const int64_t enough = parallel ? 2 * threads() : 1;
    for (Limits limits; limits.m > 64; (limits.n > limits.m ? limits.n : limits.m) /= 2) {
        tasks.clear();
        for (const Product& p : products) plan(tasks, p, limits);
        if (std::ssize(tasks) >= enough) return;
    }
}

}  // namespace

const Leaf& choose_leaf(DType compute, DType b, bool fine) {
    if (compute == DType::q8_0) {
        const CodeFormat format = code_format(b);
        if (!format.unpack) return choose_leaf(DType::f32, b);
        return active() == Variant::amx && !fine ? amx_bf16_leaf() : *codes_leaf(format);
    }
    if (compute == DType::bf16 && active() == Variant::amx) return amx_bf16_leaf();
    if (compute == DType::bf16 && active() >= Variant::avx512 && has_avx512_bf16()) return avx512_bf16_leaf();
    return simd_leaf(compute);
}

// Of a parallel loop: how long its threads had nothing to do.
class Waiting {
  public:
    explicit Waiting(Profile* profile)
        : profile_(profile), threads_(profile ? static_cast<size_t>(threads()) : 0), start_(now()) {}
    ~Waiting() {
        if (!profile_) return;
        double busy = 0;
        for (const Thread& one : threads_) busy += one.end - one.begin;
        profile_->waiting += now() - start_ - busy / static_cast<double>(threads_.size());
    }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;

    // Around each task, on its thread.
    template <typename Work>
    void count(Work&& work) {
        if (!profile_) return work();
        Thread& mine = threads_[static_cast<size_t>(omp_get_thread_num())];
        if (mine.end == 0) mine.begin = now();
        work();
        mine.end = now();
    }

  private:
    struct alignas(64) Thread {
        double begin = 0, end = 0;
    };
    static double now() {
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    }
    Profile* profile_;
    std::vector<Thread> threads_;
    double start_;
};

std::string_view run_products(std::span<const Product> products, DType compute, bool accumulate) {
    int64_t work = 0;
    for (const Product& p : products) work += p.m * p.n * p.k;
    const bool parallel = threads() > 1 && work >= worth_threads;
    const Run run(compute, accumulate);
    thread_local std::vector<Task> tasks;
    plan(tasks, products, parallel);
    const std::span<const Task> all = tasks;
    if (parallel) {
        Waiting waiting(Profiling::current());
        parallel_for(std::ssize(all), [&](int64_t i) { waiting.count([&] { run(all[i]); }); });
    } else {
        for (const Task& task : all) run(task);
    }
    for (const Task& task : all) {
        if (!task.few_rows) return task.product->leaf->name;
    }
    return !all.empty() && all.front().product->a.rounded ? gemv_codes_name() : gemv_name();
}

}  // namespace gremium::kernels
