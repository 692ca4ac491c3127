// One expert as a file for others.
#include "versions/delta.h"

#include "fuzz/target.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    static const Folder folder;
    const versions::Delta delta = versions::read_delta(folder.put("input.safetensors", text_of(input)));
    require(delta.weights.bytes() >= 0 &&
            static_cast<size_t>(delta.weights.bytes() + delta.row.bytes()) <= input.size());
}

}  // namespace gremium::fuzz
