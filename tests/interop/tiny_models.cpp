// tiny_models DIRECTORY: writes a small random model of every architecture as GGUF (f32), for other programs
// to read.
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "tests/model/tiny_model.h"

int main(int argc, char** argv) {
    using namespace gremium;
    if (argc != 2) return std::fputs("usage: tiny_models DIRECTORY\n", stderr), 2;
    try {
        const std::filesystem::path directory = argv[1];
        std::filesystem::create_directories(directory);
        for (const std::string& architecture : test::tiny_architectures()) {
            const test::TinyShape wide{
                .dim = 64, .head_dim = 16, .hidden = 96, .experts = 8, .top_k = 3, .expert_hidden = 32};
            const test::TinyShape tied{.layers = 4, .experts = 16, .top_k = 4, .tied = true};
            save_model(*test::tiny_model(architecture, wide), directory / (architecture + ".gguf"));
            save_model(*test::tiny_model(architecture, tied, 2), directory / (architecture + "-tied.gguf"));
        }
    } catch (const Error& error) {
        return std::fprintf(stderr, "%s\n", error.what()), 1;
    }
    return 0;
}
