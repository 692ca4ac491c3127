// tokenizer.json, up to a zero byte, and tokenizer_config.json; what loads encodes a text.
#include "fuzz/texts.h"
#include "text/hf_tokenizer.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    static const Folder folder;
    const auto parts = parts_of(input, 2);
    folder.put("tokenizer.json", parts[0]);
    folder.put("tokenizer_config.json", parts[1].empty() ? "{}" : parts[1]);
    encode_texts(read_hf_tokenizer(folder.path()));
}

}  // namespace gremium::fuzz
