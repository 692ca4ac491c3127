// How the products of a call are cut into tasks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/matmul/leaf.h"
#include "kernels/matmul/product.h"

namespace gremium::kernels {

// A block of C, [m0, m0 + m) × [n0, n0 + n): what one thread does at a time.
struct Task {
    const Product* product;
    int64_t m0, m, n0, n;
};
// Rows of A in a task at most.
constexpr int64_t task_rows = 2 * m_limit;

// The sizes of blocks and tasks are free: no element's sum depends on them.
// The tasks of all products, those that pack first.
void plan(std::vector<Task>& tasks, std::span<const Product> products, bool parallel);

// What k_count elements along k become in the leaf's panels.
int64_t units_of(const Leaf& leaf, int64_t k_count);
// Elements of k in a block: even parts, so that none is too short to be worth its pass over C.
int64_t k_part(const Product& p);
// Whether all of k is one block, whose B a thread keeps for the next rows.
bool keeps_b(const Product& p);

}  // namespace gremium::kernels
