#include <algorithm>
#include <utility>

#include "api/c_handles.h"

namespace gremium::api {
namespace {

SessionOptions to_options(const gremium_session_options* options) {
    if (!options) return {};
    return {.context = options->context,
            .prefill_chunk = options->prefill_chunk,
            .cache = to_cache_type(options->cache),
            .arithmetic = to_arithmetic(options->arithmetic),
            .steering = profile_of(options->steering),
            .hooks = hooks_of(options->hook, options->trace)};
}

void give(std::span<const float> logits, const float** out) {
    if (out) *out = logits.data();
}

}  // namespace

// The C enumerations have the numbers of the C++ ones. A number out of range stays so, and is refused in C++.
CacheType to_cache_type(gremium_cache_type type) { return static_cast<CacheType>(std::clamp<unsigned>(type, 0, 255)); }
Arithmetic to_arithmetic(gremium_arithmetic arithmetic) {
    return static_cast<Arithmetic>(std::clamp<unsigned>(arithmetic, 0, 255));
}

GenerateOptions to_options(const gremium_generate_options* options) {
    if (!options) return {};
    GenerateOptions out{.max_tokens = options->max_tokens,
                        .sampler = {.temperature = options->temperature,
                                    .top_k = options->top_k,
                                    .top_p = options->top_p,
                                    .min_p = options->min_p,
                                    .repetition_penalty = options->repetition_penalty,
                                    .repetition_window = options->repetition_window,
                                    .seed = options->seed},
                        .ignore_end = options->ignore_end};
    for (const char* const stop : required(options->stops, options->stop_count, "stops"))
        out.stops.emplace_back(&required(stop, "a stop text"));
    return out;
}

OnText to_callback(gremium_on_text on_text, void* user) {
    if (!on_text) return {};
    return [on_text, user](std::string_view text, int32_t token) {
        return on_text(user, std::string(text).c_str(), text.size(), token);
    };
}

gremium_answer view_of(const Answer& answer) {
    return {.text = answer.text.c_str(),
            .length = answer.text.size(),
            .tokens = answer.tokens.data(),
            .token_count = answer.tokens.size(),
            .finish = static_cast<gremium_finish>(answer.finish)};
}

}  // namespace gremium::api

using namespace gremium::api;

gremium_session_options gremium_default_session_options(void) {
    const gremium::SessionOptions defaults;
    return {.context = defaults.context,
            .prefill_chunk = defaults.prefill_chunk,
            .cache = static_cast<gremium_cache_type>(defaults.cache),
            .arithmetic = static_cast<gremium_arithmetic>(defaults.arithmetic),
            .steering = nullptr,
            .hook = nullptr,
            .trace = nullptr};
}

gremium_generate_options gremium_default_generate_options(void) {
    const gremium::GenerateOptions defaults;
    const gremium::SamplerOptions& sampler = defaults.sampler;
    return {.max_tokens = defaults.max_tokens,
            .temperature = sampler.temperature,
            .top_k = sampler.top_k,
            .top_p = sampler.top_p,
            .min_p = sampler.min_p,
            .repetition_penalty = sampler.repetition_penalty,
            .repetition_window = sampler.repetition_window,
            .seed = sampler.seed,
            .stops = nullptr,
            .stop_count = 0,
            .ignore_end = defaults.ignore_end};
}

gremium_status gremium_memory_estimate(const gremium_engine* engine, const gremium_session_options* options,
                                       gremium_memory* memory, char** error) {
    return guarded(error, [&] {
        const gremium::MemoryEstimate need =
            gremium::memory_estimate(required(engine, "engine").engine, to_options(options));
        required(memory, "memory") = {need.weights, need.converted, need.cache, need.activations};
    });
}

gremium_status gremium_session_open(const gremium_engine* engine, const gremium_session_options* options,
                                    gremium_session** session, char** error) {
    return guarded(error, [&] {
        required(session, "session");
        *session = new gremium_session{gremium::Session(required(engine, "engine").engine, to_options(options)), {}};
    });
}

void gremium_session_close(gremium_session* session) { delete session; }

gremium_status gremium_session_sync(gremium_session* session, const int32_t* tokens, size_t count, const float** logits,
                                    char** error) {
    return guarded(error,
                   [&] { give(required(session, "session").session.sync(required(tokens, count, "tokens")), logits); });
}

gremium_status gremium_session_evaluate(gremium_session* session, const int32_t* tokens, size_t count,
                                        const float** logits, char** error) {
    return guarded(
        error, [&] { give(required(session, "session").session.evaluate(required(tokens, count, "tokens")), logits); });
}

size_t gremium_session_tokens(const gremium_session* session, const int32_t** tokens) {
    if (!session) return 0;
    const std::span<const int32_t> held = session->session.tokens();
    if (tokens) *tokens = held.data();
    return held.size();
}

int64_t gremium_session_capacity(const gremium_session* session) { return session ? session->session.capacity() : 0; }

gremium_status gremium_session_truncate(gremium_session* session, int64_t length, int64_t* left, char** error) {
    return guarded(error, [&] {
        const int64_t kept = required(session, "session").session.truncate(length);
        if (left) *left = kept;
    });
}

gremium_status gremium_session_read_source(gremium_session* session, const int32_t* tokens, size_t count,
                                           char** error) {
    return guarded(error, [&] { required(session, "session").session.read_source(required(tokens, count, "tokens")); });
}

gremium_status gremium_session_steer(gremium_session* session, const gremium_steering* steering,
                                     const gremium_hook* hook, gremium_trace* trace, char** error) {
    return guarded(error,
                   [&] { required(session, "session").session.steer(profile_of(steering), hooks_of(hook, trace)); });
}

gremium_status gremium_session_generate(gremium_session* session, const int32_t* prompt, size_t count,
                                        const gremium_generate_options* options, gremium_on_text on_text, void* user,
                                        gremium_answer* answer, char** error) {
    return guarded(error, [&] {
        gremium_session& s = required(session, "session");
        s.answer =
            s.session.generate(required(prompt, count, "prompt"), to_options(options), to_callback(on_text, user));
        if (answer) *answer = view_of(s.answer);
    });
}
