// The tokenizer files of a model directory in Hugging Face layout.
#pragma once

#include <filesystem>

#include "text/vocabulary.h"

namespace gremium {

// Whether there is a file that read_hf_tokenizer could begin with.
bool has_hf_tokenizer(const std::filesystem::path& directory);

// Reads tokenizer.model or spiece.model (SentencePiece), else tokenizer.json; then the flags, special and
// added tokens and the chat template of tokenizer_config.json and chat_template.jinja, which win. Throws
// Error naming the file at fault.
Vocabulary read_hf_tokenizer(const std::filesystem::path& directory);

// Writes tokenizer.model, spiece.model or tokenizer.json, as the kind of vocabulary asks, and
// tokenizer_config.json. `directory` must exist.
void write_hf_tokenizer(const Vocabulary& vocabulary, const std::filesystem::path& directory);

}  // namespace gremium
