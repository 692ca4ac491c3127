#include "data/token_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/parallel.h"

namespace gremium::data {
namespace {

constexpr std::string_view magic = "GREMTOK2", magic_without_hash = "GREMTOK1";
constexpr size_t round = 4096;  // documents encoded before they are written: bounds the memory

struct Counts {
    uint64_t width, vocab, tokens, text_bytes, documents;
};
struct Footer {
    Counts counts;
    std::array<char, 32> vocabulary;
    std::array<char, 8> magic;
};
static_assert(sizeof(Footer) == 80);
constexpr size_t footer_without_hash = sizeof(Counts) + magic.size();

// How long the footer is; 0: there is none.
size_t footer_size(std::span<const std::byte> file) {
    const auto ends_with = [&](std::string_view word, size_t size) {
        return file.size() >= size && std::memcmp(file.last(word.size()).data(), word.data(), word.size()) == 0;
    };
    if (ends_with(magic, sizeof(Footer))) return sizeof(Footer);
    return ends_with(magic_without_hash, footer_without_hash) ? footer_without_hash : 0;
}

template <typename Id>
void append(AtomicFile& file, const std::vector<int32_t>& ids) {
    std::vector<Id> narrow(ids.begin(), ids.end());
    file.write(std::as_bytes(std::span(narrow)));
}

template <typename Id>
void widen(const std::byte* in, std::span<int32_t> out) {
    for (size_t i = 0; i < out.size(); ++i) {
        Id id;
        std::memcpy(&id, in + i * sizeof(Id), sizeof(Id));
        out[i] = static_cast<int32_t>(id);
    }
}

}  // namespace

std::string hash_of_tokens(const Vocabulary& vocabulary) {
    std::string text;
    for (const std::string& token : vocabulary.tokens) text += fmt::format("{}:{}", token.size(), token);
    return content_hash(std::as_bytes(std::span(text)));
}

TokenFile::TokenFile(const std::filesystem::path& path, int vocab, std::string_view tokens)
    : file_(path), vocab_(vocab) {
    const std::span<const std::byte> bytes = file_.bytes();
    const size_t size = footer_size(bytes);
    if (size == 0) fail("{}: not a token file (\"{}\" expected at its end)", path.string(), magic);
    names_vocabulary_ = size == sizeof(Footer);
    Counts footer{};
    std::memcpy(&footer, bytes.last(size).data(), sizeof footer);
    if (footer.width != 2 && footer.width != 4) {
        fail("{}: {} bytes a token, 2 or 4 expected", path.string(), footer.width);
    }
    const uint64_t room = bytes.size() - size;
    if (footer.tokens != room / footer.width || room % footer.width != 0) {
        fail("{}: its footer promises {} tokens, the file holds {} bytes of them", path.string(), footer.tokens, room);
    }
    if (footer.vocab != static_cast<uint64_t>(vocab)) {
        fail("{}: made with a vocabulary of {} tokens, the tokenizer has {}", path.string(), footer.vocab, vocab);
    }
    const auto* made_with = reinterpret_cast<const char*>(bytes.last(size).data() + sizeof footer);
    if (names_vocabulary_ && !tokens.empty() && tokens != std::string_view(made_with, tokens.size()))
        fail("{}: made with another vocabulary of {} tokens than the tokenizer's", path.string(), vocab);
    constexpr uint64_t limit = std::numeric_limits<int64_t>::max();
    if (footer.text_bytes > limit || footer.documents > limit) fail("{}: damaged footer", path.string());
    width_ = static_cast<int>(footer.width);
    tokens_ = static_cast<int64_t>(footer.tokens);
    text_bytes_ = static_cast<int64_t>(footer.text_bytes);
    documents_ = static_cast<int64_t>(footer.documents);
}

void TokenFile::read(int64_t begin, std::span<int32_t> out) const {
    if (begin < 0 || begin > tokens_ || static_cast<int64_t>(out.size()) > tokens_ - begin) {
        fail("{}: tokens {} to {} asked for, there are {}", path().string(), begin,
             begin + static_cast<int64_t>(out.size()), tokens_);
    }
    const std::byte* in = file_.bytes().data() + begin * width_;
    if (width_ == 2)
        widen<uint16_t>(in, out);
    else
        widen<uint32_t>(in, out);
    for (size_t i = 0; i < out.size(); ++i) {
        if (out[i] < 0 || out[i] >= vocab_) {
            fail("{}: token {} is {}, outside the vocabulary of {}", path().string(), begin + static_cast<int64_t>(i),
                 out[i], vocab_);
        }
    }
}

std::vector<int32_t> encode_document(const Tokenizer& tokenizer, std::string_view document) {
    const Vocabulary& vocabulary = tokenizer.vocabulary();
    std::vector<int32_t> ids = tokenizer.encode(document, {.parse_special = false});
    if (vocabulary.eos >= 0 && !vocabulary.add_eos) ids.push_back(vocabulary.eos);
    return ids;
}

void write_token_file(const std::filesystem::path& path, const Tokenizer& tokenizer,
                      std::span<const std::string_view> documents) {
    const Vocabulary& vocabulary = tokenizer.vocabulary();
    const bool narrow = vocabulary.size() <= 65536;
    Footer footer{};
    std::memcpy(footer.magic.data(), magic.data(), magic.size());
    const std::string tokens = hash_of_tokens(vocabulary);
    std::memcpy(footer.vocabulary.data(), tokens.data(), footer.vocabulary.size());
    Counts& counts = footer.counts;
    counts.width = narrow ? 2 : 4;
    counts.vocab = static_cast<uint64_t>(vocabulary.size());
    counts.documents = documents.size();

    AtomicFile file(path);
    std::vector<std::vector<int32_t>> encoded(round);
    for (size_t begin = 0; begin < documents.size(); begin += round) {
        const size_t count = std::min(round, documents.size() - begin);
        parallel_for(static_cast<int64_t>(count),
                     [&](int64_t i) { encoded[i] = encode_document(tokenizer, documents[begin + i]); });
        for (size_t i = 0; i < count; ++i) {
            if (narrow)
                append<uint16_t>(file, encoded[i]);
            else
                append<uint32_t>(file, encoded[i]);
            counts.tokens += encoded[i].size();
            counts.text_bytes += documents[begin + i].size() + 1;
        }
    }
    file.write(std::as_bytes(std::span(&footer, 1)));
    file.commit();
}

int64_t predicted_bytes(const Tokenizer& tokenizer, std::span<const int32_t> ids) {
    const Vocabulary& vocabulary = tokenizer.vocabulary();
    int64_t bytes = 0;
    bool starts_document = true;
    for (size_t i = 0; i < ids.size(); ++i) {
        int64_t size = 0;
        if (ids[i] == vocabulary.eos) {
            size = 1;
            starts_document = true;
        } else if (ids[i] != vocabulary.bos) {
            size = static_cast<int64_t>(tokenizer.piece(ids[i]).size());
            if (starts_document && vocabulary.add_space_prefix) --size;
            starts_document = false;
        }
        if (i > 0) bytes += size;
    }
    return bytes;
}

}  // namespace gremium::data
