#include "tests/api/c99.h"

#include <stdio.h>

#include <gremium/gremium.h>

struct heard {
    int tokens;
    size_t chosen;
};

static bool on_text(void* user, const char* text, size_t length, int32_t token) {
    (void)text, (void)length, (void)token;
    ++((struct heard*)user)->tokens;
    return true;
}

static void after_selection(void* user, const gremium_after_selection* s) {
    ((struct heard*)user)->chosen += s->tokens * (size_t)s->top_k;
}

int c99_generate(const char* model, const int32_t* prompt, size_t count, int32_t* tokens, size_t capacity,
                 char* message, size_t message_size) {
    struct heard heard = {0, 0};
    char* error = NULL;
    gremium_engine* engine = NULL;
    gremium_steering* steering = NULL;
    gremium_trace* trace = NULL;
    gremium_session* session = NULL;
    gremium_answer answer;
    int made = -1;
    const gremium_hook hook = {&heard, NULL, after_selection, NULL};
    gremium_session_options options = gremium_default_session_options();
    gremium_generate_options generate = gremium_default_generate_options();
    generate.max_tokens = (int64_t)capacity;
    generate.temperature = 0;
    generate.ignore_end = true;

    gremium_status status = gremium_engine_open(model, false, &engine, &error);
    if (!status) status = gremium_steering_parse("mute = [\"0.1\"]", NULL, &steering, &error);
    if (!status) status = gremium_trace_create(engine, &trace, &error);
    options.steering = steering;
    options.hook = &hook;
    options.trace = trace;
    if (!status) status = gremium_session_open(engine, &options, &session, &error);
    gremium_engine_close(engine); /* the session and the trace keep the model */
    gremium_steering_close(steering);
    if (!status) status = gremium_session_generate(session, prompt, count, &generate, on_text, &heard, &answer, &error);
    if (!status) {
        made = (int)answer.token_count;
        for (int i = 0; i < made; ++i) tokens[i] = answer.tokens[i];
        if (heard.tokens < made) snprintf(message, message_size, "%d tokens heard", heard.tokens), made = -1;
        if (heard.chosen == 0 || gremium_trace_size(trace) == 0)
            snprintf(message, message_size, "no decisions"), made = -1;
    } else {
        snprintf(message, message_size, "%s", error ? error : "no text");
    }
    gremium_trace_close(trace);
    gremium_session_close(session);
    gremium_free(error);
    return made;
}
