// Text to ids as a tokenizer.json says: added tokens, normalizers, pre-tokenizers, model, decoders.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace gremium::pipeline {

// Of a vocabulary whose `pipeline` is such a file's text without its lists (read_tokenizer_json). Ids are those of
// Hugging Face's tokenizers library. Throws Error that names what is not supported.
std::unique_ptr<Tokenizer> make_tokenizer(Vocabulary vocabulary);

// The tokens as the file spells them.
std::vector<std::string> original_tokens(const Vocabulary& vocabulary, const nlohmann::json& file);

// The decoder section; for a file without one, that which undoes its normalizers and pre-tokenizers.
nlohmann::json decoder_of(const nlohmann::json& file);

// What a decoder makes of the tokens' texts, each by itself; at a text's beginning a space in front goes when
// `strips_space` says so. Throws Error that names a decoder that is not supported.
std::vector<std::string> decoded_pieces(const nlohmann::json& decoder, const std::vector<std::string>& tokens);
bool strips_space(const nlohmann::json& decoder);

}  // namespace gremium::pipeline
