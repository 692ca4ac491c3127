// Shows a model texts in windows, for the sake of the hook that watches.
#pragma once

#include <span>
#include <string_view>

#include "engine/arithmetic.h"
#include "model/model.h"
#include "moe/hook.h"

namespace gremium::lab {

struct FeedOptions {
    int64_t window = 0;      // tokens seen together, in windows side by side; 0: the context, at most 2048
    int64_t max_tokens = 0;  // stop after so many; 0: all
    engine::Arithmetic arithmetic = engine::Arithmetic::exact;
    moe::RoutingHook* hook = nullptr;
};

struct Fed {
    int64_t tokens = 0;
    double seconds = 0;  // in forwards; reading and encoding the text not counted
};

// The documents (data/documents.h) behind each other, as training and `eval` see them. One document and one window are
// in memory. Throws Error: no tokenizer, a window beyond the context.
Fed feed(const Model& model, std::span<const std::string_view> documents, const FeedOptions& options);

}  // namespace gremium::lab
