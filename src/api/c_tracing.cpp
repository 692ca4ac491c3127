#include "api/c_handles.h"

using namespace gremium::api;
using gremium::RoutingTrace;

gremium_status gremium_trace_create(const gremium_engine* engine, gremium_trace** trace, char** error) {
    return guarded(error, [&] {
        required(trace, "trace");
        *trace = new gremium_trace{std::make_shared<RoutingTrace>(required(engine, "engine").engine), {}, {}};
    });
}

gremium_status gremium_trace_read(const char* path, gremium_trace** trace, char** error) {
    return guarded(error, [&] {
        required(trace, "trace");
        *trace = new gremium_trace{nullptr, gremium::read_trace(&required(path, "path")), {}};
    });
}

void gremium_trace_close(gremium_trace* trace) { delete trace; }

size_t gremium_trace_size(const gremium_trace* trace) {
    if (!trace) return 0;
    return trace->recorder ? static_cast<size_t>(trace->recorder->size()) : trace->read.size();
}

gremium_status gremium_trace_decision(gremium_trace* trace, size_t index, gremium_decision* decision, char** error) {
    return guarded(error, [&] {
        required(trace, "trace");
        required(decision, "decision");
        if (index >= gremium_trace_size(trace))
            throw gremium::Error("a trace of " + std::to_string(gremium_trace_size(trace)) +
                                 " decisions has none of index " + std::to_string(index));
        trace->shown = trace->recorder ? trace->recorder->decision(static_cast<int64_t>(index)) : trace->read[index];
        const gremium::RoutingDecision& d = trace->shown;
        *decision = {.layer = d.layer,
                     .position = d.position,
                     .token = d.token,
                     .piece = d.piece.c_str(),
                     .count = d.experts.size(),
                     .experts = d.experts.data(),
                     .weights = d.weights.data(),
                     .margin = d.margin};
    });
}

void gremium_trace_clear(gremium_trace* trace) {
    if (!trace) return;
    if (trace->recorder) trace->recorder->clear();
    trace->read.clear();
}

gremium_status gremium_trace_write(const gremium_trace* trace, const char* path, char** error) {
    return guarded(error, [&] {
        if (!required(trace, "trace").recorder)
            throw gremium::Error("a trace that was read from a file is there already");
        trace->recorder->write(&required(path, "path"));
    });
}
