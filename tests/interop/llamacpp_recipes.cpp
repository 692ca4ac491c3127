// llamacpp_recipes LIBLLAMA WORK: the types that our recipes give the tensors of small models, beside those that
// llama.cpp's quantiser gives them, without an importance matrix and with one.
#include <dlfcn.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "formats/gguf/gguf.h"
#include "model/files/load.h"
#include "model/files/mixtures.h"
#include "model/files/save.h"
#include "model/spec/tensors.h"
#include "tests/model/tiny_model.h"

namespace {

using namespace gremium;

// llama.h: the parameters begin with these; all that is not set stays as the library's defaults have it.
struct ImportanceEntry {
    const char* tensor;
    const float* columns;
    size_t size;
};
struct QuantizeParams {
    int32_t threads;
    int32_t file_type;
    int32_t head_type, embedding_type;
    bool switches[8];
    const ImportanceEntry* importance;  // the last one has no name
    std::byte rest[1024];
};
struct Llama {
    QuantizeParams (*default_params)();
    uint32_t (*quantize)(const char* in, const char* out, const QuantizeParams* params);
    void (*log_set)(void (*callback)(int level, const char* text, void*), void*);
    explicit Llama(const char* path) {
        void* const library = dlopen(path, RTLD_NOW);
        if (!library) fail("{}", dlerror());
        const auto find = [&](auto& function, const char* name) {
            function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
            if (!function) fail("{} has no {}", path, name);
        };
        find(default_params, "llama_model_quantize_default_params");
        find(quantize, "llama_model_quantize");
        find(log_set, "llama_log_set");
        log_set([](int, const char*, void*) {}, nullptr);
    }
};

bool is_matrix(const TensorSlot& slot) {
    return slot.role == TensorRole::embedding || slot.role == TensorRole::head || slot.role == TensorRole::matrix ||
           slot.role == TensorRole::expert;
}

// All columns matter the same.
struct EvenImportance {
    std::vector<TensorSlot> slots;
    std::vector<float> ones;
    std::vector<ImportanceEntry> entries;
    explicit EvenImportance(const ModelSpec& spec) : slots(tensor_slots(spec)), ones(1 << 16, 1.0f) {
        for (const TensorSlot& slot : slots) {
            if (!is_matrix(slot)) continue;
            const int64_t matrices = slot.shape.rank == 3 ? slot.shape[0] : 1;
            entries.push_back(
                {slot.name.c_str(), ones.data(), static_cast<size_t>(matrices * slot.shape[slot.shape.rank - 1])});
        }
        entries.push_back({nullptr, nullptr, 0});
    }
};

// The number of tensors that get other types.
int differences(const Llama& llama, const Recipe& recipe, bool with_importance, const std::string& model,
                const std::string& out) {
    const ModelSpec spec = load_model(model)->spec;
    const EvenImportance importance(spec);
    QuantizeParams params = llama.default_params();
    params.threads = 1;
    params.file_type = recipe.file_type;
    if (with_importance) params.importance = importance.entries.data();
    if (llama.quantize(model.c_str(), out.c_str(), &params) != 0) {
        std::printf("FAIL %s, %s: llama.cpp refuses\n", model.c_str(), std::string(recipe.name).c_str());
        return 1;
    }
    int count = 0;
    const GgufFile theirs = open_gguf(out);
    for (const TensorSlot& slot : tensor_slots(spec)) {
        if (!is_matrix(slot)) continue;
        const DType ours =
                        fitting_type(recipe_type(recipe, spec, slot, with_importance), slot.shape[slot.shape.rank - 1]),
                    ggml = theirs.tensors.require(slot.name).dtype;
        if (ours == ggml) continue;
        std::printf("FAIL %s, %s: %s is %s, llama.cpp gives %s\n", spec.name.c_str(), std::string(recipe.name).c_str(),
                    slot.name.c_str(), std::string(info(ours).name).c_str(), std::string(info(ggml).name).c_str());
        ++count;
    }
    const auto file_type = theirs.metadata.require<int64_t>("general.file_type");
    if (file_type != recipe.file_type) std::printf("FAIL file type %d\n", static_cast<int>(file_type));
    return count + (file_type != recipe.file_type);
}

// Where we make do without, and llama.cpp does not.
bool llama_needs_importance(std::string_view name) {
    return name.starts_with("IQ1") || name.starts_with("IQ2") || name == "IQ3_XS" || name == "IQ3_XXS";
}

int compare(const Llama& llama, const std::filesystem::path& work) {
    const std::pair<const char*, test::TinyShape> models[] = {
        {"llama", {.layers = 16, .dim = 256, .kv_heads = 1, .head_dim = 64, .hidden = 256, .tied = true}},
        {"mixtral", {.layers = 16, .dim = 256, .head_dim = 64, .experts = 8, .expert_hidden = 32}},
        {"qwen3moe", {.layers = 9, .dim = 256, .kv_heads = 1, .head_dim = 64, .experts = 4, .expert_hidden = 32}},
        {"qwen2moe", {.layers = 3, .dim = 96, .head_dim = 24, .expert_hidden = 32, .shared_hidden = 64}},
    };
    int failures = 0;
    for (const auto& [architecture, shape] : models) {
        const std::string model = work / (std::string(architecture) + ".gguf"), out = work / "out.gguf";
        save_model(*test::tiny_model(architecture, shape), model);
        int here = 0;
        int compared = 0;
        for (const Recipe& recipe : recipes()) {
            for (const bool with_importance : {false, true}) {
                if ((recipe.needs_importance || llama_needs_importance(recipe.name)) && !with_importance) continue;
                // llama.cpp reads these, but makes no files of them.
                if (recipe.name == "NVFP4" || recipe.name == "Q1_0") continue;
                here += differences(llama, recipe, with_importance, model, out);
                ++compared;
            }
        }
        std::printf("%s %s: %d files, %d differences\n", here ? "FAIL" : "ok  ", architecture, compared, here);
        failures += here;
    }
    return failures;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return std::fputs("usage: llamacpp_recipes LIBLLAMA WORK\n", stderr), 2;
    try {
        std::filesystem::create_directories(argv[2]);
        return compare(Llama(argv[1]), argv[2]) ? 1 : 0;
    } catch (const Error& error) {
        return std::fprintf(stderr, "%s\n", error.what()), 1;
    }
}
