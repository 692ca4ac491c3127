// The named pre-tokenizers of GGUF (tokenizer.ggml.pre): how byte-level BPE vocabularies cut text into words.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gremium {

struct PreTokenizer {
    std::vector<std::string_view> names;  // as GGUF files say; the first one is the one we write
    std::vector<std::string> patterns;    // for a Splitter, each inside the pieces of the one before it
    bool ignore_merges = false;           // a word that is a token is not merged (llama.cpp ties this to the name)
    bool add_bos = false;                 // unless the file says otherwise
};

// "" is "default". Throws Error that lists the names supported.
const PreTokenizer& pre_tokenizer(std::string_view name);

// The GGUF name of patterns that a tokenizer.json spells out; "" when they have none.
std::string_view pre_tokenizer_name(std::span<const std::string> patterns, bool ignore_merges);

// What tokenizer.json's "ByteLevel" does when it may use its pattern.
extern const std::string gpt2_pattern;

}  // namespace gremium
