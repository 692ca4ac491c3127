#include "text/pipeline/tokenizer.h"

#include "base/error.h"
#include "text/pipeline/added_tokens.h"
#include "text/pipeline/models.h"
#include "text/pipeline/pre_tokenizers.h"
#include "text/words.h"

namespace gremium::pipeline {

namespace {

using Json = nlohmann::json;

// Special to us is also what looks so and is not marked: users' text must not become it.
std::vector<AddedToken> added_tokens(const Json& file, const Vocabulary& v) {
    std::vector<AddedToken> tokens;
    for (const Json& token : file.value("added_tokens", Json::array())) {
        const auto id = token.at("id").get<int32_t>();
        const bool special = token.value("special", false);
        const TokenType type = v.types.at(static_cast<size_t>(id));
        tokens.push_back({.id = id,
                          .text = token.at("content").get<std::string>(),
                          .single_word = token.value("single_word", false),
                          .lstrip = token.value("lstrip", false),
                          .rstrip = token.value("rstrip", false),
                          .normalized = token.value("normalized", !special),
                          .special = special || type == TokenType::control || type == TokenType::unknown});
    }
    return tokens;
}

class PipelineTokenizer final : public Tokenizer {
  public:
    PipelineTokenizer(Vocabulary given, const Json& file)
        : Tokenizer(std::move(given)),
          normalizers_(file.value("normalizer", Json())),
          pre_tokenizers_(file.value("pre_tokenizer", Json())),
          added_(added_tokens(file, vocabulary()), normalizers_),
          tokens_(original_tokens(vocabulary(), file)),
          model_(make_model(file.at("model"), vocabulary(), tokens_, pre_tokenizers_.spell_bytes())),
          words_(vocabulary().tokens.size()) {
        const Vocabulary& v = vocabulary();
        const Json decoder = decoder_of(file);
        pieces_ = decoded_pieces(decoder, tokens_);
        // Special tokens are their text; the alphabet of bytes is not that of added tokens.
        const bool spells_bytes = decoder.dump().find("\"ByteLevel\"") != std::string::npos;
        for (size_t id = 0; id < tokens_.size(); ++id) {
            const TokenType type = v.types[id];
            if (type == TokenType::control || type == TokenType::unknown ||
                (type == TokenType::user_defined && spells_bytes))
                pieces_[id] = tokens_[id];
        }
        before_ = file.value("before", std::vector<int32_t>());
        behind_ = file.value("behind", std::vector<int32_t>());
    }

  private:
    void encode_text(std::string_view text, const EncodeOptions& options, std::vector<int32_t>& ids) const override {
        Texts made;
        WordCache cache(words_);
        bool at_start = true;
        const auto word = [&](std::string_view piece, bool) {
            cache.append(piece, ids, [&] { model_->encode(piece, ids); });
        };
        const auto token = [&](int32_t id) {
            ids.push_back(id);
            at_start = false;
        };
        const auto trusted = [&](std::string_view place) {
            return options.parse_special && !is_untrusted(text, place, options);
        };
        added_.cut(AddedTokens::raw, text, trusted, [&](std::string_view part, int32_t id) {
            if (id >= 0) return token(id);
            const bool all_trusted = trusted(part);  // normalised text no longer says what came from where
            if (!normalizers_.empty()) part = made.emplace_back(normalizers_(part));
            const auto special = [&](std::string_view) { return all_trusted; };
            added_.cut(AddedTokens::normalized, part, special, [&](std::string_view piece, int32_t found) {
                if (found >= 0) return token(found);
                pre_tokenizers_.split(piece, at_start, made, word);
                at_start = false;
            });
        });
    }

    void encode_fragment(std::string_view text, bool, std::vector<int32_t>& ids) const override {
        encode_text(text, {.parse_special = false}, ids);
    }

    Normalizers normalizers_;
    PreTokenizers pre_tokenizers_;
    AddedTokens added_;
    std::vector<std::string> tokens_;
    std::unique_ptr<Model> model_;
    TokenWords words_;  // holds none: only what was seen counts
};

}  // namespace

std::vector<std::string> original_tokens(const Vocabulary& v, const Json& file) {
    std::vector<std::string> tokens = v.tokens;
    const auto respelled = file.at("model").value("respelled", std::vector<std::pair<size_t, std::string>>());
    for (const auto& [id, text] : respelled) tokens.at(id) = text;
    return tokens;
}

std::unique_ptr<Tokenizer> make_tokenizer(Vocabulary vocabulary) {
    const Json file = Json::parse(vocabulary.pipeline);
    return std::make_unique<PipelineTokenizer>(std::move(vocabulary), file);
}

}  // namespace gremium::pipeline
