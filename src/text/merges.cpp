#include "text/merges.h"

#include <bit>
#include <queue>

namespace gremium {

Merges::Merges(size_t expected) : slots_(std::bit_ceil(2 * expected + 2)) {}

size_t Merges::slot_of(int32_t left, int32_t right) const {
    const uint64_t pair = uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
    size_t slot = (pair * 0x9E3779B97F4A7C15u >> 32) & (slots_.size() - 1);
    while (slots_[slot].left >= 0 && (slots_[slot].left != left || slots_[slot].right != right)) {
        slot = (slot + 1) & (slots_.size() - 1);
    }
    return slot;
}

void Merges::add(int32_t left, int32_t right, Merge merge) {
    Slot& slot = slots_[slot_of(left, right)];
    if (slot.left < 0) slot = {left, right, merge};
}

const Merges::Merge* Merges::find(int32_t left, int32_t right) const {
    const Slot& slot = slots_[slot_of(left, right)];
    return slot.left < 0 ? nullptr : &slot.merge;
}

namespace {

struct Candidate {
    Merges::Merge merge;
    size_t at;
    int32_t left, right;                            // what stood there when it was found
    bool operator<(const Candidate& other) const {  // the priority queue's top is the greatest
        return merge.rank != other.merge.rank ? merge.rank > other.merge.rank : at > other.at;
    }
};

}  // namespace

void Merges::apply(std::vector<int32_t>& symbols) const {
    const size_t n = symbols.size();
    std::vector<size_t> next(n), previous(n);
    std::priority_queue<Candidate> queue;
    const auto look = [&](size_t at) {
        if (at >= n || next[at] >= n) return;
        const int32_t left = symbols[at], right = symbols[next[at]];
        if (const Merge* merge = find(left, right)) queue.push({*merge, at, left, right});
    };
    for (size_t i = 0; i < n; ++i) {
        next[i] = i + 1;
        previous[i] = i - 1;  // of the first one: above n
    }
    for (size_t i = 0; i < n; ++i) look(i);
    while (!queue.empty()) {
        const Candidate best = queue.top();
        queue.pop();
        const size_t right = next[best.at];
        if (symbols[best.at] != best.left || right >= n || symbols[right] != best.right)
            continue;  // has changed
        symbols[best.at] = best.merge.symbol;
        symbols[right] = -1;  // gone
        next[best.at] = next[right];
        if (next[right] < n) previous[next[right]] = best.at;
        look(previous[best.at]);
        look(best.at);
    }
    std::erase(symbols, -1);
}

}  // namespace gremium
