// tokenizer.json as it lies on disk: its settings as JSON, the long lists of its model as lists.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gremium {

struct TokenizerFile {
    nlohmann::json settings;                             // all else; `model` without `vocab` and `merges`
    std::vector<std::pair<std::string, int64_t>> ids;    // of a `vocab` that is an object
    std::vector<std::pair<std::string, double>> scores;  // of a `vocab` that is a list of pairs
    std::vector<std::string> merges;                     // "left right", also where the file has pairs
};

// Throws Error naming `where` for bytes that are no JSON object or lists of another form.
TokenizerFile read_tokenizer_file(std::string_view bytes, std::string_view where);

}  // namespace gremium
