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
    explicit NamedTensors(const Model& model);  // which must outlive it

    // Of the slot's shape; a part of a stack where slot.expert says which. Empty for a whole stack, whose experts need
    // not lie together.
    TensorView operator()(const TensorSlot& slot) const;

  private:
    const Model& model_;
    std::map<std::string, TensorView> values_;
};

// Every slot of the model, stacks expert by expert.
std::vector<TensorSlot> single_slots(const ModelSpec& spec);
// "blk.3.ffn_up_exps.weight", "blk.3.ffn_up_exps.weight of expert 17".
std::string name_of(const TensorSlot& slot);

}  // namespace gremium::versions
