// SentencePiece unigram (GGUF calls it "t5"): of all ways to cut a text into tokens the most probable one.
#pragma once

#include <memory>

#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace gremium {

// Throws Error when the vocabulary has no unknown token or its charsmap is damaged.
std::unique_ptr<Tokenizer> make_unigram_tokenizer(Vocabulary vocabulary);

}  // namespace gremium
