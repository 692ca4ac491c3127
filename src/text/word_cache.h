// Words come again and again: those of one text are encoded once, and then copied within its ids.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gremium {

class WordCache {
  public:
    // Appends the ids of `word`: of its earlier occurrence in `ids`, or by calling encode(). The word's bytes
    // and the ids must outlive the cache, which belongs to one `ids`.
    template <typename Encode>
    void append(std::string_view word, std::vector<int32_t>& ids, Encode&& encode) {
        const auto [it, is_new] = seen_.try_emplace(word);
        if (is_new) {
            const size_t begin = ids.size();
            encode();
            it->second = {begin, ids.size()};
        } else {
            for (size_t i = it->second.begin; i < it->second.end; ++i) ids.push_back(ids[i]);
        }
    }

  private:
    struct Range {
        size_t begin, end;
    };
    std::unordered_map<std::string_view, Range> seen_;
};

}  // namespace gremium
