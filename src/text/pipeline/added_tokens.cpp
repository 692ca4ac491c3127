#include "text/pipeline/added_tokens.h"

#include "text/unicode.h"

namespace gremium::pipeline {

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens, const Normalizers& normalizers) : tokens_(tokens) {
    for (AddedToken& token : tokens_) {
        if (token.normalized) token.text = normalizers(token.text);
    }
    // Of equal texts special tokens come first, and the first one counts.
    for (const bool special : {false, true}) {
        for (size_t i = tokens_.size(); i-- > 0;) {
            if (tokens_[i].special == special)
                index_[tokens_[i].normalized].add(tokens_[i].text, static_cast<int32_t>(i));
        }
    }
    for (PrefixIndex& index : index_) index.build();
}

void AddedTokens::cut(Stage stage, std::string_view text, const std::function<bool(std::string_view place)>& special,
                      const std::function<void(std::string_view piece, int32_t id)>& piece) const {
    const PrefixIndex& index = index_[stage];
    size_t done = 0;
    for (size_t at = 0; at < text.size() && !index.empty();) {
        int32_t place = -1;
        size_t size = 0;
        index.prefixes(text.substr(at), [&](int32_t found, size_t bytes) { place = found, size = bytes; });
        if (place < 0) {
            ++at;
            continue;
        }
        const AddedToken& token = tokens_[static_cast<size_t>(place)];
        size_t begin = at, end = at + size;
        at = end;
        if (token.special && !special(text.substr(begin, size))) continue;
        const bool word_before = begin > 0 && unicode::is_word(unicode::last(text.substr(0, begin)).code);
        const bool word_behind = end < text.size() && unicode::is_word(unicode::first(text.substr(end)).code);
        if (token.single_word && (word_before || word_behind)) continue;
        while (token.lstrip && begin > done) {
            const auto before = unicode::last(text.substr(0, begin));
            if (!unicode::is_white_space(before.code)) break;
            begin -= before.bytes.size();
        }
        while (token.rstrip && end < text.size()) {
            const auto next = unicode::first(text.substr(end));
            if (!unicode::is_white_space(next.code)) break;
            end += next.bytes.size();
        }
        if (token.lstrip && begin < done) begin = done;
        if (done < begin) piece(text.substr(done, begin - done), -1);
        if (begin < end) piece(text.substr(begin, end - begin), token.id);
        done = end;  // a token that begins in white space that this one took is there nevertheless
    }
    if (done < text.size()) piece(text.substr(done), -1);
}

}  // namespace gremium::pipeline
