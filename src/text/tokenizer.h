// Text to token ids and back. One interface; the kinds (SentencePiece BPE, …) are siblings behind
// make_tokenizer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/prefix_index.h"
#include "text/text_range.h"
#include "text/vocabulary.h"

namespace gremium {

struct EncodeOptions {
    bool add_bos_eos = true;    // as the vocabulary's add_bos and add_eos say
    bool parse_special = true;  // the literal text of control tokens becomes the token; false for untrusted text
    // Untrusted parts of the text, in order: no control token is made of what lies in one, if only by a byte.
    std::span<const TextRange> untrusted = {};
};

struct DecodeOptions {
    bool specials = false;  // show control and unknown tokens as their text
    bool at_start = true;   // the ids begin a text: take off the space that encode put there. False for a continuation
};

// A token that is found by its text before anything else is encoded.
struct SpecialToken {
    int32_t id;
    bool always;                   // also when control tokens are not parsed
    bool strip_left, strip_right;  // swallows the white space beside it
};

// The control token that a chat template writes first behind an answer which another message follows; -1: none.
int32_t end_of_template(const Vocabulary& vocabulary, std::string_view chat_template);

// Immutable: one tokenizer serves all threads.
class Tokenizer {
  public:
    explicit Tokenizer(Vocabulary vocabulary);
    virtual ~Tokenizer() = default;

    // Ids equal llama.cpp's for the same vocabulary. Any bytes are text: what is not UTF-8 becomes byte
    // tokens.
    std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options = {}) const;

    // The inverse: decode(encode(text)) == text, byte for byte, when the vocabulary has byte tokens and the
    // text holds no U+2581, which SentencePiece cannot tell from a space. Ids out of range throw Error.
    std::string decode(std::span<const int32_t> ids, const DecodeOptions& options = {}) const;

    // What one token stands for, as bytes: spaces as ' ', byte tokens as that byte, special tokens as their
    // text.
    std::string_view piece(int32_t id) const;

    const Vocabulary& vocabulary() const { return vocabulary_; }
    bool is_end_of_generation(int32_t id) const;
    // All that do, in order: what the vocabulary's metadata names, names of published vocabularies, and the control
    // token that the chat template writes behind an answer.
    const std::vector<int32_t>& ends_of_generation() const { return end_of_generation_; }

    // Appends one token's text to `out`; `at_start` says whether a text begins here, and is kept up to date.
    void append_piece(int32_t id, bool specials, bool& at_start, std::string& out) const;

  protected:
    // Appends the ids of a text, special tokens among them, without what begins and ends a text.
    virtual void encode_text(std::string_view text, const EncodeOptions& options, std::vector<int32_t>& ids) const;
    // Whether a part of the text lies in an untrusted range, if only by a byte.
    static bool is_untrusted(std::string_view text, std::string_view part, const EncodeOptions& options);

    // Appends the ids of a piece of text without special tokens. `starts_text`: the first, or after a special
    // token.
    virtual void encode_fragment(std::string_view text, bool starts_text, std::vector<int32_t>& ids) const = 0;

    std::vector<std::string> pieces_;  // by id; filled by the kind's constructor
    // Around a text; empty: BOS and EOS, as the vocabulary says.
    std::vector<int32_t> before_, behind_;

  private:
    std::vector<bool> occurring_specials(std::string_view text) const;  // as specials_

    Vocabulary vocabulary_;
    std::vector<SpecialToken> specials_;  // longest text first
    PrefixIndex special_index_;           // to places in specials_
    std::vector<int32_t> end_of_generation_;
};

// Chooses by vocabulary.model; validates. Throws Error that lists what is supported.
std::unique_ptr<Tokenizer> make_tokenizer(Vocabulary vocabulary);

// Text as ids arrive, always whole UTF-8 characters: an unfinished one waits for its next byte, bytes that
// cannot become one are U+FFFD. push(…) + … + flush() is decode(…) when that is valid UTF-8.
class StreamingDecoder {
  public:
    explicit StreamingDecoder(const Tokenizer& tokenizer, const DecodeOptions& options = {})
        : tokenizer_(&tokenizer), specials_(options.specials), at_start_(options.at_start) {}

    std::string push(int32_t id);  // the text that is certain now; often empty in the middle of a character
    std::string flush();           // what was unfinished, at the end

  private:
    const Tokenizer* tokenizer_;
    bool specials_, at_start_;
    std::string pending_;  // bytes that are not yet text
};

}  // namespace gremium
