#include "engine/scheduler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "engine/memory.h"
#include "ops/ops.h"

namespace gremium::engine {

struct Scheduler::Sequence {
    Id id;
    Request request;
    Continuation answer;
    Timeline timeline;
    int64_t bytes;                               // of memory that it holds
    uint64_t turn = 0;                           // the sequence with the lowest turn reads its prompt next
    std::vector<int32_t> text = request.prompt;  // with the answer so far
    std::vector<int32_t> drafts = {};            // of what comes next
    std::vector<int32_t> next = {};  // what comes next: one token, and one more for each draft that was right
    int64_t accepted = 0;            // of the drafts
    std::vector<int32_t> due_tokens = {};

    bool reads() const { return timeline.length() < std::ssize(request.prompt); }
    // The tokens of its prompt that it evaluates next, at most `most`.
    Due due_prompt(int64_t most) {
        const auto rest = std::span(request.prompt).subspan(static_cast<size_t>(timeline.length()));
        return {&timeline, rest.first(std::min(rest.size(), static_cast<size_t>(most)))};
    }
    // The tokens of the answer that its cache does not hold, most often one, and drafts behind them.
    Due due_answer(int drafts_wanted) {
        drafts.clear();
        const int64_t room = timeline.cache().capacity() - std::ssize(text);
        const auto most = static_cast<int>(std::min<int64_t>({drafts_wanted, answer.left() - 1, room}));
        if (most > 0 && drafted()) drafts = request.drafter->draft(text, most);
        due_tokens.assign(text.begin() + timeline.length(), text.end());
        due_tokens.insert(due_tokens.end(), drafts.begin(), drafts.end());
        const bool apart = due_tokens.size() > 1;
        if (apart) timeline.cache().keep();
        return {&timeline, due_tokens, apart};
    }
    bool drafted() const { return request.drafter && !request.hook; }

    // Chooses what comes next from the logits after the text and after each draft that was right.
    void choose(Tensor logits_RV) {
        next.clear();
        for (int64_t r = 0; r < logits_RV.rows(); ++r) {
            const std::span<const float> logits_V(logits_RV.f32() + r * logits_RV.cols(),
                                                  static_cast<size_t>(logits_RV.cols()));
            const std::optional<int32_t> token = answer.next(logits_V);
            if (!token) break;
            next.push_back(*token);
            if (r < std::ssize(drafts) && *token != drafts[static_cast<size_t>(r)]) break;
        }
        accepted = std::ranges::mismatch(next, drafts).in1 - next.begin();
        timeline.cache().truncate(timeline.cache().reachable(std::ssize(text) + accepted));
    }
};

// The work of one step.
struct Scheduler::Work {
    std::vector<Due> due = {};
    std::vector<Sequence*> ready = {};  // the sequences that get new tokens
    std::vector<int32_t> rows = {};     // whose logits decide them: of each sequence, one and its drafts'
    int32_t tokens = 0;                 // due
    bool prompts = false;               // some are of prompts
    DraftGate::Outcome outcome{.sequences = 0};

    void add(Sequence& s, const Due& own) {
        due.push_back(own);
        tokens += static_cast<int32_t>(own.tokens.size());
        if (s.timeline.length() + std::ssize(own.tokens) < std::ssize(s.request.prompt)) return;
        ready.push_back(&s);
        for (auto row = static_cast<int32_t>(tokens - std::ssize(s.drafts) - 1); row < tokens; ++row)
            rows.push_back(row);
    }
};

Scheduler::Scheduler(std::shared_ptr<const Model> model, SchedulerOptions options)
    : model_(std::move(model)), options_(options), gate_(options.drafts) {
    if (options.drafts < 0) fail("drafts of {} tokens, expected at least 0", options.drafts);
    if (options.sequences < 1) fail("{} sequences at a time, expected at least 1", options.sequences);
    if (options.prefill_chunk < 1) fail("a prefill chunk of {} tokens, expected at least 1", options.prefill_chunk);
    if (options.context < 0) fail("a context of {} tokens, expected at least 1", options.context);
    memory_ = options.memory > 0 ? options.memory : available_memory() / 2;
    MemoryOptions need{.context = options.context > 0 ? options.context : model_->spec.context,
                       .chunk = options.prefill_chunk + options.sequences * (1 + options.drafts),
                       .logit_rows = options.sequences * (1 + options.drafts),
                       .cache = options.cache,
                       .compute = options.compute};
    if (options.context == 0) need.context = fitting_context(*model_, need, memory_);
    require_memory(*model_, need, memory_);
    context_ = need.context;
    memory_ -= memory_need(*model_, need).activations;
    slots_.resize(static_cast<size_t>(options.sequences));
}

Scheduler::~Scheduler() {
    for (size_t slot = 0; slot < slots_.size(); ++slot)
        if (slots_[slot]) finish(slot, Finish::cancelled);
    for (const Waiting& w : waiting_)
        if (w.request.on_finish) w.request.on_finish(Finish::cancelled);
}

// The last generated token is never evaluated, so it needs no place in the cache.
int64_t Scheduler::tokens_of(const Request& request) const {
    const int64_t prompt = std::ssize(request.prompt), left = context_ - prompt;
    if (request.generate.max_tokens < 0) return prompt + left;
    return prompt + std::clamp<int64_t>(request.generate.max_tokens - 1, 0, left);
}

int64_t Scheduler::bytes_of(const Request& request) const {
    return KvCache::bytes(model_->spec, tokens_of(request), options_.cache);
}

Scheduler::Id Scheduler::submit(Request request) {
    const auto check = [&](std::span<const int32_t> ids) {
        for (const int32_t id : ids)
            if (id < 0 || id >= model_->spec.vocab)
                fail("{}: token id {} is outside the vocabulary of {}", model_->source, id, model_->spec.vocab);
    };
    check(request.prompt);
    check(request.source);
    if (request.source.empty() == (model_->encoder != nullptr))
        fail("{}: {}", model_->source,
             model_->encoder ? "an encoder-decoder model needs a source" : "has no encoder to read a source");
    if (request.drafter && options_.drafts == 0) fail("a request with a drafter, but no drafts are allowed");
    // Throws now what begin() would throw later.
    Continuation(nullptr, request.prompt, request.generate);
    if (std::ssize(request.prompt) > context_)
        fail("a prompt of {} tokens does not fit into a context of {}", request.prompt.size(), context_);
    const std::lock_guard lock(mutex_);
    waiting_.push_back({++last_, std::move(request)});
    return last_;
}

void Scheduler::cancel(Id id) {
    const std::lock_guard lock(mutex_);
    cancelled_.push_back(id);
}

int64_t Scheduler::running() const {
    return std::ranges::count_if(slots_, [](const auto& sequence) { return sequence != nullptr; });
}

int64_t Scheduler::waiting() const {
    const std::lock_guard lock(mutex_);
    return std::ssize(waiting_);
}

void Scheduler::finish(size_t slot, Finish how) {
    const std::unique_ptr<Sequence> sequence = std::move(slots_[slot]);
    memory_ += sequence->bytes;
    if (sequence->request.on_finish) sequence->request.on_finish(how);
}

void Scheduler::drop_cancelled() {
    std::vector<Waiting> gone;
    std::vector<Id> ids;
    {
        const std::lock_guard lock(mutex_);
        ids.swap(cancelled_);
        for (const Id id : ids) {
            const auto found = std::ranges::find(waiting_, id, &Waiting::id);
            if (found == waiting_.end()) continue;
            gone.push_back(std::move(*found));
            waiting_.erase(found);
        }
    }
    for (const Waiting& w : gone)
        if (w.request.on_finish) w.request.on_finish(Finish::cancelled);
    for (size_t slot = 0; slot < slots_.size(); ++slot)
        if (slots_[slot] && std::ranges::find(ids, slots_[slot]->id) != ids.end()) finish(slot, Finish::cancelled);
}

// Requests begin in order of submission: one that needs much memory is not overtaken.
void Scheduler::admit() {
    for (auto& slot : slots_) {
        if (slot) continue;
        std::unique_lock lock(mutex_);
        if (waiting_.empty() || bytes_of(waiting_.front().request) > memory_) return;
        Waiting next = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        slot = begin(std::move(next));
    }
}

std::unique_ptr<Scheduler::Sequence> Scheduler::begin(Waiting next) {
    const Request& request = next.request;
    const int64_t tokens = tokens_of(request), bytes = bytes_of(request);
    Continuation answer(model_->tokenizer.get(), request.prompt, request.generate);
    KvCache cache(model_->spec, context_, options_.cache, tokens);
    if (model_->encoder) read_source(arena_, *model_, request.source, options_.compute, cache);
    memory_ -= bytes;
    moe::RoutingHook* const hook = request.hook;
    return std::make_unique<Sequence>(Sequence{.id = next.id,
                                               .request = std::move(next.request),
                                               .answer = std::move(answer),
                                               .timeline = {std::move(cache), hook},
                                               .bytes = bytes,
                                               .turn = ++turns_});
}

// All decoding sequences, then prompts in turns. A prompt's chunks begin at multiples of their length, so where they
// are cut does not depend on other sequences.
Scheduler::Work Scheduler::gather() {
    Work work;
    std::vector<Sequence*> readers;
    const int drafts = drafts_wanted();
    const DraftClock::time_point start = DraftClock::now();
    for (const auto& sequence : slots_) {
        if (!sequence) continue;
        if (sequence->reads())
            readers.push_back(sequence.get());
        else
            work.add(*sequence, sequence->due_answer(drafts));
    }
    work.outcome.draft_seconds = seconds_since(start);
    std::ranges::sort(readers, {}, &Sequence::turn);
    int64_t left = options_.prefill_chunk;
    for (Sequence* reader : readers) {
        const Due due = reader->due_prompt(options_.prefill_chunk);
        if (std::ssize(due.tokens) > left) continue;
        work.add(*reader, due);
        left -= std::ssize(due.tokens);
        reader->turn = ++turns_;
        work.prompts = true;
    }
    return work;
}

// How many tokens to draft for each of the sequences that decode; none while prompts are read, which drafts would
// delay.
int Scheduler::drafts_wanted() {
    int64_t decoding = 0, drafted = 0;
    for (const auto& sequence : slots_) {
        if (!sequence) continue;
        if (sequence->reads()) return 0;
        ++decoding;
        drafted += sequence->drafted();
    }
    return drafted > 0 ? gate_.wanted(decoding) : 0;
}

void Scheduler::evaluate(Work& work) {
    const DraftClock::time_point start = DraftClock::now();
    Step step(arena_, *model_, options_.compute, work.due);
    if (work.ready.empty()) return;
    const Tensor logits_RV = step.logits(work.rows);
    work.outcome.seconds = work.outcome.draft_seconds + seconds_since(start);
    std::vector<int64_t> first;
    int64_t rows = 0;
    for (const Sequence* s : work.ready) {
        first.push_back(rows);
        rows += 1 + std::ssize(s->drafts);
    }
    parallel_for(std::ssize(work.ready), [&](int64_t i) {
        Sequence& s = *work.ready[static_cast<size_t>(i)];
        s.choose(ops::rows_of(logits_RV, first[static_cast<size_t>(i)], 1 + std::ssize(s.drafts)));
    });
    if (options_.drafts > 0 && !work.prompts) account(work);
}

void Scheduler::account(Work& work) {
    DraftGate::Outcome& outcome = work.outcome;
    outcome.sequences = std::ssize(work.ready);
    outcome.rows = work.tokens;
    for (const Sequence* s : work.ready) {
        outcome.drafted += std::ssize(s->drafts);
        outcome.accepted += s->accepted;
    }
    // A step that only evaluated tokens again is neither plain nor one with drafts.
    if (outcome.drafted > 0 || outcome.rows == outcome.sequences) gate_.happened(outcome);
}

void Scheduler::hand_out(Sequence& s) {
    const auto slot =
        static_cast<size_t>(std::ranges::find(slots_, &s, &std::unique_ptr<Sequence>::get) - slots_.begin());
    for (const int32_t token : s.next) {
        s.text.push_back(token);
        if (s.request.on_token && !s.request.on_token(token)) return finish(slot, Finish::stopped);
    }
    if (s.answer.complete())
        finish(slot, Finish::max_tokens);
    else if (std::ssize(s.next) <= s.accepted)
        finish(slot, Finish::end_of_generation);
    else if (std::ssize(s.text) > context_)
        finish(slot, Finish::context_full);
}

bool Scheduler::step() {
    drop_cancelled();
    for (const auto& s : slots_)
        if (s && !s->timeline.steering_holds())
            fail("request {}: its hook steers differently than when its {} tokens were computed", s->id,
                 s->timeline.length());
    try {
        admit();
        Work work = gather();
        if (work.due.empty()) return false;
        evaluate(work);
        for (Sequence* s : work.ready) hand_out(*s);
    } catch (...) {
        for (size_t slot = 0; slot < slots_.size(); ++slot)
            if (slots_[slot]) finish(slot, Finish::failed);
        throw;
    }
    return running() > 0 || waiting() > 0;
}

}  // namespace gremium::engine
