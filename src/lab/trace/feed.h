// Runs a model on texts in windows, for a hook that observes it.
#pragma once

#include <span>
#include <string_view>

#include "engine/arithmetic.h"
#include "model/model.h"
#include "moe/hook.h"

namespace gremium::lab {

struct FeedOptions {
    int64_t window = 0;      // tokens per window; 0: the model's context, at most 2048
    int64_t max_tokens = 0;  // stop after this many tokens; 0: read all
    engine::Arithmetic arithmetic = engine::Arithmetic::exact;
    moe::RoutingHook* hook = nullptr;
};

struct Fed {
    int64_t tokens = 0;
    double seconds = 0;  // in forwards, without reading and tokenising the text
};

// The documents (data/documents.h) one after the other, as training and `eval` see them. Only one document and one
// window are in memory. Throws Error: no tokenizer, a window longer than the context.
Fed feed(const Model& model, std::span<const std::string_view> documents, const FeedOptions& options);

}  // namespace gremium::lab
