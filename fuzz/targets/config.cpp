// config.json of a Hugging Face directory: to the specification of a model and its tensors, and back.
#include "base/json.h"
#include "formats/hugging_face/hf.h"
#include "fuzz/target.h"
#include "model/archs/architecture.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    const HfConfig config(parse_json(text_of(input), "config.json"), "config.json");
    const Architecture& architecture = architecture_of(config);
    const ModelSpec spec = architecture.from_hf(config);
    validate(spec, "config.json");
    require(size_of(spec).total_parameters > 0);
    for (const TensorSlot& slot : tensor_slots(spec)) require(slot.shape.count() > 0);
    nlohmann::ordered_json written;
    architecture.to_hf(spec, written);
}

}  // namespace gremium::fuzz
