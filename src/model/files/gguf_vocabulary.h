// The tokenizer that GGUF metadata carry: keys tokenizer.ggml.* and tokenizer.chat_template.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/metadata.h"
#include "text/vocabulary.h"

namespace gremium {

// nullopt when the metadata hold no tokenizer. Defaults of absent keys are llama.cpp's. A special token that is none of
// the vocabulary's is none; `warnings`, if any, say so. Throws Error.
std::optional<Vocabulary> read_gguf_vocabulary(const Metadata& metadata, std::vector<std::string>* warnings = nullptr);

// Tokens are padded to `size` with unused ones, as llama.cpp's converter does: it wants one a row of the
// embedding. What GGUF cannot say is left out: normal form C, and which special tokens swallow white space.
// Throws Error for a pre-tokenizer that has no name.
void write_gguf_vocabulary(const Vocabulary& vocabulary, int32_t size, Metadata& metadata);

}  // namespace gremium
