// Trains a SentencePiece BPE vocabulary that can spell every text, code included.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "text/vocabulary.h"

namespace gremium {

struct VocabularyTraining {
    int32_t size = 8192;                 // tokens in all, with <unk>, <s>, </s> and the 256 bytes
    double character_coverage = 0.9995;  // characters beyond it are spelled as bytes
    bool split_digits = true;            // every digit is a token
    bool add_space_prefix = true;
    int32_t max_token_length = 16;  // characters
    int threads = 1;                // changes no bit of the result
};

// `next` fills its argument with the next sample of text (any bytes, any length) and returns false at the
// end. Memory is a few times the samples': some 10 MB of text is plenty. The same samples in the same order
// give the same result.
Vocabulary train_vocabulary(const VocabularyTraining& options, const std::function<bool(std::string&)>& next);

}  // namespace gremium
