// The vocabularies and expected ids under ../shared/fixtures, for tests that skip themselves where it is
// absent.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "tests/source_directory.h"
#include "text/pre_tokenizers.h"
#include "text/vocabulary.h"

namespace gremium::test {

inline std::filesystem::path fixtures() {
    const char* shared = std::getenv("GREMIUM_SHARED");
    return (shared ? shared : test::source_directory() / "../shared") / "fixtures";
}

// Reads the tokenizer.ggml.* metadata of a trusted, well-formed GGUF file (the room under test links no GGUF
// reader).
class GgufMetadata {
  public:
    explicit GgufMetadata(const std::filesystem::path& path) : bytes_(read_text_file(path)) {
        at_ = 16;  // magic, version, number of tensors
        for (auto n = scalar<uint64_t>(); n > 0; --n) {
            const std::string key = text();
            value(key, scalar<uint32_t>());
        }
    }

    std::map<std::string, std::vector<std::string>> texts;
    std::map<std::string, std::vector<double>> numbers;

    double number(const std::string& key, double fallback) const {
        const auto it = numbers.find(key);
        return it == numbers.end() ? fallback : it->second.at(0);
    }

  private:
    template <typename T>
    T scalar() {
        T value;
        std::memcpy(&value, bytes_.data() + at_, sizeof(T));
        at_ += sizeof(T);
        return value;
    }

    std::string text() {
        const auto size = scalar<uint64_t>();
        at_ += size;
        return bytes_.substr(at_ - size, size);
    }

    void value(const std::string& key, uint32_t type) {
        switch (type) {
            case 0:
            case 1:
            case 7:
                numbers[key].push_back(scalar<uint8_t>());
                break;
            case 2:
            case 3:
                numbers[key].push_back(scalar<uint16_t>());
                break;
            case 4:
                numbers[key].push_back(scalar<uint32_t>());
                break;
            case 5:
                numbers[key].push_back(scalar<int32_t>());
                break;
            case 6:
                numbers[key].push_back(scalar<float>());
                break;
            case 8:
                texts[key].push_back(text());
                break;
            case 9: {
                const auto inner = scalar<uint32_t>();
                for (auto n = scalar<uint64_t>(); n > 0; --n) value(key, inner);
                break;
            }
            case 10:
            case 11:
                numbers[key].push_back(static_cast<double>(scalar<uint64_t>()));
                break;
            default:
                numbers[key].push_back(scalar<double>());
        }
    }

    std::string bytes_;
    size_t at_ = 0;
};

// With the defaults of SentencePiece and byte-level BPE vocabularies in GGUF.
inline Vocabulary read_gguf_vocabulary(const std::filesystem::path& path) {
    GgufMetadata gguf(path);
    const auto key = [](const char* name) { return std::string("tokenizer.ggml.") + name; };
    const auto id = [&](const char* name, int fallback) {
        return static_cast<int32_t>(gguf.number(key(name), fallback));
    };
    Vocabulary v;
    v.model = gguf.texts[key("model")].at(0);
    const bool sentencepiece = v.model == "llama";
    v.tokens = gguf.texts[key("tokens")];
    v.merges = gguf.texts[key("merges")];
    for (double score : gguf.numbers[key("scores")]) v.scores.push_back(static_cast<float>(score));
    for (double type : gguf.numbers[key("token_type")]) v.types.push_back(static_cast<TokenType>(type));
    v.bos = id("bos_token_id", sentencepiece ? 1 : 11), v.eos = id("eos_token_id", sentencepiece ? 2 : 11);
    v.unk = id("unknown_token_id", sentencepiece ? 0 : -1);
    v.add_bos = gguf.number(key("add_bos_token"), sentencepiece) != 0;
    v.add_eos = gguf.number(key("add_eos_token"), 0) != 0;
    v.add_space_prefix = gguf.number(key("add_space_prefix"), sentencepiece) != 0;
    if (!sentencepiece) {
        v.pre = gguf.texts[key("pre")].at(0);
        v.ignore_merges = pre_tokenizer(v.pre).ignore_merges;
    }
    return v;
}

}  // namespace gremium::test
