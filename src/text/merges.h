// Byte-pair merges: what two neighbouring symbols become, and which of all pairs goes first.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <queue>
#include <vector>

namespace gremium {

// What a pair becomes, and its rank: the lowest one goes first.
template <typename Symbol>
struct Merge {
    int32_t rank = std::numeric_limits<int32_t>::max();  // this one: the pair does not merge
    Symbol symbol{};

    explicit operator bool() const { return rank != std::numeric_limits<int32_t>::max(); }
};

namespace merging {

constexpr size_t few = 32;

// Every pair's merge is kept beside its left symbol: no memory is asked for, and words are short.
template <typename Symbol, typename Look>
void apply_to_few(std::vector<Symbol>& symbols, Look&& look) {
    std::array<Merge<Symbol>, few> merges;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) merges[i] = look(symbols[i], symbols[i + 1]);
    for (size_t n = symbols.size(); n > 1; --n, symbols.pop_back()) {
        const auto rank = [](const Merge<Symbol>& merge) { return merge.rank; };
        const auto pairs = merges.begin() + static_cast<std::ptrdiff_t>(n) - 1;
        const auto best = std::ranges::min_element(merges.begin(), pairs, {}, rank);
        if (!*best) return;
        const auto at = static_cast<size_t>(best - merges.begin());
        symbols[at] = best->symbol;
        std::move(symbols.begin() + at + 2, symbols.end(), symbols.begin() + at + 1);
        std::move(merges.begin() + at + 1, pairs, merges.begin() + at);
        if (at > 0) merges[at - 1] = look(symbols[at - 1], symbols[at]);
        if (at + 2 < n) merges[at] = look(symbols[at], symbols[at + 1]);
    }
}

template <typename Symbol>
struct Candidate {
    Merge<Symbol> merge;
    size_t at;
    Symbol left, right;                             // what stood there when it was found
    bool operator<(const Candidate& other) const {  // the priority queue's top is the greatest
        return merge.rank != other.merge.rank ? merge.rank > other.merge.rank : at > other.at;
    }
};

template <typename Symbol, typename Look>
void apply_to_many(std::vector<Symbol>& symbols, Look&& look) {
    const size_t n = symbols.size();
    std::vector<size_t> next(n), previous(n);
    std::vector<bool> gone(n);
    std::priority_queue<Candidate<Symbol>> queue;
    const auto consider = [&](size_t at) {
        if (at >= n || next[at] >= n) return;
        const Symbol left = symbols[at], right = symbols[next[at]];
        if (const Merge<Symbol> merge = look(left, right)) queue.push({merge, at, left, right});
    };
    for (size_t i = 0; i < n; ++i) {
        next[i] = i + 1;
        previous[i] = i - 1;  // of the first one: above n
    }
    for (size_t i = 0; i < n; ++i) consider(i);
    while (!queue.empty()) {
        const Candidate<Symbol> best = queue.top();
        queue.pop();
        const size_t right = next[best.at];
        if (gone[best.at] || symbols[best.at] != best.left || right >= n || symbols[right] != best.right)
            continue;  // has changed
        symbols[best.at] = best.merge.symbol;
        gone[right] = true;
        next[best.at] = next[right];
        if (next[right] < n) previous[next[right]] = best.at;
        consider(previous[best.at]);
        consider(best.at);
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i = next[i]) symbols[kept++] = symbols[i];
    symbols.resize(kept);
}

}  // namespace merging

// Merges `symbols` until no pair is left: the pair of lowest rank first, of equal ones the leftmost; look(left, right)
// gives a pair's Merge. O(n log n) for n symbols.
template <typename Symbol, typename Look>
void merge_symbols(std::vector<Symbol>& symbols, Look&& look) {
    if (symbols.size() <= merging::few)
        merging::apply_to_few(symbols, look);
    else
        merging::apply_to_many(symbols, look);
}

// Merges of pairs of ids.
class MergeTable {
  public:
    explicit MergeTable(size_t expected);
    // An earlier merge of the same pair stays.
    void add(int32_t left, int32_t right, Merge<int32_t> merge);
    Merge<int32_t> find(int32_t left, int32_t right) const;

  private:
    // Open addressing in a table at most half full.
    struct Slot {
        int32_t left = -1, right = -1;
        Merge<int32_t> merge;
    };
    size_t slot_of(int32_t left, int32_t right) const;

    std::vector<Slot> slots_;
};

}  // namespace gremium
