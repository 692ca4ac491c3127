// A tokenizer.model; what loads encodes a text, and is written and read again.
#include "text/sentencepiece.h"

#include "fuzz/texts.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    Vocabulary vocabulary = read_sentencepiece_model(text_of(input), "input");
    encode_texts(vocabulary);
    require(read_sentencepiece_model(write_sentencepiece_model(vocabulary), "written") == vocabulary);
}

}  // namespace gremium::fuzz
