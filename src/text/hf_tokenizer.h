// The tokenizer files of a model directory in Hugging Face layout: tokenizer.model and tokenizer_config.json.
#pragma once

#include <filesystem>

#include "text/vocabulary.h"

namespace gremium {

// Flags and special tokens of tokenizer_config.json, where it is present, win over tokenizer.model's. Throws
// Error naming the file at fault.
Vocabulary read_hf_tokenizer(const std::filesystem::path& directory);

// Writes both files, as transformers' LlamaTokenizer reads them. `directory` must exist.
void write_hf_tokenizer(const Vocabulary& vocabulary, const std::filesystem::path& directory);

}  // namespace gremium
