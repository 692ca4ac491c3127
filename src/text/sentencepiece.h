// SentencePiece: the file format `tokenizer.model`, and the tokenizer of BPE models (GGUF calls them "llama").
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace gremium {

// `bytes` of a tokenizer.model (a serialized sentencepiece.ModelProto); `where` names the file in errors. Of
// a BPE model add_bos is set when there is a BOS token, as Llama models expect it, and of a unigram model
// add_eos, as T5 does; tokenizer_config.json may say otherwise.
Vocabulary read_sentencepiece_model(std::string_view bytes, std::string_view where);

// The reverse; what Hugging Face's LlamaTokenizer and llama.cpp's converter read. Deterministic.
std::string write_sentencepiece_model(const Vocabulary& vocabulary);

// Throws Error when the vocabulary is of another kind or asks for what is not supported.
std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(Vocabulary vocabulary);

}  // namespace gremium
