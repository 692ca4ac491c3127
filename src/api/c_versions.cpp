#include <algorithm>
#include <utility>

#include "api/c_handles.h"

using namespace gremium::api;
using gremium::VersionStore;

namespace {

std::string reference_of(const char* reference) { return reference ? reference : "HEAD"; }

void give_text(const std::string& text, char** out) {
    if (out) *out = copy_text(text);
}

// Puts records and their texts into one block of memory.
gremium_version_info* copy_versions(const std::vector<gremium::Version>& versions) {
    size_t bytes = versions.size() * sizeof(gremium_version_info);
    for (const auto& v : versions)
        for (const std::string* text : {&v.id, &v.parent, &v.date, &v.message}) bytes += text->size() + 1;
    auto* infos = static_cast<gremium_version_info*>(allocate(bytes));
    char* at = reinterpret_cast<char*>(infos + versions.size());
    const auto put = [&](const std::string& text) {
        return std::exchange(at, std::copy_n(text.c_str(), text.size() + 1, at));
    };
    for (size_t i = 0; i < versions.size(); ++i) {
        const gremium::Version& v = versions[i];
        infos[i] = {.id = put(v.id), .parent = put(v.parent), .date = put(v.date), .message = put(v.message)};
    }
    return infos;
}

}  // namespace

gremium_status gremium_store_create(const char* directory, const char* model_path, gremium_store** store,
                                    char** error) {
    return guarded(error, [&] {
        required(store, "store");
        *store = new gremium_store{
            VersionStore::create(&required(directory, "directory"), &required(model_path, "model_path"))};
    });
}

gremium_status gremium_store_open(const char* directory, gremium_store** store, char** error) {
    return guarded(error, [&] {
        required(store, "store");
        *store = new gremium_store{VersionStore(&required(directory, "directory"))};
    });
}

void gremium_store_close(gremium_store* store) { delete store; }

gremium_status gremium_store_resolve(gremium_store* store, const char* reference, char** id, char** error) {
    return guarded(error, [&] {
        required(id, "id");
        *id = copy_text(required(store, "store").store.resolve(reference_of(reference)));
    });
}

gremium_status gremium_store_open_version(gremium_store* store, const char* reference, gremium_engine** engine,
                                          char** error) {
    return guarded(error, [&] {
        required(engine, "engine");
        *engine = new gremium_engine{required(store, "store").store.open(reference_of(reference))};
    });
}

gremium_status gremium_store_log(gremium_store* store, const char* reference, gremium_version_info** versions,
                                 size_t* count, char** error) {
    return guarded(error, [&] {
        required(versions, "versions");
        const std::vector<gremium::Version> log = required(store, "store").store.log(reference_of(reference));
        required(count, "count") = log.size();
        *versions = copy_versions(log);
    });
}

gremium_status gremium_store_commit(gremium_store* store, const gremium_engine* model, const char* message, char** id,
                                    char** error) {
    return guarded(error, [&] {
        give_text(required(store, "store").store.commit(required(model, "model").engine, &required(message, "message")),
                  id);
    });
}

gremium_status gremium_store_revert(gremium_store* store, const char* reference, const char* message, char** id,
                                    char** error) {
    return guarded(error, [&] {
        give_text(required(store, "store").store.revert(reference_of(reference), &required(message, "message")), id);
    });
}

gremium_status gremium_store_create_branch(gremium_store* store, const char* name, const char* reference,
                                           char** error) {
    return guarded(
        error, [&] { required(store, "store").store.create_branch(&required(name, "name"), reference_of(reference)); });
}

gremium_status gremium_store_remove_branch(gremium_store* store, const char* name, char** error) {
    return guarded(error, [&] { required(store, "store").store.remove_branch(&required(name, "name")); });
}

gremium_status gremium_store_check_out(gremium_store* store, const char* reference, char** error) {
    return guarded(error, [&] { required(store, "store").store.check_out(&required(reference, "reference")); });
}

gremium_status gremium_store_difference(gremium_store* store, const char* before, const char* after,
                                        gremium_expert_change** changes, size_t* count, char** error) {
    return guarded(error, [&] {
        required(changes, "changes");
        std::vector<gremium_expert_change> found;
        for (const gremium::ExpertChange& e :
             required(store, "store").store.difference(reference_of(before), reference_of(after)).experts)
            found.push_back({e.layer, e.expert, e.weights, e.router_row, e.bias});
        required(count, "count") = found.size();
        *changes = copy_array(std::span<const gremium_expert_change>(found));
    });
}

gremium_status gremium_store_problems(gremium_store* store, char** text, char** error) {
    return guarded(error, [&] {
        required(text, "text");
        std::string lines;
        for (const std::string& line : required(store, "store").store.problems()) lines += line + "\n";
        *text = copy_text(lines);
    });
}

gremium_status gremium_store_collect_garbage(gremium_store* store, int64_t* bytes, char** error) {
    return guarded(error, [&] {
        const int64_t freed = required(store, "store").store.collect_garbage();
        if (bytes) *bytes = freed;
    });
}
