#include "text/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace gremium {

namespace {

void expect_id(const Vocabulary& v, int32_t id, std::string_view name, std::string_view where) {
    if (id < -1 || id >= v.size()) {
        fail("{}: the {} token's id is {}, but the vocabulary has {} tokens", where, name, id, v.size());
    }
}

}  // namespace

void validate(const Vocabulary& v, std::string_view where) {
    const size_t n = v.tokens.size();
    if (n == 0) fail("{}: the vocabulary has no tokens", where);
    if (n > std::numeric_limits<int32_t>::max()) fail("{}: {} tokens are more than ids can count", where, n);
    if (v.types.size() != n) fail("{}: {} tokens, but {} token types", where, n, v.types.size());
    const bool scored = v.model == "llama" || v.model == "t5";
    if (v.scores.size() != n && (scored || !v.scores.empty())) {
        fail("{}: {} tokens, but {} scores", where, n, v.scores.size());
    }
    for (size_t id = 0; id < n; ++id) {
        if (v.types[id] < TokenType::normal || v.types[id] > TokenType::byte) {
            fail("{}: token {} has type {}, expected 1 to 6", where, id, static_cast<int>(v.types[id]));
        }
        if (!v.scores.empty() && std::isnan(v.scores[id])) fail("{}: token {}'s score is not a number", where, id);
        // Between ways that all have no probability there would be no best one.
        if (v.model == "t5" && !std::isfinite(v.scores[id]))
            fail("{}: token {}'s score is {}, expected a finite number", where, id, v.scores[id]);
    }
    expect_id(v, v.bos, "BOS", where);
    expect_id(v, v.eos, "EOS", where);
    expect_id(v, v.unk, "unknown", where);
    expect_id(v, v.pad, "padding", where);
    for (const int32_t id : v.ends)
        if (id < 0) fail("{}: an end-of-turn token's id is {}, expected 0 or more", where, id);
    if (v.add_bos && v.bos < 0) fail("{}: a BOS token is to be added, but none is named", where);
    if (v.add_eos && v.eos < 0) fail("{}: an EOS token is to be added, but none is named", where);
}

void add_end(Vocabulary& v, int64_t id) {
    // Converters write 2³²−1 or −1 for none.
    if (id < 0 || id > std::numeric_limits<int32_t>::max()) return;
    const auto end = static_cast<int32_t>(id);
    if (end != v.eos && std::ranges::find(v.ends, end) == v.ends.end()) v.ends.push_back(end);
}

}  // namespace gremium
