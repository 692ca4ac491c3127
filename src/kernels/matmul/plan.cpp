#include "kernels/matmul/plan.h"

#include <algorithm>

#include "base/parallel.h"

namespace gremium::kernels {
namespace {

// Units of B: stays in the second-level cache.
constexpr int64_t b_limit = 256 * k_block;
// Of A and B together, where every task packs both.
constexpr int64_t ab_limit = (m_limit + n_limit) * k_block;
// Bytes of weights in one task of few rows: large ones start seldom; at the end small ones let threads finish together.
constexpr int64_t gemv_bytes = int64_t{256} << 10, least_gemv_bytes = int64_t{32} << 10;

// The size of equal parts of `all`, at most `limit` and a multiple of `multiple`.
int64_t even_part(int64_t all, int64_t limit, int64_t multiple) {
    const int64_t parts = round_up(all, round_down(limit, multiple)) / round_down(limit, multiple);
    return parts < 2 ? round_up(all, multiple) : round_up((all + parts - 1) / parts, multiple);
}

// How much of C a task may cover.
struct Limits {
    int64_t m = task_rows, n = n_limit;
};

// Appends the blocks of C.
void plan_tiles(std::vector<Task>& tasks, const Product& p, Limits limits) {
    const Leaf& leaf = *p.leaf;
    int64_t n_block, rows = limits.m;
    if (holds_quantised(leaf.panel)) {  // rows are not packed
        rows = quantised_m_limit;
        n_block = std::min(limits.n, quantised_n_limit);
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
    const int64_t packed = (holds_quantised(p.leaf->panel) ? 0 : task.m) + (packs_b ? task.n : 0);
    return (task.m * task.n + packing * packed) * p.k * p.chain;
}

// When the last thread is done.
int64_t time_of(std::span<const Task> tasks) {
    thread_local std::vector<int64_t> busy;
    busy.assign(static_cast<size_t>(threads()), 0);
    for (const Task& task : tasks) *std::ranges::min_element(busy) += cost(task);
    return std::ranges::max(busy);
}

}  // namespace

int64_t units_of(const Leaf& leaf, int64_t k_count) {
    const PanelShape shape = shape_of(leaf.panel);
    return round_up((k_count + shape.k - 1) / shape.k * shape.units, leaf.units_multiple);
}

int64_t k_part(const Product& p) {
    return even_part(p.k, k_step(p.leaf->panel), is_quantised(p.b.dtype) || p.a.rounded ? chunk_size : 64);
}

bool keeps_b(const Product& p) { return p.chain == 1 && k_part(p) >= p.k; }

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

}  // namespace gremium::kernels
