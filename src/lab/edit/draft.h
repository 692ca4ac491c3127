// A draft: the routers and experts of an opened model in a form that edits can rearrange. The opened model and its file
// are never changed. The draft owns the memory of what edits create; everything else stays a view.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/files/save.h"
#include "model/model.h"

namespace gremium::lab {

// A layer with experts. Router rows, biases and experts are in the same order.
struct DraftLayer {
    int layer = 0;
    MoeSpec spec;
    std::vector<std::vector<float>> router_ED;   // one row per expert
    std::vector<float> router_bias, correction;  // [E], or empty
    std::vector<moe::ExpertWeights> experts;

    int count() const { return static_cast<int>(experts.size()); }
    // Keeps only the listed experts, in that order (they may repeat), and updates `spec`. Groups must end up equally
    // large.
    void keep(const std::vector<int>& order);
};

class Draft {
  public:
    // Throws Error: a model without experts.
    explicit Draft(std::shared_ptr<const Model> base);

    const Model& base() const { return *base_; }
    std::vector<DraftLayer>& layers() { return layers_; }
    // Throws Error if the layer has no experts.
    DraftLayer& layer(int layer);

    // New memory, which lives as long as the draft and the models made from it.
    Tensor memory(DType dtype, Shape shape);
    // The values, rounded to `dtype`, in new memory.
    ops::Weight weight(const std::vector<float>& values, DType dtype, Shape shape);
    void keep_alive(std::shared_ptr<const void> other) { storage_->others.push_back(std::move(other)); }

    // The edited model. Throws Error if it contradicts itself (validate()).
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

// For save_model: the stored type of every matrix. A stack of experts, which GGUF writes as one tensor, gets the type
// with the most bits among its experts.
SaveOptions stored_types(const Model& model, Container container);
// Before work whose result goes there: throws Error where that is the model that was opened and edited, and where
// nothing can be written. To a folder, others are made on the way; to a file they are not.
enum class Target : uint8_t { file, folder };
void require_target(const std::filesystem::path& out, const std::filesystem::path& opened, Target target);
Target target_of(const std::filesystem::path& model);  // NAME.gguf: a file
// Written with these types: NAME.gguf, otherwise a directory in Hugging Face layout. Throws Error as require_target.
void save_edited(const Model& model, const std::filesystem::path& out, const std::filesystem::path& opened);

}  // namespace gremium::lab
