#include "engine/scheduler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "engine/memory.h"

namespace gremium::engine {

struct Scheduler::Sequence {
    Id id;
    Request request;
    Continuation answer;
    KvCache cache;
    int64_t bytes;      // that it holds of the memory
    uint64_t turn = 0;  // of reading its prompt: the lowest is next
    std::optional<int32_t> next = {};

    bool reads() const { return cache.length() < std::ssize(request.prompt); }
    // What it evaluates next, at most `most` tokens.
    std::span<const int32_t> due(int64_t most) const {
        if (!reads()) return {&*next, 1};
        const auto rest = std::span(request.prompt).subspan(static_cast<size_t>(cache.length()));
        return rest.first(std::min(rest.size(), static_cast<size_t>(most)));
    }
};

// What a step evaluates.
struct Scheduler::Rows {
    std::vector<int32_t> tokens, positions, sequences;  // sequences: slots
    std::vector<size_t> ready;                          // slots that get a token
    std::vector<int32_t> last;                          // the row of each of them whose logits decide it

    void add(size_t slot, const Sequence& s, std::span<const int32_t> due) {
        const int64_t first = s.cache.length();
        for (size_t i = 0; i < due.size(); ++i) {
            tokens.push_back(due[i]);
            positions.push_back(static_cast<int32_t>(first) + static_cast<int32_t>(i));
            sequences.push_back(static_cast<int32_t>(slot));
        }
        if (first + std::ssize(due) < std::ssize(s.request.prompt)) return;
        ready.push_back(slot);
        last.push_back(static_cast<int32_t>(tokens.size()) - 1);
    }
};

Scheduler::Scheduler(std::shared_ptr<const Model> model, SchedulerOptions options)
    : model_(std::move(model)), options_(options) {
    if (options.sequences < 1) fail("{} sequences at a time, expected at least 1", options.sequences);
    if (options.prefill_chunk < 1) fail("a prefill chunk of {} tokens, expected at least 1", options.prefill_chunk);
    if (options.context < 0) fail("a context of {} tokens, expected at least 1", options.context);
    memory_ = options.memory > 0 ? options.memory : available_memory() / 2;
    MemoryOptions need{.context = options.context > 0 ? options.context : model_->spec.context,
                       .chunk = options.prefill_chunk + options.sequences,
                       .logit_rows = options.sequences,
                       .cache = options.cache,
                       .activation = running_options(options.compute).activation};
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

// The last token that is made needs no place.
int64_t Scheduler::tokens_of(const Request& request) const {
    const int64_t prompt = std::ssize(request.prompt), left = context_ - prompt;
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
             model_->encoder ? "an encoder-decoder model wants a source" : "has no encoder to read a source");
    Continuation(nullptr, request.prompt, request.generate);  // throws what begin() would
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

// Requests begin in their order: one that needs much memory is not overtaken.
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
    return std::make_unique<Sequence>(Sequence{.id = next.id,
                                               .request = std::move(next.request),
                                               .answer = std::move(answer),
                                               .cache = std::move(cache),
                                               .bytes = bytes,
                                               .turn = ++turns_});
}

// All that decode, then prompts in turns. A prompt's chunks begin at multiples of their length: where they are cut does not
// depend on what else there is.
Scheduler::Rows Scheduler::gather() {
    Rows rows;
    std::vector<size_t> readers;
    for (size_t slot = 0; slot < slots_.size(); ++slot) {
        if (!slots_[slot]) continue;
        if (slots_[slot]->reads())
            readers.push_back(slot);
        else
            rows.add(slot, *slots_[slot], slots_[slot]->due(1));
    }
    std::ranges::sort(readers, {}, [&](size_t slot) { return slots_[slot]->turn; });
    int64_t left = options_.prefill_chunk;
    for (const size_t slot : readers) {
        const std::span<const int32_t> due = slots_[slot]->due(options_.prefill_chunk);
        if (std::ssize(due) > left) continue;
        rows.add(slot, *slots_[slot], due);
        left -= std::ssize(due);
        slots_[slot]->turn = ++turns_;
    }
    return rows;
}

void Scheduler::evaluate(const Rows& rows) {
    std::vector<KvCache*> caches;
    for (const auto& sequence : slots_) caches.push_back(sequence ? &sequence->cache : nullptr);
    arena_.clear();
    ops::Graph::Options how = running_options(options_.compute);
    how.cohorts = rows.sequences;
    ops::Graph g(arena_, how);
    const Forward out =
        forward(g, *model_, {.tokens = rows.tokens, .positions = rows.positions, .sequences = rows.sequences},
                {.caches = caches, .hook = options_.hook});
    if (rows.ready.empty()) return;
    const Tensor logits_RV = logits(g, *model_, out.hidden_TD, rows.last)->value;
    parallel_for(std::ssize(rows.ready), [&](int64_t i) {
        Sequence& s = *slots_[rows.ready[static_cast<size_t>(i)]];
        s.next = s.answer.next({logits_RV.f32() + i * logits_RV.cols(), static_cast<size_t>(logits_RV.cols())});
    });
}

bool Scheduler::step() {
    std::string steering = options_.hook ? options_.hook->fingerprint() : std::string();
    if (running() > 0 && steering != steering_)
        fail("{} sequences were begun under other steering; they must end first", running());
    steering_ = std::move(steering);
    try {
        drop_cancelled();
        admit();
        const Rows rows = gather();
        if (rows.tokens.empty()) return false;
        evaluate(rows);
        for (const size_t slot : rows.ready) {
            Sequence& s = *slots_[slot];
            if (!s.next)
                finish(slot, s.answer.complete() ? Finish::max_tokens : Finish::end_of_generation);
            else if (s.request.on_token && !s.request.on_token(*s.next))
                finish(slot, Finish::stopped);
            else if (s.answer.complete())
                finish(slot, Finish::max_tokens);
            else if (s.cache.length() == context_)
                finish(slot, Finish::context_full);
        }
    } catch (...) {
        for (size_t slot = 0; slot < slots_.size(); ++slot)
            if (slots_[slot]) finish(slot, Finish::failed);
        throw;
    }
    return running() > 0 || waiting() > 0;
}

}  // namespace gremium::engine
