// The added tokens of tokenizer.json: found in a text before anything else is encoded.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/pipeline/normalizers.h"
#include "text/prefix_index.h"

namespace gremium::pipeline {

struct AddedToken {
    int32_t id;
    std::string text;
    bool single_word = false, lstrip = false, rstrip = false, normalized = false, special = false;
};

class AddedTokens {
  public:
    // Those that are `normalized` are looked for in normalised text, and are normalised themselves.
    AddedTokens(const std::vector<AddedToken>& tokens, const Normalizers& normalizers);
    AddedTokens(const AddedTokens&) = delete;

    enum Stage { raw, normalized };
    // Calls piece(text, id) from left to right; id −1 for what lies between tokens. Of tokens that begin at one place
    // the longest one counts. A special one stays text where special(its place in the text) is false.
    void cut(Stage stage, std::string_view text, const std::function<bool(std::string_view place)>& special,
             const std::function<void(std::string_view piece, int32_t id)>& piece) const;

  private:
    std::vector<AddedToken> tokens_;
    PrefixIndex index_[2];  // to places in tokens_
};

}  // namespace gremium::pipeline
