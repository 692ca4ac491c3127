/* Continues a prompt in C, with a steering profile, and prints the text while it is generated.
 *   complete [MODEL [PROMPT [PROFILE.toml]]] */
#include <stdio.h>
#include <string.h>

#include <gremium/gremium.h>

static bool print(void* user, const char* text, size_t length, int32_t token) {
    (void)token;
    fwrite(text, 1, length, (FILE*)user);
    fflush((FILE*)user);
    return true;
}

/* Without a file: for each token only its best experts that together have 90 % of the routing weight. */
static gremium_status read_profile(const char* path, gremium_steering** steering, char** error) {
    return path ? gremium_steering_read(path, steering, error)
                : gremium_steering_parse("num_experts = \"90%\"", NULL, steering, error);
}

int main(int argc, char** argv) {
    const char* prompt = argc > 2 ? argv[2] : "The first step is to";
    gremium_engine* engine = NULL;
    gremium_steering* steering = NULL;
    gremium_session* session = NULL;
    int32_t* tokens = NULL;
    size_t count = 0;
    char* error = NULL;
    gremium_session_options options = gremium_default_session_options();
    gremium_generate_options generate = gremium_default_generate_options();
    generate.max_tokens = 40;
    generate.seed = 1;

    gremium_status status = gremium_engine_open(argc > 1 ? argv[1] : NULL, false, &engine, &error);
    if (!status) status = read_profile(argc > 3 ? argv[3] : NULL, &steering, &error);
    if (!status) status = gremium_tokenize(engine, prompt, strlen(prompt), true, false, &tokens, &count, &error);
    options.steering = steering;
    if (!status) status = gremium_session_open(engine, &options, &session, &error);
    if (!status) fputs(prompt, stdout);
    if (!status) status = gremium_session_generate(session, tokens, count, &generate, print, stdout, NULL, &error);
    if (!status) puts("");
    if (status) fprintf(stderr, "%s\n", error ? error : "failed");

    gremium_session_close(session);
    gremium_steering_close(steering);
    gremium_engine_close(engine);
    gremium_free(tokens);
    gremium_free(error);
    return status ? 1 : 0;
}
