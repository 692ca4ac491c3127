#include "text/splitter.h"

#include "base/error.h"

namespace gremium {

Splitter::Splitter(std::span<const std::string> patterns) {
    constexpr size_t most = 64;  // a stage is a level of recursion; published tokenizers have up to four
    if (patterns.size() > most)
        fail("tokenizer: {} pre-tokenizer patterns, at most {} are supported", patterns.size(), most);
    for (const std::string& pattern : patterns) stages_.emplace_back(pattern);
}

void Splitter::cut(size_t stage, std::string_view text, const std::function<void(std::string_view)>& word) const {
    if (text.empty()) return;
    if (stage == stages_.size()) return word(text);
    size_t done = 0;  // an empty match cuts, too
    stages_[stage].matches(text, [&](size_t begin, size_t end) {
        cut(stage + 1, text.substr(done, begin - done), word);
        cut(stage + 1, text.substr(begin, end - begin), word);
        done = end;
    });
    cut(stage + 1, text.substr(done), word);
}

void Splitter::split(std::string_view text, const std::function<void(std::string_view)>& word) const {
    cut(0, text, word);
}

}  // namespace gremium
