// Tensor names of a directory: the usual ones of a text model, or those of one inside a larger model, or saved without
// its head.
#pragma once

#include <string>
#include <string_view>

#include "formats/tensor_index.h"

namespace gremium {

class HfNaming {
  public:
    // Found by the name that the embedding has. `tensors` must outlive this.
    HfNaming(const TensorIndex& tensors, std::string_view embedding);

    std::string in_file(std::string_view usual) const;
    std::string usual(std::string_view in_file) const;

  private:
    struct Style {
        std::string_view model;   // stands for "model."
        std::string_view before;  // other names
    };
    static constexpr Style styles[] = {{"model.", ""},
                                       {"language_model.model.", "language_model."},
                                       {"model.language_model.", ""},
                                       {"", ""},
                                       {"language_model.", "language_model."}};
    static std::string styled(const Style& style, std::string_view usual);

    const TensorIndex& tensors_;
    const Style* style_ = &styles[0];
};

}  // namespace gremium
