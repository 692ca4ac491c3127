// tiny_models DIRECTORY: writes a small random model of every architecture as GGUF (f32), for other programs
// to read.
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "model/files/save.h"
#include "tests/model/tiny_model.h"

namespace {

using namespace gremium;

// The model that llama.cpp takes the file for, where it differs (archs/phimoe.cpp, archs/gptoss.cpp).
ModelSpec as_llamacpp_reads(ModelSpec spec) {
    for_each_attention(spec, [](AttentionSpec& a) { a.rope.yarn.truncate = true; });
    // Keys and values of one width.
    for (LayerSpec& layer : spec.layers)
        if (auto* net = std::get_if<DeltaNetSpec>(&layer.mixer)) net->value_dim = net->key_dim;
    if (spec.architecture != "phimoe") return spec;
    spec.norm.kind = NormKind::rms;
    for (LayerSpec& layer : spec.layers) {
        moe::RouterPolicy& router = std::get<MoeSpec>(layer.feed_forward).router;
        router.score = moe::RouterPolicy::Score::softmax_selected;
        router.sparse_epsilon = 0;
    }
    return spec;
}

void save(const std::string& architecture, const test::TinyShape& shape, uint64_t seed,
          const std::filesystem::path& path) {
    const ModelSpec spec = as_llamacpp_reads(test::tiny_spec(architecture, shape));
    save_model(*test::tiny_model(spec, test::tiny_tensors(spec, seed)), path);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return std::fputs("usage: tiny_models DIRECTORY\n", stderr), 2;
    try {
        const std::filesystem::path directory = argv[1];
        std::filesystem::create_directories(directory);
        for (const std::string& architecture : test::tiny_architectures()) {
            if (architecture == "moe_mamba") continue;  // a layout of our own
            const test::TinyShape wide{
                // four layers: llama.cpp loads no llama4 without one that has no RoPE
                .layers = 4, .dim = 64, .head_dim = 16, .hidden = 96, .experts = 8, .top_k = 3, .expert_hidden = 32};
            const test::TinyShape tied{.layers = 4, .experts = 16, .top_k = 4, .tied = true};
            save(architecture, wide, 1, directory / (architecture + ".gguf"));
            save(architecture, tied, 2, directory / (architecture + "-tied.gguf"));
        }
    } catch (const Error& error) {
        return std::fprintf(stderr, "%s\n", error.what()), 1;
    }
    return 0;
}
