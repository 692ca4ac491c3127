#include "text/merges.h"

#include <bit>

namespace gremium {

MergeTable::MergeTable(size_t expected) : slots_(std::bit_ceil(2 * expected + 2)) {}

size_t MergeTable::slot_of(int32_t left, int32_t right) const {
    const uint64_t pair = uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
    size_t slot = (pair * 0x9E3779B97F4A7C15u >> 32) & (slots_.size() - 1);
    while (slots_[slot].left >= 0 && (slots_[slot].left != left || slots_[slot].right != right)) {
        slot = (slot + 1) & (slots_.size() - 1);
    }
    return slot;
}

void MergeTable::add(int32_t left, int32_t right, Merge<int32_t> merge) {
    Slot& slot = slots_[slot_of(left, right)];
    if (slot.left < 0) slot = {left, right, merge};
}

Merge<int32_t> MergeTable::find(int32_t left, int32_t right) const { return slots_[slot_of(left, right)].merge; }

}  // namespace gremium
