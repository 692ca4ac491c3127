// Vocabularies small enough to be read, for the tests of the text room.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "text/vocabulary.h"

namespace gremium::test {

inline void add(Vocabulary& v, std::string token, float score, TokenType type) {
    v.tokens.push_back(std::move(token));
    v.scores.push_back(score);
    v.types.push_back(type);
}

// <unk>, <s>, </s>, the 256 bytes from id 3, then the given tokens with falling scores from id 259.
inline Vocabulary small_vocabulary(const std::vector<std::string>& tokens) {
    Vocabulary v;
    add(v, "<unk>", 0, TokenType::unknown);
    add(v, "<s>", 0, TokenType::control);
    add(v, "</s>", 0, TokenType::control);
    for (int byte = 0; byte < 256; ++byte) add(v, fmt::format("<0x{:02X}>", byte), 0, TokenType::byte);
    float score = 0;
    for (const std::string& token : tokens) add(v, token, score--, TokenType::normal);
    v.unk = 0, v.bos = 1, v.eos = 2;
    v.add_bos = true;
    v.add_space_prefix = true;
    return v;
}

inline constexpr int32_t byte_id(unsigned char byte) { return 3 + byte; }

}  // namespace gremium::test
