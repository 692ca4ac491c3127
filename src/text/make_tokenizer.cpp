// Which tokenizer a vocabulary asks for.
#include "base/error.h"
#include "text/byte_pair.h"
#include "text/pipeline/tokenizer.h"
#include "text/sentencepiece.h"
#include "text/tokenizer.h"
#include "text/unigram.h"

namespace gremium {

std::unique_ptr<Tokenizer> make_tokenizer(Vocabulary vocabulary) {
    if (!vocabulary.pipeline.empty()) return pipeline::make_tokenizer(std::move(vocabulary));
    if (vocabulary.model == "llama") return make_sentencepiece_tokenizer(std::move(vocabulary));
    if (vocabulary.model == "gpt2") return make_byte_pair_tokenizer(std::move(vocabulary));
    if (vocabulary.model == "t5") return make_unigram_tokenizer(std::move(vocabulary));
    fail(
        "tokenizer model \"{}\" is not supported; supported: \"llama\" (SentencePiece BPE), \"gpt2\" "
        "(byte-level BPE), "
        "\"t5\" (SentencePiece unigram)",
        vocabulary.model);
}

}  // namespace gremium
