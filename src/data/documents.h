// Text files as documents: separated by NUL bytes, by the ends of files, and where one gets too long.
#pragma once

#include <deque>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "text/text_file.h"

namespace gremium::data {

// The documents of a text, in order: between NUL bytes. Empty ones are left out; one longer than `longest`
// is cut after the line end before that limit (or at it).
std::vector<std::string_view> documents_of(std::string_view text, size_t longest = std::string_view::npos);

// The documents of some files, as views into their maps where these are UTF-8 already; none is longer than a megabyte.
class Documents {
  public:
    // `patterns` as files_of (data/files.h) has them; one that matches nothing is an Error, as is a file that is not
    // text.
    explicit Documents(std::span<const std::string> patterns, const TextNote& note = {});

    std::span<const std::string_view> all() const { return documents_; }
    std::span<const MappedFile> files() const { return files_; }
    std::string hash() const;  // of the text, in order

  private:
    std::vector<MappedFile> files_;
    std::deque<std::string> decoded_;
    std::vector<std::string_view> documents_;
};

// Splits off about `share` of the documents by their content alone: the same text is always on the same side.
struct Split {
    std::vector<std::string_view> train, heldout;
};
Split split_documents(std::span<const std::string_view> documents, double share);
// For so few documents that the above leaves one side empty: about the last `share` of the text, from a line's
// beginning on. Nothing is held out of a text that cannot be cut.
Split split_end(std::span<const std::string_view> documents, double share);

}  // namespace gremium::data
