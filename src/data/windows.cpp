#include "data/windows.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "data/documents.h"
#include "data/token_file.h"

namespace gremium::data {
namespace {

constexpr size_t few_documents = 16, piece_bytes = 4096;

using Texts = std::vector<std::string_view>;

// Every n-th document, where all have far more text than is asked for: encoding takes time.
Texts thinned(const Texts& documents, int64_t tokens) {
    constexpr size_t bytes_a_token = 24;  // generous
    size_t bytes = 0;
    for (const std::string_view document : documents) bytes += document.size();
    const size_t step = std::clamp(bytes / (bytes_a_token * static_cast<size_t>(tokens)), size_t{1},
                                   documents.size() / few_documents + 1);
    Texts some;
    for (size_t i = 0; i < documents.size(); i += step) some.push_back(documents[i]);
    return some;
}

Windows windows_of(const Texts& documents, const Tokenizer& tokenizer, const SampleOptions& options,
                   const std::string& source) {
    std::vector<int32_t> ids;
    for (const std::string_view document : thinned(documents, options.tokens))
        std::ranges::copy(encode_document(tokenizer, document), std::back_inserter(ids));
    const auto length = static_cast<size_t>(options.window);
    const size_t there = ids.size() / length;
    if (there < 2) fail("{}: {} tokens are too few, at least two windows of {} expected", source, ids.size(), length);
    const size_t wanted = std::clamp(static_cast<size_t>(options.tokens) / length, size_t{2}, there);
    Windows windows;
    for (size_t i = 0; i < wanted; ++i) {
        const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(i * there / wanted * length);
        windows.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(length));
    }
    return windows;
}

}  // namespace

Halves sample_halves(const std::filesystem::path& file, const Tokenizer& tokenizer, const SampleOptions& options) {
    const std::string text = read_text(file, {.nul = true, .note = options.note});
    Texts documents = documents_of(text);
    if (documents.size() < few_documents) documents = documents_of(text, piece_bytes);
    const Split split = split_documents(documents, 0.5);
    return {windows_of(split.train, tokenizer, options, file.string()),
            windows_of(split.heldout, tokenizer, options, file.string())};
}

Windows sample_file(const std::filesystem::path& file, const Tokenizer& tokenizer, const SampleOptions& options) {
    const std::string text = read_text(file, {.nul = true, .note = options.note});
    return windows_of(documents_of(text), tokenizer, options, file.string());
}

Halves sample_halves(std::span<const std::string> files, const Tokenizer& tokenizer, const SampleOptions& options) {
    if (files.empty()) fail("no text to look at");
    SampleOptions each = options;
    each.tokens /= static_cast<int64_t>(files.size());
    Halves all;
    for (const std::string& file : files) {
        Halves one = sample_halves(std::filesystem::path(file), tokenizer, each);
        std::ranges::move(one.first, std::back_inserter(all.first));
        std::ranges::move(one.second, std::back_inserter(all.second));
    }
    return all;
}

int64_t predicted_bytes(const Windows& windows, const Tokenizer& tokenizer) {
    int64_t bytes = 0;
    for (const std::vector<int32_t>& window : windows) bytes += predicted_bytes(tokenizer, window);
    return bytes;
}

}  // namespace gremium::data
