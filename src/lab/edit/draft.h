// A model on the drawing board: routers and experts of an opened model as things to rearrange. The opened model and its
// file are never changed; what an edit makes anew is the draft's own memory, everything else stays a view.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/files/save.h"
#include "model/model.h"

namespace gremium::lab {

// Of a layer with experts. Router rows, biases and experts stand in the same order.
struct DraftLayer {
    int layer = 0;
    MoeSpec spec;
    std::vector<std::vector<float>> router_ED;   // a row for each expert
    std::vector<float> router_bias, correction;  // [E], or empty
    std::vector<moe::ExpertWeights> experts;

    int count() const { return static_cast<int>(experts.size()); }
    // Only the experts listed, in that order (any may repeat); `spec` follows. Groups must come out of equal size.
    void keep(const std::vector<int>& order);
};

class Draft {
  public:
    // Throws Error: a model without experts.
    explicit Draft(std::shared_ptr<const Model> base);

    const Model& base() const { return *base_; }
    std::vector<DraftLayer>& layers() { return layers_; }
    DraftLayer& layer(int layer);  // throws Error where it has no experts

    // Memory for numbers made anew, which live as long as models made of the draft.
    Tensor memory(DType dtype, Shape shape);
    ops::Weight weight(const std::vector<float>& values, DType dtype, Shape shape);  // rounded to dtype
    void keep_alive(std::shared_ptr<const void> other) { storage_->others.push_back(std::move(other)); }

    // The model as drawn. Throws Error where it contradicts itself (validate).
    std::shared_ptr<const Model> model() const;

  private:
    struct Storage {
        std::shared_ptr<const Model> base;
        std::vector<OwnedTensor> tensors;
        std::vector<std::shared_ptr<const void>> others;
    };
    std::shared_ptr<const Model> base_;
    std::shared_ptr<Storage> storage_;
    std::vector<DraftLayer> layers_;
};

// Every matrix as it is stored in the model, for save_model. A stack of experts, which GGUF writes as one tensor, gets
// the type with the most bits among its experts.
SaveOptions stored_types(const Model& model, Container container);
// Before work whose result goes there: throws Error where that is the model that was opened and edited, and where
// nothing can be written. To a folder, others are made on the way; to a file they are not.
enum class Target : uint8_t { file, folder };
void require_target(const std::filesystem::path& out, const std::filesystem::path& opened, Target target);
Target target_of(const std::filesystem::path& model);  // NAME.gguf: a file
// Written with these types: NAME.gguf, otherwise a directory in Hugging Face layout. Throws Error as require_target.
void save_edited(const Model& model, const std::filesystem::path& out, const std::filesystem::path& opened);

}  // namespace gremium::lab
