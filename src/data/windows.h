// Texts as windows of tokens, in two halves: one to find something in, one to see whether it is there again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "text/text_file.h"
#include "text/tokenizer.h"

namespace gremium::data {

// Windows of equal length.
using Windows = std::vector<std::vector<int32_t>>;

struct SampleOptions {
    int64_t window = 256;
    int64_t tokens = 16384;  // of each half at most; windows are then spread evenly over the half's text
    TextNote note = {};
};

struct Halves {
    Windows first, second;
};

// Of a text file with documents between zero bytes (data/documents.h). Whole documents go to one half or the other by
// their content; a file of few documents is cut into pieces first. Throws Error: fewer than two windows in a half.
Halves sample_halves(const std::filesystem::path& file, const Tokenizer& tokenizer, const SampleOptions& options = {});

// The same without halves: windows spread over the whole file.
Windows sample_file(const std::filesystem::path& file, const Tokenizer& tokenizer, const SampleOptions& options = {});

// Several files' windows behind each other, from each as many tokens.
Halves sample_halves(std::span<const std::string> files, const Tokenizer& tokenizer, const SampleOptions& options);

// Bytes of text that the windows' predicted tokens (all but the first of each) stand for.
int64_t predicted_bytes(const Windows& windows, const Tokenizer& tokenizer);

}  // namespace gremium::data
