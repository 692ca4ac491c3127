// A directory for one test, and a small tokenizer and text to fill it with.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/random.h"
#include "tests/temporary_directory.h"
#include "text/tokenizer.h"

namespace gremium::train {

using ScratchDirectory = test::TemporaryDirectory;

inline void write_text(const std::filesystem::path& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
}

// Tokens <unk> <s> </s>, the 256 bytes, and a few words: every text can be spelled.
inline Vocabulary byte_vocabulary() {
    Vocabulary v;
    const auto add = [&](std::string token, TokenType type, float score) {
        v.tokens.push_back(std::move(token));
        v.types.push_back(type);
        v.scores.push_back(score);
    };
    add("<unk>", TokenType::unknown, 0);
    add("<s>", TokenType::control, 0);
    add("</s>", TokenType::control, 0);
    for (int byte = 0; byte < 256; ++byte) {
        const char* digits = "0123456789ABCDEF";
        add(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + '>', TokenType::byte, 0);
    }
    for (const char* piece : {"\u2581", "a", "b", "e", "t", "h", "th", "the", "\u2581the"}) {
        add(piece, TokenType::normal, -static_cast<float>(v.tokens.size()));
    }
    v.unk = 0;
    v.bos = 1;
    v.eos = 2;
    v.add_bos = true;
    v.add_space_prefix = true;
    return v;
}

// Text with structure to learn: short documents of repeated words, separated by NUL bytes.
inline std::string toy_text(int documents, uint64_t seed) {
    const char* words[] = {"the", "bat", "eats", "a", "beet", "at", "three", "heath"};
    Random random(seed);
    std::string text;
    for (int d = 0; d < documents; ++d) {
        const uint64_t start = random.below(8);
        for (uint64_t w = 0; w < 12; ++w) text += std::string(words[(start + w * 3) % 8]) + (w == 11 ? "\n" : " ");
        text += '\0';
    }
    return text;
}

}  // namespace gremium::train
