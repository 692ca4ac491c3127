// A vocabulary as files carry it: the tokens, their kinds, and the flags that decide how text becomes ids.
// Filled from GGUF metadata (`tokenizer.ggml.*`), a SentencePiece `tokenizer.model`, or by training one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gremium {

// The numbers are those of GGUF and of SentencePiece's ModelProto.
enum class TokenType : int8_t { normal = 1, unknown, control, user_defined, unused, byte };

// Stands for a space in tokens and pieces of models llama and t5.
inline constexpr std::string_view space_symbol = "\u2581";

struct Vocabulary {
    // "llama" = SentencePiece BPE, "gpt2" = byte-level BPE, "t5" = unigram; "tokenizer.json": only `pipeline` tells
    std::string model = "llama";
    std::string pre;                  // gpt2: name of the pre-tokenizer, "" if it has none
    std::vector<std::string> splits;  // gpt2: the pre-tokenizer's patterns (Splitter); empty: those of `pre`
    std::vector<std::string> tokens;  // index = id; spaces as U+2581 (llama, t5), byte tokens as <0xHH>
    std::vector<float> scores;        // llama, t5: one a token; the higher one merges first. Else empty
    std::vector<TokenType> types;     // one a token
    std::vector<std::string> merges;  // gpt2: "left right", rank = index. Else empty
    int32_t bos = -1, eos = -1, unk = -1, pad = -1;  // ids; -1 = none
    std::vector<int32_t> ends;  // what ends a turn or a message besides eos; may name ids of a model's padding
    std::vector<int32_t> strip_left, strip_right;  // special tokens that swallow the white space beside them
    bool add_bos = false, add_eos = false;
    bool add_space_prefix = false;          // a space goes before the text and before text after a special token
    bool remove_extra_whitespaces = false;  // runs of spaces collapse, both ends are trimmed
    bool ignore_merges = false;             // gpt2: a word that is a token is not merged
    bool nfc = false;                       // text is brought to Unicode's normal form C
    std::string charsmap;                   // llama, t5: SentencePiece's precompiled normalisation, "" for none
    std::string pipeline;       // what a tokenizer.json says besides its lists, "" for none: how text is encoded
    std::string chat_template;  // Jinja

    int32_t size() const { return static_cast<int32_t>(tokens.size()); }
    bool operator==(const Vocabulary&) const = default;
};

// Throws Error, naming `where` (a file), unless sizes agree, ids are in range (or -1) and scores are numbers.
void validate(const Vocabulary& vocabulary, std::string_view where);

// A further token that ends turns, once. −1 and what GGUF files say for it: none.
void add_end(Vocabulary& vocabulary, int64_t id);

}  // namespace gremium
