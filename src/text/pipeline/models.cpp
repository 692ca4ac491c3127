#include "text/pipeline/models.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <limits>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/merges.h"
#include "text/prefix_index.h"
#include "text/token_index.h"
#include "text/unicode.h"

namespace gremium::pipeline {

namespace {

using Json = nlohmann::json;
using Tokens = std::vector<std::string>;

// The model's own tokens; those that only stand in "added_tokens" are none of them.
TokenIndex index_of(const Tokens& tokens, const Json& settings) {
    TokenIndex index(tokens.size());
    const auto apart = settings.value("added_only", std::vector<int32_t>());
    for (size_t id = 0; id < tokens.size(); ++id) {
        if (!std::ranges::binary_search(apart, static_cast<int32_t>(id)))
            index.add(tokens[id], static_cast<int32_t>(id));
    }
    return index;
}

std::string text_of(const Json& settings, const char* key) {
    const Json value = settings.value(key, Json());
    return value.is_null() ? "" : value.get<std::string>();
}

int32_t unknown_of(const Json& settings, const TokenIndex& index) {
    const Json token = settings.value("unk_token", Json());
    if (token.is_null()) return -1;
    return index.find(token.get<std::string>());
}

// The ids of <0xHH>; −1 where there is none.
std::array<int32_t, 256> byte_ids(const TokenIndex& index) {
    std::array<int32_t, 256> ids{};
    for (size_t byte = 0; byte < ids.size(); ++byte) {
        const std::string name = fmt::format("<0x{:02X}>", byte);
        ids[byte] = index.find(name);
    }
    return ids;
}

// Whether all of `text` can be spelled; then its bytes' ids are appended.
bool append_bytes(const std::array<int32_t, 256>& bytes, std::string_view text, std::vector<int32_t>& ids) {
    const auto id = [&](char c) { return bytes[static_cast<unsigned char>(c)]; };
    if (!std::ranges::all_of(text, [&](char c) { return id(c) >= 0; })) return false;
    for (char c : text) ids.push_back(id(c));
    return true;
}

class BytePairs final : public Model {
  public:
    BytePairs(const Json& settings, const Tokens& tokens, const std::vector<std::string>& merges, bool spell_bytes)
        : tokens_(tokens),
          index_(index_of(tokens, settings)),
          merges_(merges.size()),
          unknown_(unknown_of(settings, index_)),
          bytes_(byte_ids(index_)),
          prefix_(text_of(settings, "continuing_subword_prefix")),
          suffix_(text_of(settings, "end_of_word_suffix")),
          byte_fallback_(settings.value("byte_fallback", false)),
          fuse_unknown_(settings.value("fuse_unk", false)),
          ignore_merges_(settings.value("ignore_merges", false)),
          spell_bytes_(spell_bytes) {
        if (const Json dropout = settings.value("dropout", Json()); dropout.is_number() && dropout != 0)
            fail("model.dropout is {}: the same text would have different tokens", dropout.dump());
        // Of merges of the same pair the last one counts.
        for (size_t rank = merges.size(); rank-- > 0;) add_merge(merges[rank], static_cast<int32_t>(rank));
    }

    void encode(std::string_view word, std::vector<int32_t>& ids) const override {
        std::string spelled;
        if (spell_bytes_) {
            for (char c : word) spelled += byte_character(static_cast<unsigned char>(c));
            word = spelled;
        }
        if (ignore_merges_) {
            if (const int32_t id = index_.find(word); id >= 0) return ids.push_back(id);
        }
        std::vector<int32_t> symbols;
        start(word, symbols);
        // Where no merge joins two neighbours the word falls apart, and short parts merge fast.
        std::vector<int32_t> part;
        for (size_t begin = 0, end = 0; begin < symbols.size(); begin = end) {
            do ++end;
            while (end < symbols.size() && joins(symbols[end - 1], symbols[end]));
            part.assign(symbols.begin() + static_cast<std::ptrdiff_t>(begin),
                        symbols.begin() + static_cast<std::ptrdiff_t>(end));
            merge_symbols(part, [&](int32_t left, int32_t right) { return merges_.find(left, right); });
            ids.insert(ids.end(), part.begin(), part.end());
        }
    }

  private:
    // The ends of a token that tell whether a merge may join it to its neighbour: a byte, and 0xFF for U+2581, which
    // begins most words.
    static unsigned char last(std::string_view token) {
        return token.ends_with("\u2581") ? 0xFF : static_cast<unsigned char>(token.back());
    }
    unsigned char first(std::string_view token) const {
        if (token.size() > prefix_.size() && token.starts_with(prefix_)) token.remove_prefix(prefix_.size());
        return token.starts_with("\u2581") ? 0xFF : static_cast<unsigned char>(token.front());
    }
    bool joins(int32_t left, int32_t right) const {
        const std::string_view a = tokens_[static_cast<size_t>(left)], b = tokens_[static_cast<size_t>(right)];
        return a.empty() || b.empty() || joined_[last(a)][first(b)];
    }

    void add_merge(std::string_view merge, int32_t rank) {
        for (size_t space = merge.find(' ', 1); space != merge.npos; space = merge.find(' ', space + 1)) {
            const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
            const int32_t a = index_.find(left), b = index_.find(right);
            if (a < 0 || b < 0 || right.empty()) continue;
            const std::string_view rest = right.substr(right.starts_with(prefix_) ? prefix_.size() : 0);
            const std::string both = std::string(left).append(rest);
            const int32_t id = index_.find(both);
            if (id < 0) fail("merge {} makes \"{}\", which is not in the vocabulary", rank, both);
            joined_[last(left)][first(right)] = true;
            return merges_.add(a, b, {rank, id});
        }
        fail("merge {} is \"{}\", expected two tokens of the vocabulary with a space between", rank, merge);
    }

    // A word's characters as symbols.
    void start(std::string_view word, std::vector<int32_t>& symbols) const {
        int unknowns = 0;  // seen and not yet written: behind byte tokens, as in the library
        const auto write_unknowns = [&] {
            if (unknowns > 0) symbols.push_back(unknown_);
            unknowns = 0;
        };
        std::string symbol;
        for (size_t at = 0, size = 0; at < word.size(); at += size) {
            const std::string_view bytes = unicode::first(word.substr(at)).bytes;
            size = bytes.size();
            symbol.assign(at > 0 ? prefix_ : "").append(bytes);
            if (at + size == word.size()) symbol += suffix_;
            if (const int32_t id = index_.find(symbol); id >= 0) {
                write_unknowns();
                symbols.push_back(id);
            } else if (!(byte_fallback_ && append_bytes(bytes_, symbol, symbols)) && unknown_ >= 0) {
                if (unknowns > 0 && !fuse_unknown_) write_unknowns();
                unknowns = 1;
            }
        }
        write_unknowns();
    }

    const Tokens& tokens_;
    TokenIndex index_;
    MergeTable merges_;
    std::array<std::bitset<256>, 256> joined_;  // by last() and first()
    int32_t unknown_;
    std::array<int32_t, 256> bytes_;
    std::string prefix_, suffix_;
    bool byte_fallback_, fuse_unknown_, ignore_merges_, spell_bytes_;
};

class WordPieces final : public Model {
  public:
    WordPieces(const Json& settings, const Tokens& tokens)
        : index_(index_of(tokens, settings)),
          unknown_(unknown_of(settings, index_)),
          prefix_(text_of(settings, "continuing_subword_prefix")),
          most_(settings.value("max_input_chars_per_word", size_t{100})) {
        if (unknown_ < 0) fail("model.unk_token is not in the vocabulary");
        for (const std::string& token : tokens) longest_ = std::max(longest_, token.size());
    }

    // The longest token first; a word that is not all tokens is unknown.
    void encode(std::string_view word, std::vector<int32_t>& ids) const override {
        const size_t first = ids.size();
        const auto unknown = [&] {
            ids.resize(first);
            ids.push_back(unknown_);
        };
        size_t count = 0;
        for (char c : word) count += (c & 0xC0) != 0x80;
        if (count > most_) return unknown();
        std::string piece;
        for (size_t at = 0; at < word.size();) {
            size_t end = std::min(word.size(), at + longest_);
            int32_t id = -1;
            for (; end > at; --end) {
                if (end < word.size() && (word[end] & 0xC0) == 0x80) continue;
                piece.assign(at > 0 ? prefix_ : "").append(word.substr(at, end - at));
                if (id = index_.find(piece); id >= 0) break;
            }
            if (id < 0) return unknown();
            ids.push_back(id);
            at = end;
        }
    }

  private:
    TokenIndex index_;
    int32_t unknown_;
    std::string prefix_;
    size_t most_, longest_ = 0;
};

class WordLevel final : public Model {
  public:
    WordLevel(const Json& settings, const Tokens& tokens)
        : index_(index_of(tokens, settings)), unknown_(unknown_of(settings, index_)) {}

    void encode(std::string_view word, std::vector<int32_t>& ids) const override {
        const int32_t id = index_.find(word);
        if (id < 0 && unknown_ < 0)
            fail("tokenizer: \"{}\" is not in the vocabulary, which has no unknown token", word);
        ids.push_back(id < 0 ? unknown_ : id);
    }

  private:
    TokenIndex index_;
    int32_t unknown_;
};

class Unigram final : public Model {
  public:
    Unigram(const Json& settings, const Tokens& tokens, const std::vector<float>& scores)
        : scores_(settings.value("scores", std::vector<double>(scores.begin(), scores.end()))),
          byte_fallback_(settings.value("byte_fallback", false)),
          fuse_unknown_(settings.value("fuse_unk", true)) {
        const Json unknown = settings.value("unk_id", Json());
        if (!unknown.is_null()) unknown_ = unknown.get<int32_t>();
        // Those added later have no score.
        const auto apart = settings.value("added_only", std::vector<int32_t>());
        double least = std::numeric_limits<double>::infinity();
        for (size_t i = 0; i < std::min(tokens.size(), scores_.size()); ++i) {
            const auto id = static_cast<int32_t>(i);
            if (std::ranges::binary_search(apart, id)) continue;
            prefixes_.add(tokens[i], id);
            index_.add(tokens[i], id);
            least = std::min(least, scores_[i]);
        }
        prefixes_.build();
        bytes_ = byte_ids(index_);
        constexpr double penalty = 10;  // below the least probable token
        unknown_score_ = least - penalty;
    }

    // Viterbi: the best way to every position, from left to right; of equally good ones the first found.
    void encode(std::string_view word, std::vector<int32_t>& ids) const override {
        struct Best {
            double score = 0;
            size_t begin = SIZE_MAX;
            int32_t id = -1;
        };
        std::vector<Best> best(word.size() + 1);
        for (size_t at = 0, character = 0; at < word.size(); at += character) {
            character = unicode::first(word.substr(at)).bytes.size();
            bool has_character = false;
            const double before = best[at].score;
            const auto offer = [&](size_t size, double score, int32_t id) {
                Best& end = best[at + size];
                if (end.begin == SIZE_MAX || score > end.score) end = {score, at, id};
            };
            prefixes_.prefixes(word.substr(at), [&](int32_t id, size_t size) {
                offer(size, scores_[static_cast<size_t>(id)] + before, id);
                has_character |= size == character;
            });
            if (!has_character) offer(character, unknown_score_ + before, unknown_);
        }
        std::vector<std::string_view> pieces;
        bool joins = false;
        for (size_t end = word.size(); end > 0; end = best[end].begin) {
            const std::string_view piece = word.substr(best[end].begin, end - best[end].begin);
            const bool unknown = fuse_unknown_ && best[end].id == unknown_;
            if (unknown && joins)
                pieces.back() = {piece.data(), piece.size() + pieces.back().size()};
            else
                pieces.push_back(piece);
            joins = unknown;
        }
        for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece) append(*piece, ids);
    }

  private:
    void append(std::string_view piece, std::vector<int32_t>& ids) const {
        if (const int32_t id = index_.find(piece); id >= 0) return ids.push_back(id);
        if (byte_fallback_ && append_bytes(bytes_, piece, ids)) return;
        if (unknown_ < 0) fail("tokenizer: \"{}\" has no tokens, and there is no unknown token", piece);
        ids.push_back(unknown_);
    }

    std::vector<double> scores_;
    PrefixIndex prefixes_;
    TokenIndex index_;
    std::array<int32_t, 256> bytes_;
    double unknown_score_;
    int32_t unknown_ = -1;
    bool byte_fallback_, fuse_unknown_;
};

}  // namespace

std::unique_ptr<Model> make_model(const Json& settings, const Vocabulary& v, const Tokens& tokens, bool spell_bytes) {
    const std::string type = settings.at("type");
    if (type == "BPE") return std::make_unique<BytePairs>(settings, tokens, v.merges, spell_bytes);
    if (spell_bytes) fail("pre_tokenizer ByteLevel at the end with model {} is not supported", type);
    if (type == "Unigram") return std::make_unique<Unigram>(settings, tokens, v.scores);
    if (type == "WordPiece") return std::make_unique<WordPieces>(settings, tokens);
    if (type == "WordLevel") return std::make_unique<WordLevel>(settings, tokens);
    fail("model \"{}\" is not supported; supported: BPE, Unigram, WordPiece, WordLevel", type);
}

}  // namespace gremium::pipeline
