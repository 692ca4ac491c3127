#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "formats/gguf/gguf.h"
#include "fuzz/touch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    try {
        const gremium::GgufFile file = gremium::parse_gguf(std::as_bytes(std::span(data, size)), "input");
        gremium::fuzz::touch(file.tensors, size);
    } catch (const gremium::Error&) {
    }
    return 0;
}
