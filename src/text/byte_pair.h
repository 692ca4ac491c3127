// Byte-level BPE (GGUF calls it "gpt2"): words by regular expressions, then merges of neighbours by rank.
#pragma once

#include <memory>

#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace gremium {

// Throws Error when the pre-tokenizer is not supported or a merge is none.
std::unique_ptr<Tokenizer> make_byte_pair_tokenizer(Vocabulary vocabulary);

}  // namespace gremium
