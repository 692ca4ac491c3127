// tokenizer.json, the format of Hugging Face's tokenizers library: read as data, as far as our kinds of
// tokenizer go.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "text/vocabulary.h"

namespace gremium {

// Any file of that library. Its text without the lists becomes the vocabulary's `pipeline`, by which text is encoded;
// as far as GGUF has a form for it (byte-level BPE, BPE over U+2581-spaced text, whose order of merges gives the
// scores, and Unigram) the other fields say it, too. bos and eos are those that its post_processor adds, if any.
// Throws Error that names `where` and the part that is not supported.
Vocabulary read_tokenizer_json(std::string_view bytes, std::string_view where);

// The reverse, for byte-level BPE and what was read from such a file.
std::string write_tokenizer_json(const Vocabulary& vocabulary);
// What is written for a byte-level BPE vocabulary, without its lists.
nlohmann::ordered_json tokenizer_json_settings(const Vocabulary& vocabulary);

// An entry of "added_tokens", or of tokenizer_config.json's "added_tokens_decoder": a token beside the
// model's own.
void add_token(Vocabulary& vocabulary, int64_t id, const nlohmann::json& token, std::string_view where);

}  // namespace gremium
