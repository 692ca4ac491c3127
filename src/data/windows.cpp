#include "data/windows.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "data/documents.h"
#include "data/files.h"
#include "data/token_file.h"

namespace gremium::data {
namespace {

constexpr size_t few_documents = 16, piece_bytes = 4096, least_windows = 2;

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

std::vector<int32_t> encoded(const Texts& documents, const Tokenizer& tokenizer, const SampleOptions& options) {
    std::vector<int32_t> ids;
    for (const std::string_view document : thinned(documents, options.tokens))
        std::ranges::copy(encode_document(tokenizer, document), std::back_inserter(ids));
    return ids;
}

Windows windows_of(const std::vector<int32_t>& ids, const SampleOptions& options) {
    const auto length = static_cast<size_t>(options.window);
    const size_t there = ids.size() / length;
    const size_t wanted = std::clamp(static_cast<size_t>(options.tokens) / length, least_windows, there);
    Windows windows;
    for (size_t i = 0; i < wanted; ++i) {
        const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(i * there / wanted * length);
        windows.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(length));
    }
    return windows;
}

bool enough(const std::vector<int32_t>& ids, const SampleOptions& options) {
    return std::ssize(ids) / options.window >= static_cast<int64_t>(least_windows);
}

// Documents, or pieces where there are too few, go to one half or the other by their content.
Split halves_by_content(std::string_view text) {
    Texts documents = documents_of(text);
    if (documents.size() < few_documents) documents = documents_of(text, piece_bytes);
    return split_documents(documents, 0.5);
}

// Neighbouring pieces of a short text take turns.
Split halves_in_turn(std::string_view text) {
    Split split;
    for (const std::string_view piece : documents_of(text, std::max<size_t>(1, text.size() / few_documents)))
        (split.train.size() > split.heldout.size() ? split.heldout : split.train).push_back(piece);
    return split;
}

}  // namespace

Halves sample_halves(const std::filesystem::path& file, const Tokenizer& tokenizer, const SampleOptions& options) {
    const std::string text = read_text(file, {.nul = true, .note = options.note});
    for (const Split& split : {halves_by_content(text), halves_in_turn(text)}) {
        const std::vector<int32_t> first = encoded(split.train, tokenizer, options),
                                   second = encoded(split.heldout, tokenizer, options);
        if (enough(first, options) && enough(second, options))
            return {windows_of(first, options), windows_of(second, options)};
    }
    fail("{}: {} tokens are too few for two halves of {} windows of {} tokens each (--window)", file.string(),
         encoded({text}, tokenizer, options).size(), least_windows, options.window);
}

Windows sample_file(const std::filesystem::path& file, const Tokenizer& tokenizer, const SampleOptions& options) {
    const std::string text = read_text(file, {.nul = true, .note = options.note});
    const std::vector<int32_t> ids = encoded(documents_of(text), tokenizer, options);
    if (!enough(ids, options))
        fail("{}: {} tokens are too few, at least {} windows of {} expected", file.string(), ids.size(), least_windows,
             options.window);
    return windows_of(ids, options);
}

Halves sample_halves(std::span<const std::string> names, const Tokenizer& tokenizer, const SampleOptions& options) {
    const std::vector<std::filesystem::path> files = files_of(names);
    if (files.empty()) fail("no text to look at");
    SampleOptions each = options;
    each.tokens /= std::ssize(files);
    Halves all;
    for (const std::filesystem::path& file : files) {
        Halves one = sample_halves(file, tokenizer, each);
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
