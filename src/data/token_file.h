// A text as a memory-mapped file of token ids. Layout, little-endian: the ids, 2 or 4 bytes each, then a footer of 80
// bytes: u64 bytes an id, vocabulary size, ids, text bytes, documents, the vocabulary's hash in 32 digits, and
// "GREMTOK2". Files of earlier versions have no hash and end with "GREMTOK1".
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "text/tokenizer.h"

namespace gremium::data {

// Of the tokens in their order: what ids stand for, however text becomes ids.
std::string hash_of_tokens(const Vocabulary& vocabulary);

class TokenFile {
  public:
    TokenFile() = default;
    // Throws Error naming the path: not a token file, sizes that contradict each other, another vocabulary: by its size
    // and, unless `tokens` is empty, by hash_of_tokens.
    TokenFile(const std::filesystem::path& path, int vocab, std::string_view tokens = {});

    int64_t tokens() const { return tokens_; }
    int64_t text_bytes() const { return text_bytes_; }  // of the text, one separator a document included
    int64_t documents() const { return documents_; }
    const std::filesystem::path& path() const { return file_.path(); }
    bool names_vocabulary() const { return names_vocabulary_; }  // not those of earlier versions

    // Copies ids [begin, begin + out.size()). Throws Error when an id is outside the vocabulary.
    void read(int64_t begin, std::span<int32_t> out) const;

  private:
    MappedFile file_;
    int64_t tokens_ = 0, text_bytes_ = 0, documents_ = 0;
    int vocab_ = 0, width_ = 2;
    bool names_vocabulary_ = false;
};

// A document as the vocabulary says (bos), with eos at its end where there is one.
std::vector<int32_t> encode_document(const Tokenizer& tokenizer, std::string_view document);

// The documents' ids in order; they are encoded in parallel. Appears atomically.
void write_token_file(const std::filesystem::path& path, const Tokenizer& tokenizer,
                      std::span<const std::string_view> documents);

// Bytes of text the ids [1, …) stand for: documents end with one separator byte, the space that encode puts before a
// document is not text.
int64_t predicted_bytes(const Tokenizer& tokenizer, std::span<const int32_t> ids);

}  // namespace gremium::data
