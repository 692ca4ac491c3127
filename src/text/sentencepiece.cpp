#include "text/sentencepiece.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <charconv>
#include <span>
#include <unordered_map>

#include "base/error.h"
#include "text/charsmap.h"
#include "text/replace.h"
#include "text/utf8.h"
#include "text/word_cache.h"

namespace gremium {

namespace {

constexpr std::string_view space_symbol = "\xE2\x96\x81";  // U+2581

// The byte that a token of type byte spells: "<0x0A>" is 10.
unsigned char byte_of(std::string_view token, int32_t id) {
    unsigned value = 256;
    if (token.size() == 6 && token.starts_with("<0x") && token.ends_with('>')) {
        std::from_chars(token.data() + 3, token.data() + 5, value, 16);
    }
    if (value > 255)
        fail("tokenizer: token {} has type byte, but its text is \"{}\", expected <0xHH>", id, token);
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

// The same ids, rid of what libsentencepiece would refuse or treat in its own way: tokens that never come out
// of plain text get names that no text forms, and of equal tokens the last one counts (as in llama.cpp).
// `byte_ids`: of all 256 bytes, those from v.size() on being additions; or empty when no byte has a token.
Vocabulary plain_text_part(const Vocabulary& v, std::span<const int32_t> byte_ids, int32_t unknown) {
    Vocabulary part = v;
    std::unordered_map<std::string_view, int32_t> last;
    for (int32_t id = 0; id < v.size(); ++id) {
        const bool is_text = v.types[id] == TokenType::normal || v.types[id] == TokenType::unused;
        if (is_text && !v.tokens[id].empty()) last[v.tokens[id]] = id;
        part.tokens[id] = fmt::format("\xFF{}", id);  // not UTF-8
        part.types[id] = TokenType::control;
    }
    for (const auto& [token, id] : last) {
        part.tokens[id] = token;
        part.types[id] = TokenType::normal;
    }
    const size_t size = std::max(v.tokens.size(), static_cast<size_t>(unknown) + 1);
    part.tokens.resize(size, "\xFF");
    part.scores.resize(size);
    part.types.resize(size);
    for (size_t byte = 0; byte < byte_ids.size(); ++byte) {
        part.tokens[byte_ids[byte]] = fmt::format("<0x{:02X}>", byte);
        part.types[byte_ids[byte]] = TokenType::byte;
    }
    part.types[unknown] = TokenType::unknown;
    part.unk = unknown;
    // Done by encode_fragment, as fragments need it.
    part.add_space_prefix = part.remove_extra_whitespaces = false;
    part.charsmap.clear();
    return part;
}

// Which neighbouring characters never share a token: text falls apart there, and each part is encoded by
// itself. Looks at a character's last and at its first byte only, which is enough to find most word
// boundaries.
class Seams {
  public:
    Seams() = default;
    explicit Seams(const Vocabulary& v) {
        for (int32_t id = 0; id < v.size(); ++id) {
            if (v.types[id] != TokenType::normal) continue;
            const std::string_view token = v.tokens[id];
            for (size_t i = 1; i < token.size(); ++i) joined_[before(token, i)][after(token, i)] = true;
        }
    }

    // Where the part of UTF-8 text that starts at `begin` ends.
    size_t next(std::string_view text, size_t begin) const {
        for (size_t i = begin + 1; i < text.size(); ++i) {
            if ((text[i] & 0xC0) != 0x80 && !joined_[before(text, i)][after(text, i)]) return i;
        }
        return text.size();
    }

  private:
    static constexpr unsigned char space = 0xFF;  // in neither place does UTF-8 have this byte

    static unsigned char before(std::string_view text, size_t i) {
        const bool is_space = text[i - 1] == ' ' || text.substr(0, i).ends_with(space_symbol);
        return is_space ? space : static_cast<unsigned char>(text[i - 1]);
    }
    static unsigned char after(std::string_view text, size_t i) {
        const bool is_space = text[i] == ' ' || text.substr(i).starts_with(space_symbol);
        return is_space ? space : static_cast<unsigned char>(text[i]);
    }

    std::array<std::bitset<256>, 256> joined_;
};

class SentencePieceTokenizer final : public Tokenizer {
  public:
    explicit SentencePieceTokenizer(Vocabulary given)
        : Tokenizer(std::move(given)), normalizer_(vocabulary()) {
        read_pieces();
        const Vocabulary& v = vocabulary();
        Vocabulary plain;
        if (std::ranges::all_of(byte_ids_, [](int32_t id) { return id < 0; })) {
            const int32_t unknown = unknown_id(v);
            byte_ids_.fill(unknown);
            plain = plain_text_part(v, {}, unknown);
        } else {
            add_missing_bytes();
            // nothing is unknown, though libsentencepiece wants a token for that
            plain = plain_text_part(v, byte_ids_, v.size() + static_cast<int32_t>(stand_ins_.size()));
        }
        seams_ = Seams(plain);
        const auto status = processor_.LoadFromSerializedProto(write_sentencepiece_model(plain));
        if (!status.ok()) fail("tokenizer: {}", status.error_message());
    }

  private:
    void read_pieces() {
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
            }
        }
    }

    // Where some bytes have tokens (Gemma's tab has none), the others come out as the token of that one character,
    // as in llama.cpp, or as unknown.
    void add_missing_bytes() {
        const Vocabulary& v = vocabulary();
        for (size_t byte = 0; byte < byte_ids_.size(); ++byte) {
            if (byte_ids_[byte] >= 0) continue;
            byte_ids_[byte] = v.size() + static_cast<int32_t>(stand_ins_.size());
            const auto same = std::ranges::find(v.tokens, std::string(1, static_cast<char>(byte)));
            stand_ins_.push_back(same != v.tokens.end() ? static_cast<int32_t>(same - v.tokens.begin())
                                                        : unknown_id(v));
        }
    }

    int32_t own_id(int32_t id) const {
        const int32_t size = vocabulary().size();
        return id < size ? id : stand_ins_[id - size];
    }

    void encode_fragment(std::string_view text, bool starts_text, std::vector<int32_t>& ids) const override {
        std::string changed;
        const Vocabulary& v = vocabulary();
        if (v.remove_extra_whitespaces || !v.charsmap.empty()) {
            text = changed = normalizer_(text);
        } else if (starts_text && v.add_space_prefix) {
            text = changed.append(1, ' ').append(text);
        }
        // libsentencepiece would turn bytes that are not UTF-8 into U+FFFD: they go around it.
        size_t begin = 0, end = 0;
        while (end < text.size()) {
            const size_t size = nominal_size(text.substr(end));
            const utf8::Start start = utf8::start(text.substr(end, size));
            if (start.kind != utf8::Start::character) {
                encode_utf8(text.substr(begin, end - begin), ids);
                for (size_t i = end; i < end + size; ++i)
                    ids.push_back(own_id(byte_ids_[static_cast<unsigned char>(text[i])]));
                begin = end + size;
            }
            end += size;
        }
        encode_utf8(text.substr(begin), ids);
    }

    void encode_utf8(std::string_view text, std::vector<int32_t>& ids) const {
        WordCache cache;
        std::vector<int> encoded;
        for (size_t begin = 0; begin < text.size();) {
            const size_t end = seams_.next(text, begin);
            const std::string_view part = text.substr(begin, end - begin);
            begin = end;
            cache.append(part, ids, [&] {
                const auto status = processor_.Encode(part, &encoded);
                if (!status.ok()) fail("tokenizer: {}", status.error_message());
                for (const int id : encoded) ids.push_back(own_id(id));
            });
        }
    }

    sentencepiece::SentencePieceProcessor processor_;
    Normalizer normalizer_;
    Seams seams_;
    std::array<int32_t, 256> byte_ids_;
    std::vector<int32_t> stand_ins_;  // of libsentencepiece's ids that the vocabulary does not have
};

}  // namespace

std::unique_ptr<Tokenizer> make_sentencepiece_tokenizer(Vocabulary vocabulary) {
    if (vocabulary.model != "llama")
        fail("tokenizer: \"{}\" is not a SentencePiece BPE vocabulary", vocabulary.model);
    return std::make_unique<SentencePieceTokenizer>(std::move(vocabulary));
}

}  // namespace gremium
