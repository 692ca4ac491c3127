#include "text/train_vocabulary.h"

#include <sentencepiece_trainer.h>

#include <unordered_map>

#include "base/error.h"
#include "text/replace.h"
#include "text/sentencepiece.h"

namespace gremium {

namespace {

// libsentencepiece keeps tabs for itself and never puts one into a piece. A character of private use takes their place
// while it learns. (Sample text that holds it already only counts some tabs too many.)
constexpr std::string_view tab_stand_in = "\uE009";

class Samples final : public sentencepiece::SentenceIterator {
  public:
    explicit Samples(const std::function<bool(std::string&)>& next) : next_(next) { Next(); }

    bool done() const override { return done_; }
    const std::string& value() const override { return text_; }
    sentencepiece::util::Status status() const override { return {}; }
    void Next() override {
        text_.clear();
        done_ = !next_(text_);
        text_ = replaced(text_, "\t", tab_stand_in);
    }

  private:
    const std::function<bool(std::string&)>& next_;
    std::string text_;
    bool done_ = false;
};

}  // namespace

Vocabulary train_vocabulary(const VocabularyTraining& options,
                            const std::function<bool(std::string&)>& next) {
    const std::unordered_map<std::string, std::string> arguments = {
        {"model_type", "bpe"},
        {"vocab_size", std::to_string(options.size)},
        {"character_coverage", fmt::format("{}", options.character_coverage)},
        {"byte_fallback", "true"},
        {"split_digits", options.split_digits ? "true" : "false"},
        {"allow_whitespace_only_pieces", "true"},
        {"max_sentencepiece_length", std::to_string(options.max_token_length)},
        {"max_sentence_length", std::to_string(1 << 30)},
        {"normalization_rule_name", "identity"},
        {"remove_extra_whitespaces", "false"},
        {"add_dummy_prefix", options.add_space_prefix ? "true" : "false"},
        {"num_threads", "1"},
        {"minloglevel", "3"},  // silent
    };
    Samples samples(next);
    std::string model;
    const auto status = sentencepiece::SentencePieceTrainer::Train(arguments, &samples, &model);
    if (!status.ok()) fail("training a vocabulary of {} tokens: {}", options.size, status.error_message());

    Vocabulary vocabulary = read_sentencepiece_model(model, "trained vocabulary");
    for (std::string& token : vocabulary.tokens) token = replaced(token, tab_stand_in, "\t");
    return vocabulary;
}

}  // namespace gremium
