// The types behind the handles of gremium.h, and the conversion of exceptions to statuses.
#pragma once

#include <gremium/gremium.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gremium/engine.hpp>
#include <gremium/scheduler.hpp>
#include <gremium/session.hpp>
#include <gremium/steering.hpp>
#include <gremium/tracing.hpp>
#include <gremium/versions.hpp>

struct gremium_engine {
    gremium::Engine engine;
};
struct gremium_steering {
    gremium::SteeringProfile profile;
};
struct gremium_trace {
    std::shared_ptr<gremium::RoutingTrace> recorder;  // null for a trace that was read
    std::vector<gremium::RoutingDecision> read;
    gremium::RoutingDecision shown;  // the latest that was returned
};
struct gremium_session {
    gremium::Session session;
    gremium::Answer answer;  // the latest
};
struct gremium_scheduler {
    gremium::Scheduler scheduler;
};
struct gremium_store {
    gremium::VersionStore store;
};

namespace gremium::api {

struct Misuse : std::logic_error {
    using std::logic_error::logic_error;
};

// Throws Misuse naming the argument that is NULL.
template <typename T>
T& required(T* pointer, const char* name) {
    if (!pointer) throw Misuse(std::string(name) + " is NULL");
    return *pointer;
}
template <typename T>
std::span<T> required(T* pointer, size_t count, const char* name) {
    if (!pointer && count > 0) throw Misuse(std::string(name) + " is NULL");
    return {pointer, count};
}

// Allocates memory that gremium_free() frees.
void* allocate(size_t bytes);
char* copy_text(std::string_view text);
template <typename T>
T* copy_array(std::span<const T> items) {
    T* copy = static_cast<T*>(allocate(items.size_bytes()));
    for (size_t i = 0; i < items.size(); ++i) copy[i] = items[i];
    return copy;
}

// Stores the message of the exception that is being handled, and returns its status.
gremium_status status_of_exception(char** error) noexcept;

template <typename Body>
gremium_status guarded(char** error, Body&& body) noexcept {
    try {
        body();
        return GREMIUM_OK;
    } catch (...) {
        return status_of_exception(error);
    }
}

SteeringProfile profile_of(const gremium_steering* steering);
std::vector<std::shared_ptr<RoutingHook>> hooks_of(const gremium_hook* hook, gremium_trace* trace);
GenerateOptions to_options(const gremium_generate_options* options);
OnText to_callback(gremium_on_text on_text, void* user);
CacheType to_cache_type(gremium_cache_type type);
Arithmetic to_arithmetic(gremium_arithmetic arithmetic);
// Pointers into the answer.
gremium_answer view_of(const Answer& answer);

}  // namespace gremium::api
