// The metadata of a GGUF file: to the specification of a model, and to its vocabulary, which encodes a text.
#include "formats/gguf/gguf.h"
#include "fuzz/texts.h"
#include "model/archs/architecture.h"
#include "model/files/gguf_vocabulary.h"

namespace gremium::fuzz {
namespace {

void read_vocabulary(const Metadata& metadata) {
    if (auto vocabulary = read_gguf_vocabulary(metadata)) encode_texts(std::move(*vocabulary));
}

void read_spec(const Metadata& metadata) {
    const ModelSpec spec = architecture_of(metadata).from_gguf(metadata);
    validate(spec, "input");
    for (const TensorSlot& slot : tensor_slots(spec)) require(slot.shape.count() > 0);
}

}  // namespace

void run(std::span<const std::byte> input) {
    const GgufFile file = parse_gguf(input, "input");
    if (file.metadata.contains("general.architecture")) read_spec(file.metadata);
    read_vocabulary(file.metadata);
}

}  // namespace gremium::fuzz
