// The models of tokenizer.json: words to ids.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace gremium::pipeline {

class Model {
  public:
    virtual ~Model() = default;
    virtual void encode(std::string_view word, std::vector<int32_t>& ids) const = 0;
};

// `settings` is the file's "model" without its lists, which are `tokens` and the vocabulary's merges and scores. With
// `spell_bytes` words come as bytes and tokens are spelled in the alphabet of bytes. Keeps views of `tokens`. Throws
// Error that names what is not supported.
std::unique_ptr<Model> make_model(const nlohmann::json& settings, const Vocabulary& vocabulary,
                                  const std::vector<std::string>& tokens, bool spell_bytes);

}  // namespace gremium::pipeline
