// The pre-tokenizers of tokenizer.json: where text is cut into words.
#pragma once

#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace gremium::pipeline {

// A word, and whether it begins the whole text.
using Emit = std::function<void(std::string_view piece, bool at_start)>;
// Words that are not parts of the given text live here.
using Texts = std::deque<std::string>;

class PreTokenizers {
  public:
    // `section` may be null. Throws Error that names a step that is not supported.
    explicit PreTokenizers(const nlohmann::json& section);

    // The last step is "ByteLevel": it spells words in its alphabet of bytes. That is left to the model.
    bool spell_bytes() const { return spell_bytes_; }

    void split(std::string_view text, bool at_start, Texts& made, const Emit& word) const;

  private:
    using Step = std::function<void(std::string_view piece, bool at_start, Texts& made, const Emit& emit)>;
    void add(const nlohmann::json& step, int depth);
    void add_byte_level(const nlohmann::json& step);
    void run(size_t step, std::string_view piece, bool at_start, Texts& made, const Emit& word) const;

    std::vector<Step> steps_;
    bool spell_bytes_ = false;
};

}  // namespace gremium::pipeline
