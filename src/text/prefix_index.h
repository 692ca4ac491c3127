// Strings to be found at the head of a text: all of them that are its prefixes, shortest first.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace gremium {

// A sorted list; each further byte narrows the range that still agrees. Texts are not copied. Of equal
// strings the last one added counts.
class PrefixIndex {
  public:
    void add(std::string_view string, int32_t id) {
        if (!string.empty()) entries_.push_back({string, id});
    }

    // Once, after the last add.
    void build() {
        std::stable_sort(entries_.begin(), entries_.end(),
                         [](const Entry& a, const Entry& b) { return a.string < b.string; });
        const auto kept = std::unique(entries_.rbegin(), entries_.rend(),
                                      [](const Entry& a, const Entry& b) { return a.string == b.string; });
        entries_.erase(entries_.begin(), kept.base());
        first_.fill(0);
        for (const Entry& entry : entries_) ++first_[byte(entry.string[0]) + 1];
        for (size_t b = 1; b < first_.size(); ++b) first_[b] += first_[b - 1];
    }

    bool empty() const { return entries_.empty(); }

    // Calls found(id, size) for every string that `text` starts with.
    template <typename Found>
    void prefixes(std::string_view text, Found&& found) const {
        if (text.empty()) return;
        size_t low = first_[byte(text[0])], high = first_[byte(text[0]) + 1];
        for (size_t size = 1; low < high; ++size) {
            // All of [low, high) begin with the text's first `size` bytes; one that ends here sorts first.
            if (entries_[low].string.size() == size) found(entries_[low++].id, size);
            if (size == text.size()) return;
            const auto begin = entries_.begin();
            const auto before = [&](const Entry& entry, unsigned char b) { return byte(entry.string[size]) < b; };
            const auto after = [&](unsigned char b, const Entry& entry) { return b < byte(entry.string[size]); };
            const auto from = std::lower_bound(begin + low, begin + high, byte(text[size]), before);
            high = std::upper_bound(from, begin + high, byte(text[size]), after) - begin;
            low = from - begin;
        }
    }

  private:
    struct Entry {
        std::string_view string;
        int32_t id;
    };
    static unsigned char byte(char c) { return static_cast<unsigned char>(c); }

    std::vector<Entry> entries_;
    std::array<size_t, 257> first_{};  // where the entries of each first byte begin
};

}  // namespace gremium
