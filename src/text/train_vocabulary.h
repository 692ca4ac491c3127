// Trains a SentencePiece BPE vocabulary that can spell every text, code included.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "text/vocabulary.h"

namespace gremium {

struct VocabularyTraining {
    int32_t size = 4096;                 // tokens in all, with <unk>, <s>, </s> and the 256 bytes
    bool or_fewer = false;               // where the samples do not hold so many; else that is an Error
    double character_coverage = 0.9995;  // characters beyond this share of the samples are spelled as bytes
    bool split_digits = true;            // every digit is a token by itself; else up to three
    bool add_space_prefix = false;       // false: the first word of a text is spelled as at the start of a line
    int32_t max_token_length = 24;       // characters
    int threads = 1;                     // changes no bit of the result, and little of the time
};

// `next` fills its argument with the next sample (any bytes; the end of a sample is a cut) and returns false at the
// end. Samples are reduced to counted words as they come, so memory grows with the number of different words only. The
// result depends on the bag of samples alone. Takes about 10 s for 32 MB. Throws Error when the samples are too few.
//
// Unlike SentencePiece's own splitting, the words of first_word (text/presplit.h) let tokens hold tabs, line ends with
// the indentation after them (":\n    ") and a punctuation mark before letters (".append"): 9 % fewer tokens of C and
// Python. llama.cpp needs nothing but the vocabulary to find the same ids.
Vocabulary train_vocabulary(const VocabularyTraining& options, const std::function<bool(std::string&)>& next);

}  // namespace gremium
