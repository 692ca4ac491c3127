// Model: what was loaded. Immutable to users; the trainer owns one whose weights are parameters.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/sampling.h"
#include "model/spec/spec.h"
#include "model/weights.h"
#include "moe/store/contract.h"
#include "text/tokenizer.h"

namespace gremium {

struct Model {
    ModelSpec spec;
    ModelWeights weights;
    std::unique_ptr<moe::ExpertStore> experts;   // null for dense models
    std::shared_ptr<const Model> encoder;        // null unless the specification has one
    std::shared_ptr<const Tokenizer> tokenizer;  // null when the files hold none, or
    std::string tokenizer_error;                 // none that is supported: why, with the file's name
    std::string source;                          // path, for messages
    std::vector<std::string> warnings;           // what its files say that was not understood: a line each
    SamplingDefaults sampling;
    std::shared_ptr<const void> storage;  // keeps mapped files or parameters alive
    int64_t converted_bytes = 0;          // of weights that are held in another form than the file's
};

}  // namespace gremium
