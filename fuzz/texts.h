// Short texts for vocabularies that were accepted.
#pragma once

#include "fuzz/target.h"
#include "text/tokenizer.h"

namespace gremium::fuzz {

// Encodes each with and without special tokens, decodes the ids, and says the pieces.
inline void encode_texts(Vocabulary vocabulary) {
    static constexpr std::string_view texts[] = {"",
                                                 "Hello world",
                                                 "  a\n\tb  12345 </s><s> it's",
                                                 "na\xc3\xafve \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80 e\xcc\x81",
                                                 "\xff\x80 broken \xc3",
                                                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    const auto tokenizer = make_tokenizer(std::move(vocabulary));
    for (const std::string_view text : texts)
        for (const bool specials : {false, true}) {
            const auto ids = tokenizer->encode(text, {.parse_special = specials});
            for (const int32_t id : ids) require(id >= 0 && id < tokenizer->vocabulary().size());
            const std::string decoded = tokenizer->decode(ids, {.specials = specials});
            StreamingDecoder stream(*tokenizer, {.specials = specials});
            std::string streamed;
            for (const int32_t id : ids) streamed += stream.push(id);
            streamed += stream.flush();
            require(streamed.size() >= decoded.size());  // what is no UTF-8 becomes U+FFFD, of three bytes
        }
}

}  // namespace gremium::fuzz
