#include "model/files/hf_naming.h"

#include <algorithm>

namespace gremium {

namespace {

constexpr std::string_view model = "model.";

bool holds(const TensorIndex& tensors, std::string_view name) {
    return tensors.contains(name) || tensors.find_opaque(name);
}

}  // namespace

HfNaming::HfNaming(const TensorIndex& tensors, std::string_view embedding) : tensors_(tensors) {
    const auto found =
        std::ranges::find_if(styles, [&](const Style& style) { return holds(tensors, styled(style, embedding)); });
    if (found != std::end(styles)) style_ = found;
}

std::string HfNaming::styled(const Style& style, std::string_view usual) {
    if (usual.starts_with(model)) return std::string(style.model).append(usual.substr(model.size()));
    return std::string(style.before).append(usual);
}

// The head may stand beside the text model instead of in it.
std::string HfNaming::in_file(std::string_view usual) const {
    std::string name = styled(*style_, usual);
    return holds(tensors_, name) || !holds(tensors_, usual) ? name : std::string(usual);
}

std::string HfNaming::usual(std::string_view in_file) const {
    if (in_file.starts_with(style_->model)) return std::string(model).append(in_file.substr(style_->model.size()));
    if (in_file.starts_with(style_->before)) in_file.remove_prefix(style_->before.size());
    return std::string(in_file);
}

}  // namespace gremium
