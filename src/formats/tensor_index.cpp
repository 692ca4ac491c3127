#include "formats/tensor_index.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "formats/in_quotes.h"

namespace gremium {

namespace {

std::string safetensors_types() {
    std::string list;
    for (int i = 0; i < dtype_count; ++i) {
        const std::string_view name = info(static_cast<DType>(i)).safetensors;
        if (!name.empty()) list.append(list.empty() ? "" : ", ").append(name);
    }
    return list;
}

}  // namespace

size_t checked_bytes(const TensorDecl& tensor, const std::string& source) {
    const DTypeInfo& type = info(tensor.dtype);
    int64_t count = 1;
    bool empty = false;
    for (int i = 0; i < tensor.shape.rank; ++i) {
        const int64_t dim = tensor.shape[i];
        empty |= dim == 0;
        // Empty dimensions count as 1, so that no sub-shape overflows either.
        if (dim < 0 || __builtin_mul_overflow(count, std::max(dim, int64_t{1}), &count))
            fail("{}: tensor {} has the impossible shape {}", source, in_quotes(tensor.name), to_string(tensor.shape));
    }
    const int64_t cols = tensor.shape.rank ? tensor.shape[tensor.shape.rank - 1] : 1;
    int64_t bytes = 0;
    if (cols % type.block != 0 || __builtin_mul_overflow(count / type.block, int64_t{type.bytes}, &bytes))
        fail("{}: tensor {} of shape {} cannot be {}, which holds whole blocks of {}", source, in_quotes(tensor.name),
             to_string(tensor.shape), type.name, type.block);
    return empty ? 0 : static_cast<size_t>(bytes);
}

void TensorIndex::claim(const std::string& name, Position position) {
    if (!positions_.try_emplace(name, position).second) fail("{}: tensor {} appears twice", source_, in_quotes(name));
}

void TensorIndex::add(TensorEntry entry) {
    claim(entry.name, {entries_.size(), false});
    entries_.push_back(std::move(entry));
}

void TensorIndex::add_opaque(OpaqueEntry entry) {
    claim(entry.name, {opaque_.size(), true});
    opaque_.push_back(std::move(entry));
}

void TensorIndex::merge(TensorIndex other) {
    for (TensorEntry& entry : other.entries_) add(std::move(entry));
    for (OpaqueEntry& entry : other.opaque_) add_opaque(std::move(entry));
    std::move(other.memory_.begin(), other.memory_.end(), std::back_inserter(memory_));
    std::move(other.files_.begin(), other.files_.end(), std::back_inserter(files_));
}

const TensorView* TensorIndex::find(std::string_view name) const {
    const auto found = positions_.find(name);
    return found == positions_.end() || found->second.opaque ? nullptr : &entries_[found->second.index].view;
}

const OpaqueEntry* TensorIndex::find_opaque(std::string_view name) const {
    const auto found = positions_.find(name);
    return found == positions_.end() || !found->second.opaque ? nullptr : &opaque_[found->second.index];
}

TensorView TensorIndex::require(std::string_view name) const {
    if (const TensorView* view = find(name)) return *view;
    if (const OpaqueEntry* entry = find_opaque(name))
        fail("{}: tensor {} has type {} and {} dimensions, supported are {} of up to {}", source_, in_quotes(name),
             entry->dtype, entry->shape.size(), safetensors_types(), Shape::max_rank);
    fail("{}: tensor {} is missing", source_, in_quotes(name));
}

TensorView TensorIndex::require(std::string_view name, const Shape& shape) const {
    const TensorView view = require(name);
    if (view.shape != shape)
        fail("{}: tensor {} has shape {}, expected {}", source_, in_quotes(name), to_string(view.shape),
             to_string(shape));
    return view;
}

std::vector<TensorDecl> TensorIndex::declarations() const {
    std::vector<TensorDecl> out;
    out.reserve(entries_.size());
    for (const TensorEntry& entry : entries_) out.push_back({entry.name, entry.view.dtype, entry.view.shape});
    return out;
}

int64_t TensorIndex::bytes() const {
    int64_t total = 0;
    for (const TensorEntry& entry : entries_) total += entry.view.bytes();
    return total;
}

}  // namespace gremium
