#include "text/unigram.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "text/charsmap.h"
#include "text/prefix_index.h"
#include "text/replace.h"
#include "text/utf8.h"
#include "text/words.h"

namespace gremium {

namespace {

constexpr double unknown_penalty = 10;  // below the least probable token

bool is_text(TokenType type) {
    return type == TokenType::normal || type == TokenType::user_defined || type == TokenType::unused;
}

class UnigramTokenizer final : public Tokenizer {
  public:
    explicit UnigramTokenizer(Vocabulary given)
        : Tokenizer(std::move(given)), normalizer_(vocabulary()), words_(vocabulary().tokens.size()) {
        const Vocabulary& v = vocabulary();
        if (v.unk < 0) fail("tokenizer: a unigram vocabulary needs an unknown token");
        pieces_ = v.tokens;
        bool has_space = false;
        unknown_score_ = 0;
        for (int32_t id = 0; id < v.size(); ++id) {
            if (!is_text(v.types[id])) continue;
            index_.add(v.tokens[id], id);
            words_.add(v.tokens[id], id);
            has_space |= v.tokens[id] == space_symbol;
            if (v.tokens[id].find(space_symbol, 1) != std::string::npos) words_are_apart_ = false;
            if (v.types[id] == TokenType::user_defined) continue;
            pieces_[id] = replaced(v.tokens[id], space_symbol, " ");
            if (v.types[id] == TokenType::normal) unknown_score_ = std::min<double>(unknown_score_, v.scores[id]);
        }
        index_.build();
        unknown_score_ -= unknown_penalty;
        words_are_apart_ &= has_space;
    }

  private:
    void encode_fragment(std::string_view text, bool, std::vector<int32_t>& ids) const override {
        const std::string normalized = normalizer_(text);
        WordCache cache(words_);
        for (std::string_view rest = normalized; !rest.empty();) {
            const std::string_view word = rest.substr(0, words_are_apart_ ? rest.find(space_symbol, 1) : rest.npos);
            rest.remove_prefix(word.size());
            cache.append(word, ids, [&] { encode_word(word, ids); });
        }
    }

    // Viterbi: the best way to every position, from left to right; of equally good ones that whose last token
    // is longest. Sums are exact: floats of like size in a double.
    void encode_word(std::string_view word, std::vector<int32_t>& ids) const {
        struct Best {
            double score = -std::numeric_limits<double>::infinity();
            size_t begin = 0;  // of the last token
            int32_t id = -1;
        };
        std::vector<Best> best(word.size() + 1);
        best[0].score = 0;
        const auto offer = [&](size_t begin, size_t size, double score, int32_t id) {
            Best& end = best[begin + size];
            if (best[begin].score + score > end.score) end = {best[begin].score + score, begin, id};
        };
        const Vocabulary& v = vocabulary();
        for (size_t at = 0, character = 0; at < word.size(); at += character) {
            character = utf8::start(word.substr(at)).size;
            bool has_character = false;
            index_.prefixes(word.substr(at), [&](int32_t id, size_t size) {
                offer(at, size, v.types[id] == TokenType::user_defined ? 0 : v.scores[id], id);
                has_character |= size == character;
            });
            if (!has_character) offer(at, character, unknown_score_, v.unk);
        }
        const size_t first = ids.size();
        for (size_t at = word.size(); at > 0; at = best[at].begin) {
            // Neighbouring unknown characters are one unknown token.
            if (best[at].id != v.unk || ids.size() == first || ids.back() != v.unk) ids.push_back(best[at].id);
        }
        std::reverse(ids.begin() + static_cast<std::ptrdiff_t>(first), ids.end());
    }

    Normalizer normalizer_;
    PrefixIndex index_;
    TokenWords words_;
    double unknown_score_;
    bool words_are_apart_ = true;  // no token goes on past a space, and a space is a token
};

}  // namespace

std::unique_ptr<Tokenizer> make_unigram_tokenizer(Vocabulary vocabulary) {
    return std::make_unique<UnigramTokenizer>(std::move(vocabulary));
}

}  // namespace gremium
