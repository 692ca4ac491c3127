// A GGUF file.
#include "formats/gguf/gguf.h"

#include "fuzz/touch.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) { touch(parse_gguf(input, "input").tensors, input.size()); }

}  // namespace gremium::fuzz
