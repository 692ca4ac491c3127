// A safetensors file, with block-quantised tensors in it.
#include "formats/safetensors/safetensors.h"

#include "fuzz/touch.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    const SafetensorsFile file = parse_safetensors(input, "input");
    touch(file.tensors, input.size());
    TensorIndex stored("input");
    for (const OpaqueEntry& entry : file.tensors.opaque())
        if (file.metadata.contains(entry.name + ".type")) stored.add({entry.name, stored_tensor(file, entry.name)});
    touch(stored, input.size());
}

}  // namespace gremium::fuzz
