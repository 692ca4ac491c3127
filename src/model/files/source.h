// The tensors of a model file as the slots of a specification ask for them.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "formats/tensor_index.h"
#include "model/archs/architecture.h"
#include "model/files/hf_naming.h"
#include "model/files/join_scales.h"
#include "model/spec/tensors.h"
#include "tensor/arena.h"

namespace gremium {

// The views of a model point into these.
struct Storage {
    TensorIndex tensors;
    std::deque<OwnedTensor> converted;
};

// Finds the tensors of a file, checks their shapes, and remembers which were used.
class Source {
  public:
    // `further`: layers behind the model's, which predict further tokens and are not used.
    Source(const ModelSpec& spec, Storage& storage, int further)
        : spec_(spec), architecture_(architecture_of(spec)), storage_(storage), further_(further) {}
    virtual ~Source() = default;

    // Empty for a stack whose experts are to be asked for one by one.
    ops::Weight find(const TensorSlot& slot);
    // A tensor that the specification does not know means that it describes another model.
    void refuse_unused() const;

  protected:
    virtual std::vector<Place> places_of(const TensorSlot& slot) const = 0;
    virtual bool ignorable(const std::string& name) const = 0;

    const TensorIndex& tensors() const { return storage_.tensors; }
    const ModelSpec& spec() const { return spec_; }
    const Architecture& architecture() const { return architecture_; }
    // All slots that share the tensor of a place that is not plain say how large it must be.
    void expect_shared_tensors();
    // Whether "BEFORE.N.…" is of a layer behind the model's.
    bool is_further(std::string_view name, std::string_view before) const;

    F8Block f8_block_;

  private:
    ops::Weight take(const std::string& name, const TensorSlot& slot);
    ops::Weight take_part(const Place& place, const TensorSlot& slot);
    bool holds(const std::string& name) const;
    TensorView numbers(const std::string& name);
    TensorView scales_of(const std::string& name);
    TensorView scale_of_products(const std::string& name, const TensorSlot& slot);
    TensorView join(const std::string& name, OwnedTensor tensor);
    TensorView kept(TensorView view);
    TensorView as_f32(TensorView view);

    const ModelSpec& spec_;
    const Architecture& architecture_;
    Storage& storage_;
    int further_;
    std::set<std::string> used_;
    std::map<std::string, int64_t> extents_;
    std::map<std::pair<std::string, std::string>, int64_t> begins_;  // of `next` parts, by tensor and slot
    std::string joined_name_;
    TensorView joined_;
    std::optional<OwnedTensor> joined_memory_;  // of joined_, until a weight views it
    std::optional<OwnedTensor> scales_;         // of the last tensor whose scales had to be made
};

class GgufSource : public Source {
  public:
    GgufSource(const ModelSpec& spec, Storage& storage, int further);

  protected:
    std::vector<Place> places_of(const TensorSlot& slot) const override;
    bool ignorable(const std::string& name) const override;
};

class HfSource : public Source {
  public:
    HfSource(const ModelSpec& spec, Storage& storage, int further, F8Block f8_block);

    // The name that the file has for the tensor of a slot.
    static HfNaming naming_of(const TensorIndex& tensors, const Architecture& architecture);

  protected:
    std::vector<Place> places_of(const TensorSlot& slot) const override;
    bool ignorable(const std::string& name) const override;

  private:
    HfNaming naming_;
};

}  // namespace gremium
