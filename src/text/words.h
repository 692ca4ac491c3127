// Words come again and again: what they become is found out once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/token_index.h"

namespace gremium {

// The tokens of a vocabulary as words: most words of a text are one token. That it is so of a certain word is not said
// by the vocabulary but seen when it is encoded, and remembered. Serves all threads.
class TokenWords {
  public:
    explicit TokenWords(size_t tokens) : index_(tokens), seen_(std::make_unique<std::atomic<uint8_t>[]>(tokens)) {}

    void add(std::string_view word, int32_t id) { index_.add(word, id); }
    int32_t find(std::string_view word) const { return index_.find(word); }

    bool whole(int32_t id) const { return seen_[id].load(std::memory_order_relaxed) != 0; }
    void set_whole(int32_t id) const { seen_[id].store(1, std::memory_order_relaxed); }

  private:
    TokenIndex index_;
    std::unique_ptr<std::atomic<uint8_t>[]> seen_;  // by id: whether a word becomes that token alone
};

// The other words of one text are copied within its ids.
class WordCache {
  public:
    explicit WordCache(const TokenWords& tokens) : tokens_(tokens) {}

    // Appends the ids of `word`: those known, or by calling encode(). The word's bytes and the ids must outlive the
    // cache, which belongs to one `ids`.
    template <typename Encode>
    void append(std::string_view word, std::vector<int32_t>& ids, Encode&& encode) {
        const int32_t token = tokens_.find(word);
        if (token >= 0 && tokens_.whole(token)) return ids.push_back(token);
        const auto [it, is_new] = seen_.try_emplace(word);
        if (is_new) {
            const size_t begin = ids.size();
            encode();
            it->second = {begin, ids.size()};
            if (token >= 0 && ids.size() == begin + 1 && ids.back() == token) tokens_.set_whole(token);
        } else {
            for (size_t i = it->second.begin; i < it->second.end; ++i) ids.push_back(ids[i]);
        }
    }

  private:
    struct Range {
        size_t begin, end;
    };
    const TokenWords& tokens_;
    std::unordered_map<std::string_view, Range> seen_;
};

}  // namespace gremium
