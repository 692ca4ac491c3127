// Texts and their ids, found by a hash.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace gremium {

// Texts are not copied. Of equal ones the last one added counts.
class TokenIndex {
  public:
    explicit TokenIndex(size_t expected = 0);
    void add(std::string_view text, int32_t id);
    int32_t find(std::string_view text) const;  // −1: there is none

  private:
    // Open addressing in a table at most half full.
    struct Slot {
        uint32_t tag = 0;  // more of the hash: most strangers are known without looking at their text
        int32_t entry = -1;
    };
    struct Entry {
        std::string_view text;
        int32_t id;
    };
    size_t slot_of(std::string_view text, uint64_t hash) const;
    void grow();

    std::vector<Slot> slots_;
    std::vector<Entry> entries_;
};

}  // namespace gremium
