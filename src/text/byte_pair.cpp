#include "text/byte_pair.h"

#include <array>
#include <unordered_map>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/merges.h"
#include "text/pre_tokenizers.h"
#include "text/splitter.h"
#include "text/unicode.h"
#include "text/utf8.h"
#include "text/words.h"

namespace gremium {

namespace {

std::span<const std::string> patterns(const Vocabulary& v) {
    return v.splits.empty() ? pre_tokenizer(v.pre).patterns : v.splits;
}

class BytePairTokenizer final : public Tokenizer {
  public:
    explicit BytePairTokenizer(Vocabulary given)
        : Tokenizer(std::move(given)),
          splitter_(patterns(vocabulary())),
          merges_(vocabulary().merges.size()),
          spellings_(vocabulary().tokens.size()),
          words_(vocabulary().tokens.size()) {
        const Vocabulary& v = vocabulary();
        for (int32_t id = 0; id < v.size(); ++id) spellings_.add(v.tokens[id], id);
        for (int byte = 0; byte < 256; ++byte) {
            byte_symbols_[byte] = symbol(byte_character(static_cast<unsigned char>(byte)));
        }
        add_merges();
        add_words();
    }

  private:
    // A token's id; for what is no token a number above all ids.
    int32_t symbol(std::string_view spelling) {
        if (const int32_t id = spellings_.find(spelling); id >= 0) return id;
        const auto [it, is_new] =
            others_.try_emplace(std::string(spelling), vocabulary().size() + static_cast<int32_t>(others_.size()));
        if (is_new) other_texts_.push_back(it->first);
        return it->second;
    }

    void add_merges() {
        const Vocabulary& v = vocabulary();
        std::string both;
        for (size_t rank = 0; rank < v.merges.size(); ++rank) {
            const std::string_view merge = v.merges[rank];
            const size_t space = merge.find(' ', 1);
            if (space == merge.npos || space + 1 == merge.size()) {
                fail("tokenizer: merge {} is \"{}\", expected two tokens with a space between", rank, merge);
            }
            const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
            both.assign(left).append(right);
            merges_.add(symbol(left), symbol(right), {static_cast<int32_t>(rank), symbol(both)});
        }
    }

    void add_words() {
        const Vocabulary& v = vocabulary();
        pieces_ = v.tokens;
        for (int32_t id = 0; id < v.size(); ++id) {
            if (v.types[id] != TokenType::normal && v.types[id] != TokenType::unused) continue;
            auto bytes = spelled_bytes(v.tokens[id]);
            if (!bytes) continue;
            pieces_[id] = std::move(*bytes);
            if (spellings_.find(v.tokens[id]) != id) continue;  // of equal tokens the last one counts
            words_.add(pieces_[id], id);
            if (v.ignore_merges) words_.set_whole(id);
        }
    }

    void encode_fragment(std::string_view text, bool, std::vector<int32_t>& ids) const override {
        std::string changed;
        if (vocabulary().nfc && !utf8::is_ascii(text)) text = changed = unicode::normal_form(text, unicode::Form::c);
        if (vocabulary().add_space_prefix && !text.starts_with(' ')) text = changed = fmt::format(" {}", text);
        WordCache cache(words_);
        std::vector<int32_t> symbols;
        splitter_.split(
            text, [&](std::string_view word) { cache.append(word, ids, [&] { encode_word(word, symbols, ids); }); });
    }

    void encode_word(std::string_view word, std::vector<int32_t>& symbols, std::vector<int32_t>& ids) const {
        symbols.clear();
        for (char byte : word) symbols.push_back(byte_symbols_[static_cast<unsigned char>(byte)]);
        merge_symbols(symbols, [&](int32_t left, int32_t right) { return merges_.find(left, right); });
        for (int32_t s : symbols) {
            if (s < vocabulary().size()) {
                ids.push_back(s);
            } else {
                spell(other_texts_[s - vocabulary().size()], ids);
            }
        }
    }

    // What merged into no token becomes its characters' tokens; one that has none is dropped.
    void spell(std::string_view text, std::vector<int32_t>& ids) const {
        while (!text.empty()) {
            const size_t size = utf8::start(text).size;
            if (const int32_t id = spellings_.find(text.substr(0, size)); id >= 0) ids.push_back(id);
            text.remove_prefix(size);
        }
    }

    Splitter splitter_;
    MergeTable merges_;
    TokenIndex spellings_;  // of bytes as characters
    TokenWords words_;      // views of pieces_
    std::unordered_map<std::string, int32_t> others_;
    std::vector<std::string_view> other_texts_;  // keys of others_
    std::array<int32_t, 256> byte_symbols_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_byte_pair_tokenizer(Vocabulary vocabulary) {
    return std::make_unique<BytePairTokenizer>(std::move(vocabulary));
}

}  // namespace gremium
