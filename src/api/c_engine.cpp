#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "api/c_handles.h"

namespace gremium::api {

void* allocate(size_t bytes) {
    void* memory = std::malloc(std::max<size_t>(bytes, 1));
    if (!memory) throw std::bad_alloc();
    return memory;
}

char* copy_text(std::string_view text) {
    char* copy = static_cast<char*>(allocate(text.size() + 1));
    std::ranges::copy(text, copy);
    copy[text.size()] = '\0';
    return copy;
}

namespace {

gremium_status note(char** error, gremium_status status, const char* text) noexcept {
    if (error) *error = ::strdup(text);
    return status;
}

}  // namespace

gremium_status status_of_exception(char** error) noexcept {
    try {
        throw;
    } catch (const Misuse& e) {
        return note(error, GREMIUM_MISUSE, e.what());
    } catch (const std::bad_alloc&) {
        return note(error, GREMIUM_NO_MEMORY, "out of memory");
    } catch (const std::exception& e) {
        return note(error, GREMIUM_ERROR, e.what());
    } catch (...) {
        return note(error, GREMIUM_ERROR, "an exception of unknown type");
    }
}

}  // namespace gremium::api

using namespace gremium::api;

const char* gremium_version(void) {
    static const std::string version = gremium::version();
    return version.c_str();
}

gremium_status gremium_use_threads(int32_t threads, char** error) {
    return guarded(error, [&] { gremium::use_threads(threads); });
}

void gremium_free(void* memory) { std::free(memory); }

gremium_status gremium_engine_open(const char* path, bool resident, gremium_engine** engine, char** error) {
    return guarded(error, [&] {
        required(engine, "engine");
        *engine = new gremium_engine{gremium::Engine::open(path ? path : "", {.resident = resident})};
    });
}

void gremium_engine_close(gremium_engine* engine) { delete engine; }

gremium_status gremium_engine_facts(const gremium_engine* engine, gremium_facts* facts, char** error) {
    return guarded(error, [&] {
        const gremium::EngineFacts& f = required(engine, "engine").engine.facts();
        required(facts, "facts") = {.source = f.source.c_str(),
                                    .architecture = f.architecture.c_str(),
                                    .name = f.name.c_str(),
                                    .layers = f.layers,
                                    .width = f.width,
                                    .vocabulary = f.vocabulary,
                                    .context = f.context,
                                    .has_tokenizer = f.has_tokenizer,
                                    .has_chat_template = f.has_chat_template,
                                    .has_encoder = f.has_encoder,
                                    .parameters = f.parameters,
                                    .active_parameters = f.active_parameters,
                                    .weight_bytes = f.weight_bytes,
                                    .weight_bytes_per_token = f.weight_bytes_per_token,
                                    .begin_token = f.begin_token,
                                    .target_begin = f.target_begin};
    });
}

size_t gremium_engine_expert_layers(const gremium_engine* engine, gremium_expert_layer* layers, size_t capacity) {
    if (!engine) return 0;
    const auto& all = engine->engine.facts().expert_layers;
    for (size_t i = 0; layers && i < std::min(capacity, all.size()); ++i)
        layers[i] = {all[i].layer, all[i].experts, all[i].chosen, all[i].width};
    return all.size();
}

size_t gremium_engine_warnings(const gremium_engine* engine, const char** warnings, size_t capacity) {
    if (!engine) return 0;
    const std::vector<std::string>& all = engine->engine.warnings();
    for (size_t i = 0; warnings && i < std::min(capacity, all.size()); ++i) warnings[i] = all[i].c_str();
    return all.size();
}

gremium_status gremium_tokenize(const gremium_engine* engine, const char* text, size_t length, bool add_begin_end,
                                bool special, int32_t** tokens, size_t* count, char** error) {
    return guarded(error, [&] {
        const std::span<const char> bytes = required(text, length, "text");
        required(tokens, "tokens");
        const std::vector<int32_t> ids =
            required(engine, "engine")
                .engine.tokenize({bytes.data(), bytes.size()}, {.add_begin_end = add_begin_end, .special = special});
        required(count, "count") = ids.size();
        *tokens = copy_array(std::span(ids));
    });
}

gremium_status gremium_detokenize(const gremium_engine* engine, const int32_t* tokens, size_t count, char** text,
                                  size_t* length, char** error) {
    return guarded(error, [&] {
        required(text, "text");
        const std::string all = required(engine, "engine").engine.detokenize(required(tokens, count, "tokens"));
        *text = copy_text(all);
        if (length) *length = all.size();
    });
}

gremium_status gremium_tokenize_chat(const gremium_engine* engine, const char* const* roles,
                                     const char* const* contents, size_t count, int32_t** tokens, size_t* token_count,
                                     char** error) {
    return guarded(error, [&] {
        required(tokens, "tokens");
        required(roles, count, "roles");
        required(contents, count, "contents");
        std::vector<gremium::ChatMessage> messages;
        for (size_t i = 0; i < count; ++i)
            messages.push_back({&required(roles[i], "a role"), &required(contents[i], "a content")});
        const std::vector<int32_t> ids = required(engine, "engine").engine.tokenize_chat(messages);
        required(token_count, "token_count") = ids.size();
        *tokens = copy_array(std::span(ids));
    });
}

bool gremium_ends_answer(const gremium_engine* engine, int32_t token) {
    return engine && engine->engine.ends_answer(token);
}
