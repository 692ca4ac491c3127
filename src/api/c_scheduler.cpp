#include <utility>

#include "api/c_handles.h"

using namespace gremium::api;

gremium_scheduler_options gremium_default_scheduler_options(void) {
    const gremium::SchedulerOptions defaults;
    return {.sequences = defaults.sequences,
            .context = defaults.context,
            .prefill_chunk = defaults.prefill_chunk,
            .memory = defaults.memory,
            .cache = static_cast<gremium_cache_type>(defaults.cache),
            .arithmetic = static_cast<gremium_arithmetic>(defaults.arithmetic)};
}

gremium_status gremium_scheduler_open(const gremium_engine* engine, const gremium_scheduler_options* options,
                                      gremium_scheduler** scheduler, char** error) {
    return guarded(error, [&] {
        required(scheduler, "scheduler");
        const gremium_scheduler_options o = options ? *options : gremium_default_scheduler_options();
        *scheduler = new gremium_scheduler{
            gremium::Scheduler(required(engine, "engine").engine, {.sequences = o.sequences,
                                                                   .context = o.context,
                                                                   .prefill_chunk = o.prefill_chunk,
                                                                   .memory = o.memory,
                                                                   .cache = to_cache_type(o.cache),
                                                                   .arithmetic = to_arithmetic(o.arithmetic)})};
    });
}

void gremium_scheduler_close(gremium_scheduler* scheduler) { delete scheduler; }

gremium_status gremium_scheduler_submit(gremium_scheduler* scheduler, const gremium_request* request, uint64_t* id,
                                        char** error) {
    return guarded(error, [&] {
        const gremium_request& r = required(request, "request");
        const std::span<const int32_t> prompt = required(r.prompt, r.prompt_count, "prompt"),
                                       source = required(r.source, r.source_count, "source");
        gremium::Request submitted{.prompt = {prompt.begin(), prompt.end()},
                                   .source = {source.begin(), source.end()},
                                   .generate = to_options(r.generate),
                                   .steering = profile_of(r.steering),
                                   .hooks = hooks_of(r.hook, r.trace),
                                   .on_text = to_callback(r.on_text, r.user)};
        if (r.on_finish)
            submitted.on_finish = [on_finish = r.on_finish, user = r.user](const gremium::Answer& answer) {
                const gremium_answer view = view_of(answer);
                on_finish(user, &view);
            };
        const uint64_t given = required(scheduler, "scheduler").scheduler.submit(std::move(submitted));
        if (id) *id = given;
    });
}

void gremium_scheduler_cancel(gremium_scheduler* scheduler, uint64_t id) {
    if (scheduler) scheduler->scheduler.cancel(id);
}

gremium_status gremium_scheduler_step(gremium_scheduler* scheduler, bool* more, char** error) {
    return guarded(error, [&] {
        const bool left = required(scheduler, "scheduler").scheduler.step();
        if (more) *more = left;
    });
}

int64_t gremium_scheduler_running(const gremium_scheduler* scheduler) {
    return scheduler ? scheduler->scheduler.running() : 0;
}

int64_t gremium_scheduler_waiting(const gremium_scheduler* scheduler) {
    return scheduler ? scheduler->scheduler.waiting() : 0;
}
