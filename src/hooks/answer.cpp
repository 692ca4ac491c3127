#include "hooks/answer.h"

#include <utility>

#include "base/error.h"

namespace gremium::hooks {
namespace {

// A continuation begins in the middle of a text; what an encoder read is answered by a text of its own, in which
// special tokens tell the gaps of the source apart.
DecodeOptions decode_options(const Model& model) {
    const bool own_text = model.encoder != nullptr;
    return {.specials = own_text, .at_start = own_text};
}

}  // namespace

Speed& Speed::operator+=(const Speed& other) {
    prefill_tokens += other.prefill_tokens;
    decode_tokens += other.decode_tokens;
    prefill_seconds += other.prefill_seconds;
    decode_seconds += other.decode_seconds;
    return *this;
}

std::string_view name_of(engine::Finish finish) {
    switch (finish) {
        case engine::Finish::end_of_generation:
            return "end";
        case engine::Finish::max_tokens:
            return "length";
        case engine::Finish::context_full:
            return "context";
        case engine::Finish::stopped:
            return "stop";
        case engine::Finish::cancelled:
            return "cancelled";
        case engine::Finish::failed:
            return "failed";
    }
    return "";
}

Answer::Answer(std::shared_ptr<const Model> model, engine::Prompt prompt, AnswerOptions options)
    : model_(std::move(model)),
      prompt_(std::move(prompt)),
      options_(std::move(options)),
      stream_(engine::tokenizer_of(*model_), options_.stop, decode_options(*model_)),
      chain_(hooks()),
      hooked_(!hooks().empty()) {
    engine::check(options_.generate.sampler);
    if (options_.parts) parts_.emplace(engine::tokenizer_of(*model_), prompt_.tokens);
}

// Those who steer come before those who look.
std::vector<moe::RoutingHook*> Answer::hooks() {
    std::vector<moe::RoutingHook*> all;
    if (options_.steering) all.push_back(options_.steering);
    if (options_.watcher) all.push_back(options_.watcher);
    if (options_.explain && !contributions_) contributions_.emplace(model_->spec);
    if (contributions_) all.push_back(&*contributions_);
    if (options_.on_audit && !audit_) audit_.emplace(*model_, options_.on_audit);
    if (audit_) all.push_back(&*audit_);
    return all;
}

void Answer::begin_record(const engine::Session& session) {
    AuditSetup setup = options_.audit;
    setup.model_name = model_->spec.name;
    if (options_.steering) {
        setup.steering = to_toml(options_.steering->profile());
        setup.steering_hash = options_.steering->fingerprint();
    }
    setup.source_tokens = prompt_.source;
    setup.prompt_tokens = prompt_.tokens;
    setup.context = session.capacity();
    setup.generate = options_.generate;
    setup.stop = options_.stop;
    options_.on_audit(to_line(setup));
}

const AnswerResult& Answer::run(engine::PromptCache& cache) {
    if (audit_) begin_record(cache.session());
    const Clock::time_point start = Clock::now();
    Clock::time_point first = start;
    const auto on_token = [&](int32_t token) {
        if (result_.tokens.empty()) first = Clock::now();
        return take(token, cache.session().last_logits());
    };
    const engine::Drafting drafting{options_.drafter.get(), options_.draft_gate};
    const engine::PromptCache::Made made = cache.answer(prompt_, options_.generate, hook(), on_token, drafting);
    result_.kept = made.kept;
    if (!result_.tokens.empty()) {
        const auto seconds = [](auto time) { return std::chrono::duration<double>(time).count(); };
        result_.speed = {.prefill_tokens = static_cast<int64_t>(prompt_.size() - made.kept),
                         .decode_tokens = std::ssize(result_.tokens) - 1,
                         .prefill_seconds = seconds(first - start),
                         .decode_seconds = seconds(Clock::now() - first)};
    }
    if (audit_) audit_->finish();
    end(made.finish);
    return result_;
}

engine::Request Answer::request(std::function<void(const AnswerResult&)> on_finish) {
    if (contributions_ || audit_) fail("an answer beside others can be neither explained nor recorded");
    return {.prompt = prompt_.tokens,
            .source = prompt_.source,
            .generate = options_.generate,
            .drafter = options_.drafter,
            .hook = hook(),
            .on_token = [this](int32_t token) { return take(token, {}); },
            .on_finish =
                [this, on_finish = std::move(on_finish)](engine::Finish finish) {
                    end(finish);
                    on_finish(result_);
                }};
}

bool Answer::take(int32_t token, std::span<const float> logits_V) {
    if (contributions_)
        result_.explained.push_back(attribute(*model_, *contributions_, logits_V, token, runner_up(logits_V, token)));
    if (audit_) audit_->chose(token, logits_V);
    result_.tokens.push_back(token);
    const std::string_view mark = parts_ ? parts_->mark(token) : std::string_view();
    if (!mark.empty()) {
        show_text(stream_.finish());
        show(parts_->change(mark));
    }
    show_text(stream_.push(token));
    const bool more = !options_.on_token || options_.on_token(token);
    return more && stream_.stop().empty();
}

void Answer::end(engine::Finish finish) {
    show_text(stream_.finish());
    if (parts_) show(parts_->finish());
    result_.finish = stream_.stop().empty() ? finish : engine::Finish::stopped;
}

void Answer::show_text(std::string text) {
    if (parts_)
        show(parts_->add(text));
    else if (!text.empty())
        show({{std::move(text), false}});
}

void Answer::show(const engine::AnswerPieces& pieces) {
    const auto position = static_cast<int32_t>(prompt_.tokens.size() + result_.tokens.size()) - 2;
    for (const engine::AnswerPiece& piece : pieces) {
        (piece.thought ? result_.thought : result_.text) += piece.text;
        if (piece.thought && options_.on_thought) options_.on_thought(piece.text);
        if (!piece.thought && options_.on_text) options_.on_text(piece.text, position);
    }
}

}  // namespace gremium::hooks
