#include "text/byte_pair.h"

#include <array>
#include <unordered_map>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/merges.h"
#include "text/normal_form.h"
#include "text/pre_tokenizers.h"
#include "text/splitter.h"
#include "text/utf8.h"
#include "text/word_cache.h"

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
          merges_(vocabulary().merges.size()) {
        const Vocabulary& v = vocabulary();
        ids_.reserve(v.tokens.size());
        for (int32_t id = 0; id < v.size(); ++id)
            ids_[v.tokens[id]] = id;  // of equal tokens the last one counts
        for (int byte = 0; byte < 256; ++byte) {
            byte_symbols_[byte] = symbol(byte_character(static_cast<unsigned char>(byte)));
        }
        add_merges();
        pieces_ = v.tokens;
        for (int32_t id = 0; id < v.size(); ++id) {
            if (v.types[id] != TokenType::normal && v.types[id] != TokenType::unused) continue;
            if (auto bytes = spelled_bytes(v.tokens[id])) pieces_[id] = std::move(*bytes);
        }
    }

  private:
    // A token's id; for what is no token a number above all ids.
    int32_t symbol(std::string_view text) {
        if (const auto it = ids_.find(text); it != ids_.end()) return it->second;
        const auto [it, is_new] = others_.try_emplace(
            std::string(text), vocabulary().size() + static_cast<int32_t>(others_.size()));
        if (is_new) other_texts_.push_back(it->first);
        return it->second;
    }

    void add_merges() {
        const Vocabulary& v = vocabulary();
        for (size_t rank = 0; rank < v.merges.size(); ++rank) {
            const std::string_view merge = v.merges[rank];
            const size_t space = merge.find(' ', 1);
            if (space == merge.npos || space + 1 == merge.size()) {
                fail("tokenizer: merge {} is \"{}\", expected two tokens with a space between", rank, merge);
            }
            const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
            merges_.add(symbol(left), symbol(right),
                        {static_cast<int32_t>(rank), symbol(std::string(left).append(right))});
        }
    }

    void encode_fragment(std::string_view text, bool, std::vector<int32_t>& ids) const override {
        std::string changed;
        if (vocabulary().nfc && !utf8::is_ascii(text)) text = changed = normal_form_c(text);
        if (vocabulary().add_space_prefix && !text.starts_with(' '))
            text = changed = fmt::format(" {}", text);
        WordCache cache;
        splitter_.split(
            text, [&](std::string_view word) { cache.append(word, ids, [&] { encode_word(word, ids); }); });
    }

    void encode_word(std::string_view word, std::vector<int32_t>& ids) const {
        if (vocabulary().ignore_merges) {
            std::string spelled;
            for (char byte : word) spelled += byte_character(static_cast<unsigned char>(byte));
            if (const auto it = ids_.find(spelled); it != ids_.end()) return ids.push_back(it->second);
        }
        std::vector<int32_t> symbols;
        for (char byte : word) symbols.push_back(byte_symbols_[static_cast<unsigned char>(byte)]);
        merges_.apply(symbols);
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
            if (const auto it = ids_.find(text.substr(0, size)); it != ids_.end()) ids.push_back(it->second);
            text.remove_prefix(size);
        }
    }

    Splitter splitter_;
    Merges merges_;
    std::unordered_map<std::string_view, int32_t> ids_;
    std::unordered_map<std::string, int32_t> others_;
    std::vector<std::string_view> other_texts_;  // keys of others_
    std::array<int32_t, 256> byte_symbols_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_byte_pair_tokenizer(Vocabulary vocabulary) {
    return std::make_unique<BytePairTokenizer>(std::move(vocabulary));
}

}  // namespace gremium
