#include "engine/session.h"

#include <algorithm>

#include "base/error.h"
#include "base/memory.h"
#include "engine/logits.h"
#include "engine/memory.h"

namespace gremium::engine {

namespace {

int64_t context_of(const Model& model, const SessionOptions& options) {
    const MemoryOptions memory = memory_options(model, options);
    if (options.context == 0) return fitting_context(model, memory, available_memory() / 2);
    require_memory(model, memory, available_memory());
    return memory.context;
}

}  // namespace

MemoryOptions memory_options(const Model& model, const SessionOptions& options) {
    if (options.prefill_chunk < 1) fail("a prefill chunk of {} tokens, expected at least 1", options.prefill_chunk);
    if (options.context < 0) fail("a context of {} tokens, expected at least 1", options.context);
    const int64_t context = options.context > 0 ? options.context : model.spec.context;
    return {.context = context,
            .chunk = std::min(options.prefill_chunk, context),
            .logit_rows = std::min<int64_t>(logit_rows, context),
            .cache = options.cache,
            .compute = options.compute};
}

Session::Session(std::shared_ptr<const Model> model, SessionOptions options)
    : model_(std::move(model)),
      options_(std::move(options)),
      timeline_(KvCache(model_->spec, context_of(*model_, options_), options_.cache), options_.hook) {}

void Session::require_room(int64_t count) const {
    if (count > capacity() - length())
        fail("{} tokens do not fit: the context holds {}, {} are taken", count, capacity(), length());
}

// Calls on_chunk(step, first position, tokens) after each chunk of tokens.
template <typename OnChunk>
void Session::run(std::span<const int32_t> tokens, OnChunk&& on_chunk) {
    const auto count = static_cast<int64_t>(tokens.size());
    require_room(count);
    for (int64_t begin = 0; begin < count; begin += options_.prefill_chunk) {
        const auto chunk = tokens.subspan(static_cast<size_t>(begin),
                                          static_cast<size_t>(std::min(options_.prefill_chunk, count - begin)));
        if (count > 1 && options_.cancelled && options_.cancelled()) fail("the evaluation was cancelled");
        const int64_t first = length();
        const Due due{&timeline_, chunk};
        Step step(arena_, *model_, options_.compute, std::span(&due, 1));
        on_chunk(step, first, chunk.size());
    }
}

void Session::encode(std::span<const int32_t> source) {
    if (model_->encoder) truncate(0);
    read_source(arena_, *model_, source, options_.compute, timeline_.cache());
}

std::span<const float> Session::evaluate(std::span<const int32_t> tokens) {
    if (tokens.empty()) fail("{}: nothing to evaluate", model_->source);
    const int64_t end = length() + static_cast<int64_t>(tokens.size());
    run(tokens, [&](Step& step, int64_t first, size_t count) {
        if (first + static_cast<int64_t>(count) < end) return;
        const auto last = static_cast<int32_t>(count - 1);
        const Tensor row = step.logits(std::span(&last, 1));
        logits_.assign(row.f32(), row.f32() + row.count());
    });
    return logits_;
}

Tensor Session::evaluate_apart(std::span<const int32_t> tokens, int64_t rows) {
    const auto count = static_cast<int64_t>(tokens.size());
    if (count == 0) fail("{}: nothing to evaluate", model_->source);
    require_room(count);
    timeline_.cache().keep();
    const Due due{.timeline = &timeline_, .tokens = tokens, .apart = true};
    Step step(arena_, *model_, options_.compute, std::span(&due, 1));
    return step.logits(rows_from(count - rows, rows));
}

void Session::evaluate_all(std::span<const int32_t> tokens,
                           const std::function<void(int64_t, std::span<const float>)>& on_row) {
    run(tokens, [&](Step& step, int64_t first, size_t) {
        step.each_logits([&](int64_t row, std::span<const float> logits_V) { on_row(first + row, logits_V); });
    });
}

}  // namespace gremium::engine
