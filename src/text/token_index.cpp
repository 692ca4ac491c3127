#include "text/token_index.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>

namespace gremium {

namespace {

uint64_t hash_of(std::string_view text) { return XXH3_64bits(text.data(), text.size()); }
uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }

}  // namespace

TokenIndex::TokenIndex(size_t expected) : slots_(std::bit_ceil(2 * expected + 2)) { entries_.reserve(expected); }

size_t TokenIndex::slot_of(std::string_view text, uint64_t hash) const {
    const size_t mask = slots_.size() - 1;
    size_t slot = hash & mask;
    while (slots_[slot].entry >= 0 && (slots_[slot].tag != tag_of(hash) || entries_[slots_[slot].entry].text != text))
        slot = (slot + 1) & mask;
    return slot;
}

void TokenIndex::add(std::string_view text, int32_t id) {
    if (2 * entries_.size() >= slots_.size()) grow();
    const uint64_t hash = hash_of(text);
    Slot& slot = slots_[slot_of(text, hash)];
    if (slot.entry >= 0) {
        entries_[slot.entry] = {text, id};
    } else {
        slot = {tag_of(hash), static_cast<int32_t>(entries_.size())};
        entries_.push_back({text, id});
    }
}

int32_t TokenIndex::find(std::string_view text) const {
    const Slot& slot = slots_[slot_of(text, hash_of(text))];
    return slot.entry < 0 ? -1 : entries_[slot.entry].id;
}

void TokenIndex::grow() {
    slots_.assign(2 * slots_.size(), {});
    for (size_t i = 0; i < entries_.size(); ++i) {
        const uint64_t hash = hash_of(entries_[i].text);
        slots_[slot_of(entries_[i].text, hash)] = {tag_of(hash), static_cast<int32_t>(i)};
    }
}

}  // namespace gremium
