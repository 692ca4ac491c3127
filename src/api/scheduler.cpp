#include <gremium/scheduler.hpp>

#include <utility>

#include "api/access.h"
#include "api/answer.h"
#include "api/hooks.h"
#include "engine/scheduler.h"

namespace gremium {
namespace api {

// The objects that a request owns until it has ended.
struct Running {
    Running(const std::shared_ptr<const Model>& model, Request&& request)
        : hooks(request.steering, request.hooks, model->spec),
          delivery(std::move(request.on_text)),
          answer(model, {.tokens = std::move(request.prompt), .source = std::move(request.source)},
                 delivery.options(request.generate, hooks.get())),
          on_finish(std::move(request.on_finish)) {}

    Hooks hooks;
    Delivery delivery;
    hooks::Answer answer;
    std::function<void(const Answer&)> on_finish;
};

class Requests {
  public:
    Requests(const std::shared_ptr<const Model>& model, const SchedulerOptions& o)
        : model_(model),
          scheduler_(model, {.sequences = o.sequences,
                             .context = o.context,
                             .prefill_chunk = o.prefill_chunk,
                             .memory = o.memory,
                             .cache = cache_type(o.cache),
                             .compute = compute_type(o.arithmetic)}) {}

    Scheduler::Id submit(Request&& request) {
        const auto running = std::make_shared<Running>(model_, std::move(request));
        return scheduler_.submit(running->answer.request([running](const hooks::AnswerResult& result) {
            const Answer answer = running->delivery.finish(result);
            if (running->on_finish) running->on_finish(answer);
        }));
    }

    engine::Scheduler& scheduler() { return scheduler_; }

  private:
    std::shared_ptr<const Model> model_;
    engine::Scheduler scheduler_;
};

}  // namespace api

inline namespace v0 {

Scheduler::Scheduler(const Engine& engine, const SchedulerOptions& options)
    : requests_(std::make_unique<api::Requests>(api::Access::model(engine), options)) {}
Scheduler::Scheduler(Scheduler&&) noexcept = default;
Scheduler& Scheduler::operator=(Scheduler&&) noexcept = default;
Scheduler::~Scheduler() = default;

Scheduler::Id Scheduler::submit(Request request) { return requests_->submit(std::move(request)); }
void Scheduler::cancel(Id id) { requests_->scheduler().cancel(id); }
bool Scheduler::step() { return requests_->scheduler().step(); }
int64_t Scheduler::running() const { return requests_->scheduler().running(); }
int64_t Scheduler::waiting() const { return requests_->scheduler().waiting(); }
int64_t Scheduler::capacity() const { return requests_->scheduler().context(); }

}  // namespace v0
}  // namespace gremium
