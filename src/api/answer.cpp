#include "api/answer.h"

#include <utility>

namespace gremium::api {
namespace {

Finish to_public(engine::Finish finish, bool refused) {
    switch (finish) {
        case engine::Finish::end_of_generation:
            return Finish::end;
        case engine::Finish::max_tokens:
            return Finish::length;
        case engine::Finish::context_full:
            return Finish::context;
        case engine::Finish::stopped:
            return refused ? Finish::callback : Finish::stop;
        case engine::Finish::cancelled:
            return Finish::cancelled;
        case engine::Finish::failed:
            break;
    }
    return Finish::failed;
}

engine::GenerateOptions to_internal(const GenerateOptions& o) {
    return {.max_tokens = o.max_tokens,
            .sampler = {.temperature = o.sampler.temperature,
                        .top_k = o.sampler.top_k,
                        .top_p = o.sampler.top_p,
                        .min_p = o.sampler.min_p,
                        .repetition_penalty = o.sampler.repetition_penalty,
                        .repetition_window = o.sampler.repetition_window,
                        .seed = o.sampler.seed},
            .ignore_end = o.ignore_end};
}

}  // namespace

// The library passes on the text before its token.
hooks::AnswerOptions Delivery::options(const GenerateOptions& options, moe::RoutingHook* hook) {
    hooks::AnswerOptions out;
    out.generate = to_internal(options);
    out.stop = options.stops;
    out.watcher = hook;
    if (!on_text_) return out;
    out.on_text = [this](std::string_view text, int32_t) { text_ += text; };
    out.on_token = [this](int32_t token) {
        refused_ = !on_text_(std::exchange(text_, {}), token);
        return !refused_;
    };
    return out;
}

Answer Delivery::finish(const hooks::AnswerResult& result) {
    if (!text_.empty() && !refused_) on_text_(std::exchange(text_, {}), result.tokens.back());
    return {.text = result.text, .tokens = result.tokens, .finish = to_public(result.finish, refused_)};
}

}  // namespace gremium::api
