// Writes a small seed corpus: fuzz_seeds DIRECTORY makes DIRECTORY/gguf and DIRECTORY/safetensors.
#include <cstdio>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "formats/gguf/gguf.h"
#include "formats/safetensors/safetensors.h"

namespace {

using namespace gremium;

const std::vector<TensorDecl> tensors{{"f32", DType::f32, {2, 2}}, {"bf16", DType::bf16, {3}}};

void fill(TensorWriter& writer) {
    for (const TensorDecl& tensor : writer.tensors()) {
        const std::vector<std::byte> bytes(checked_bytes(tensor, "seed"), std::byte{0x3F});
        writer.write(tensor.name, bytes);
    }
    writer.finish();
}

void write_gguf(const std::filesystem::path& directory) {
    Metadata scalars, arrays, vocabulary;
    scalars.set("general.alignment", uint32_t{8});
    scalars.set("bool", true);
    scalars.set("u8", uint8_t{1});
    scalars.set("i16", int16_t{-1});
    scalars.set("f64", 0.5);
    scalars.set("string", "text");
    arrays.set("strings", std::vector<std::string>{"a", "bc"});
    arrays.set("bools", std::vector<bool>{true, false});
    arrays.set("i32", std::vector<int32_t>{1, -1});
    vocabulary.set("tokens", std::vector<std::string>{"x"});
    GgufWriter first(directory / "scalars", scalars, tensors);
    fill(first);
    GgufWriter second(directory / "arrays", arrays,
                      {{"q8_0", DType::q8_0, {2, 32}}, {"q4_0", DType::q4_0, {1, 1, 32}}});
    fill(second);
    GgufWriter third(directory / "vocabulary", vocabulary, {});
    fill(third);
}

void write_safetensors(const std::filesystem::path& directory) {
    SafetensorsWriter first(directory / "two", tensors);
    fill(first);
    SafetensorsWriter second(directory / "odd", {{"scalar", DType::f16, {}}, {"empty", DType::i32, {0, 4}}}, {});
    fill(second);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: fuzz_seeds DIRECTORY\n", stderr);
        return 2;
    }
    try {
        const std::filesystem::path directory = argv[1];
        for (const char* format : {"gguf", "safetensors"}) std::filesystem::create_directories(directory / format);
        write_gguf(directory / "gguf");
        write_safetensors(directory / "safetensors");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "fuzz_seeds: %s\n", error.what());
        return 1;
    }
}
