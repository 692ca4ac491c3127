#include "text/train_vocabulary.h"

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <unordered_map>

#include "base/error.h"
#include "text/presplit.h"
#include "text/replace.h"
#include "text/sentencepiece.h"

namespace gremium {

namespace {

// libsentencepiece has rules of its own for spaces and tabs: no token holds a tab, or a space other than in front.
// While it learns, characters of private use take their places.
constexpr std::string_view tab_stand_in = "\uE009", space_stand_in = "\uE020";

std::string hide_blanks(std::string_view word) {
    return replaced(replaced(word, "\t", tab_stand_in), " ", space_stand_in);
}

std::string show_blanks(std::string_view token) {
    return replaced(replaced(token, tab_stand_in, "\t"), space_stand_in, space_symbol);
}

// Lines "word<TAB>count", sorted: libsentencepiece's input format "tsv".
std::vector<std::string> count_words(const VocabularyTraining& options, const std::function<bool(std::string&)>& next) {
    std::unordered_map<std::string, int64_t> counts;
    for (std::string sample; next(sample); sample.clear()) {
        for (std::string_view rest = sample; !rest.empty();) {
            const size_t size = first_word(rest, options.split_digits);
            ++counts[std::string(rest.substr(0, size))];
            rest.remove_prefix(size);
        }
    }
    std::vector<std::string> lines;
    lines.reserve(counts.size());
    for (const auto& [word, count] : counts) lines.push_back(fmt::format("{}\t{}", hide_blanks(word), count));
    std::sort(lines.begin(), lines.end());
    return lines;
}

class Lines final : public sentencepiece::SentenceIterator {
  public:
    explicit Lines(std::vector<std::string> lines) : lines_(std::move(lines)) {}

    bool done() const override { return at_ == lines_.size(); }
    void Next() override { ++at_; }
    const std::string& value() const override { return lines_[at_]; }
    sentencepiece::util::Status status() const override { return {}; }

  private:
    std::vector<std::string> lines_;
    size_t at_ = 0;
};

}  // namespace

Vocabulary train_vocabulary(const VocabularyTraining& options, const std::function<bool(std::string&)>& next) {
    Lines words(count_words(options, next));
    if (words.done()) fail("training a vocabulary of {} tokens: there is no text", options.size);
    const std::unordered_map<std::string, std::string> arguments = {
        {"model_type", "bpe"},
        {"input_format", "tsv"},
        {"vocab_size", std::to_string(options.size)},
        {"hard_vocab_limit", options.or_fewer ? "false" : "true"},
        {"character_coverage", fmt::format("{}", options.character_coverage)},
        {"max_sentencepiece_length", std::to_string(options.max_token_length)},
        {"max_sentence_length", std::to_string(1 << 30)},
        {"byte_fallback", "true"},
        {"normalization_rule_name", "identity"},
        {"add_dummy_prefix", "false"},
        {"remove_extra_whitespaces", "false"},
        {"split_by_whitespace", "false"},  // the words are split already
        {"split_by_unicode_script", "false"},
        {"split_by_number", "false"},
        {"split_digits", options.split_digits ? "true" : "false"},
        {"num_threads", std::to_string(options.threads)},
        {"minloglevel", "3"},  // silent
    };
    std::string model;
    const auto status = sentencepiece::SentencePieceTrainer::Train(arguments, &words, &model);
    if (!status.ok()) fail("training a vocabulary of {} tokens: {}", options.size, status.error_message());

    Vocabulary vocabulary = read_sentencepiece_model(model, "trained vocabulary");
    for (std::string& token : vocabulary.tokens) token = show_blanks(token);
    vocabulary.add_space_prefix = options.add_space_prefix;
    return vocabulary;
}

}  // namespace gremium
