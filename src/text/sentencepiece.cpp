#include "text/sentencepiece.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <functional>

#include "base/error.h"
#include "text/charsmap.h"
#include "text/merges.h"
#include "text/replace.h"
#include "text/words.h"

namespace gremium {

namespace {

// The byte that a token of type byte spells: "<0x0A>" is 10.
unsigned char byte_of(std::string_view token, int32_t id) {
    unsigned value = 256;
    if (token.size() == 6 && token.starts_with("<0x") && token.ends_with('>')) {
        std::from_chars(token.data() + 3, token.data() + 5, value, 16);
    }
    if (value > 255) fail("tokenizer: token {} has type byte, but its text is \"{}\", expected <0xHH>", id, token);
    return static_cast<unsigned char>(value);
}

int32_t unknown_id(const Vocabulary& v) {
    if (v.unk >= 0) return v.unk;
    const auto it = std::find(v.types.begin(), v.types.end(), TokenType::unknown);
    if (it == v.types.end()) fail("tokenizer: neither all byte tokens nor an unknown token exist");
    return static_cast<int32_t>(it - v.types.begin());
}

// As llama.cpp walks text: a character's size follows from its first byte alone, clipped to the end.
size_t nominal_size(std::string_view text) {
    constexpr std::array<size_t, 16> sizes = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
    return std::min(sizes[static_cast<unsigned char>(text[0]) >> 4], text.size());
}

// Spaces as U+2581; not those within what only looks like the start of a character.
void append_escaped(std::string_view text, std::string& out) {
    for (size_t size = 0; !text.empty(); text.remove_prefix(size)) {
        size = nominal_size(text);
        out += text[0] == ' ' ? space_symbol : text.substr(0, size);
    }
}

// Which neighbouring characters never share a token: text falls apart there, and each part is encoded by
// itself. Looks at a character's last and at its first byte only, which is enough to find most word
// boundaries.
class Seams {
  public:
    void add(std::string_view token) {
        for (size_t i = 1; i < token.size(); ++i) joined_[before(token, i)][after(token, i)] = true;
    }

    // Where the part of the text that starts at `begin` ends.
    size_t next(std::string_view text, size_t begin) const {
        for (size_t i = begin + nominal_size(text.substr(begin)); i < text.size(); i += nominal_size(text.substr(i))) {
            if (!joined_[before(text, i)][after(text, i)]) return i;
        }
        return text.size();
    }

  private:
    static constexpr unsigned char space = 0xFF;  // in neither place does UTF-8 have this byte

    static unsigned char before(std::string_view text, size_t i) {
        const bool is_space = text.substr(0, i).ends_with(space_symbol);
        return is_space ? space : static_cast<unsigned char>(text[i - 1]);
    }
    static unsigned char after(std::string_view text, size_t i) {
        const bool is_space = text.substr(i).starts_with(space_symbol);
        return is_space ? space : static_cast<unsigned char>(text[i]);
    }

    std::array<std::bitset<256>, 256> joined_;
};

// A stretch of the text that is being encoded: what merges have made of its characters.
struct Span {
    uint32_t begin = 0, size = 0;
    friend bool operator==(const Span&, const Span&) = default;
};

class SentencePieceTokenizer final : public Tokenizer {
  public:
    explicit SentencePieceTokenizer(Vocabulary given)
        : Tokenizer(std::move(given)), normalizer_(vocabulary()), words_(vocabulary().tokens.size()) {
        const Vocabulary& v = vocabulary();
        pieces_ = v.tokens;
        byte_ids_.fill(-1);
        for (int32_t id = 0; id < v.size(); ++id) {
            if (v.types[id] == TokenType::byte) {
                const unsigned char byte = byte_of(v.tokens[id], id);
                byte_ids_[byte] = id;
                pieces_[id] = static_cast<char>(byte);
            } else if (v.types[id] == TokenType::normal || v.types[id] == TokenType::unused) {
                pieces_[id] = replaced(v.tokens[id], space_symbol, " ");
                words_.add(v.tokens[id], id);
                seams_.add(v.tokens[id]);
            }
        }
        spells_ = std::ranges::any_of(byte_ids_, [](int32_t id) { return id >= 0; });
        if (spells_)
            add_missing_bytes();
        else
            byte_ids_.fill(unknown_id(v));
        rank_scores();
    }

  private:
    // Where some bytes have tokens (Gemma's tab has none), the others come out as the token of that one character,
    // as in llama.cpp, or as unknown.
    void add_missing_bytes() {
        const Vocabulary& v = vocabulary();
        for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
            if (byte_ids_[byte] >= 0) continue;
            const auto same = std::ranges::find(v.tokens, std::string(1, static_cast<char>(byte)));
            byte_ids_[byte] = same != v.tokens.end() ? static_cast<int32_t>(same - v.tokens.begin()) : unknown_id(v);
        }
    }

    // The higher a score the earlier its token merges; equal scores are equal ranks.
    void rank_scores() {
        std::vector<float> scores = vocabulary().scores;
        std::ranges::sort(scores, std::greater());
        scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
        for (const float score : vocabulary().scores) {
            const auto found = std::ranges::lower_bound(scores, score, std::greater());
            ranks_.push_back(static_cast<int32_t>(found - scores.begin()));
        }
    }

    void encode_fragment(std::string_view given, bool starts_text, std::vector<int32_t>& ids) const override {
        const Vocabulary& v = vocabulary();
        std::string text;
        if (v.remove_extra_whitespaces || !v.charsmap.empty()) {
            text = normalizer_(given);
        } else {
            if (starts_text && v.add_space_prefix) text = space_symbol;
            append_escaped(given, text);
        }
        const std::string_view all = text;
        const auto first = static_cast<std::ptrdiff_t>(ids.size());
        WordCache cache(words_);
        std::vector<Span> symbols;
        for (size_t begin = 0, end = 0; begin < all.size(); begin = end) {
            end = seams_.next(all, begin);
            const std::string_view part = all.substr(begin, end - begin);
            cache.append(part, ids, [&] { encode_part(part, symbols, ids); });
        }
        if (spells_) return;
        // Neighbouring unknown characters are one unknown token.
        const auto both_unknown = [&](int32_t a, int32_t b) { return a == byte_ids_[0] && b == a; };
        ids.erase(std::unique(ids.begin() + first, ids.end(), both_unknown), ids.end());
    }

    void encode_part(std::string_view part, std::vector<Span>& symbols, std::vector<int32_t>& ids) const {
        symbols.clear();
        for (size_t at = 0; at < part.size(); at += symbols.back().size)
            symbols.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(nominal_size(part.substr(at)))});
        merge_symbols(symbols, [&](Span left, Span right) -> Merge<Span> {
            const Span both{left.begin, left.size + right.size};
            const int32_t id = words_.find(part.substr(both.begin, both.size));
            if (id < 0) return {};
            return {ranks_[id], both};
        });
        for (const Span& symbol : symbols) {
            const std::string_view text = part.substr(symbol.begin, symbol.size);
            if (const int32_t id = words_.find(text); id >= 0) {
                ids.push_back(id);
            } else {
                for (const char byte : text) ids.push_back(byte_ids_[static_cast<unsigned char>(byte)]);
            }
        }
    }

    Normalizer normalizer_;
    Seams seams_;
    TokenWords words_;
    std::vector<int32_t> ranks_;  // by id
    std::array<int32_t, 256> byte_ids_;
    bool spells_;  // some bytes have tokens
};

}  // namespace

std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(Vocabulary vocabulary) {
    if (vocabulary.model != "llama") fail("tokenizer: \"{}\" is not a SentencePiece BPE vocabulary", vocabulary.model);
    return std::make_unique<SentencePieceTokenizer>(std::move(vocabulary));
}

}  // namespace gremium
