// A model's tensors by their canonical names.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/spec/tensors.h"

namespace gremium::versions {

class NamedTensors {
  public:
    // The model must outlive this object.
    explicit NamedTensors(const Model& model);

    // Has the slot's shape; if slot.expert is set, that expert's part of a stack. Empty for a whole stack, because its
    // experts need not be contiguous.
    TensorView operator()(const TensorSlot& slot) const;

  private:
    const Model& model_;
    std::map<std::string, TensorView> values_;
};

// All slots of the model, with one slot per expert for stacks.
std::vector<TensorSlot> single_slots(const ModelSpec& spec);
// "blk.3.ffn_up_exps.weight", "blk.3.ffn_up_exps.weight of expert 17".
std::string name_of(const TensorSlot& slot);

}  // namespace gremium::versions
