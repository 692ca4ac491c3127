// model.safetensors.index.json, up to a zero byte, and then the file that it should name: a.safetensors.
#include "formats/safetensors/safetensors.h"
#include "fuzz/touch.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    static const Folder folder;
    const auto parts = parts_of(input, 2);
    folder.put("a.safetensors", parts[1]);
    touch(open_safetensors_index(folder.put("model.safetensors.index.json", parts[0])).tensors, input.size());
}

}  // namespace gremium::fuzz
