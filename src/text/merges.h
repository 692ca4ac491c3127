// Byte-pair merges: what two neighbouring symbols become, and which of all pairs goes first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gremium {

class Merges {
  public:
    struct Merge {
        int32_t rank, symbol;  // the lowest rank goes first
    };

    explicit Merges(size_t expected);
    // An earlier merge of the same pair stays.
    void add(int32_t left, int32_t right, Merge merge);
    const Merge* find(int32_t left, int32_t right) const;  // nullptr: this pair does not merge

    // Merges `symbols` until no pair is left: the pair of lowest rank first, of equal ones the leftmost.
    // O(n log n) for n symbols.
    void apply(std::vector<int32_t>& symbols) const;

  private:
    // Open addressing in a table at most half full.
    struct Slot {
        int32_t left = -1, right = -1;
        Merge merge{};
    };
    size_t slot_of(int32_t left, int32_t right) const;

    std::vector<Slot> slots_;
};

}  // namespace gremium
