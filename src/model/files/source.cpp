#include "model/files/source.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "model/archs/common.h"
#include "model/archs/layout.h"
#include "tensor/quantised/blocks.h"

namespace gremium {

namespace {

using ops::Weight;

TensorView require_real(TensorView view, const std::string& name, const std::string& source) {
    if (view.dtype == DType::i32) fail("{}: tensor {} holds integers, expected real numbers", source, name);
    return view;
}

std::string scales_of_blocks(const std::string& name) { return name.substr(0, name.rfind("_blocks")) + "_scales"; }

// Whether a matrix of a stack lies in one piece in the file.
bool viewed(const Layout& layout) {
    using enum Layout::Part;
    const bool run = layout.part == first || layout.part == last || layout.part == next;
    return run && !layout.columns && !layout.transposed;
}

// The same numbers: a vector may be written as a matrix of one row.
bool same_but_for_ones(const Shape& a, const Shape& b) {
    const auto significant = [](const Shape& s) {
        std::vector<int64_t> dims(s.dim.begin(), s.dim.begin() + s.rank);
        std::erase(dims, 1);
        return dims;
    };
    return significant(a) == significant(b);
}

// Kernels want norms, biases and the like in f32.
bool is_small(const TensorSlot& slot) {
    return slot.shape.rank == 1 || slot.role == TensorRole::expert_bias || slot.role == TensorRole::filter ||
           slot.role == TensorRole::rates || slot.role == TensorRole::relative_bias;
}

}  // namespace

Weight Source::find(const TensorSlot& slot) {
    const std::vector<Place> places = places_of(slot);
    for (const Place& place : places) {
        if (!holds(place.name)) continue;
        const bool whole_stack = slot.of_experts() && slot.expert < 0;
        if (whole_stack && (place.each_expert || viewed(place.layout))) return {};
        return place.layout.plain() ? take(place.name, slot) : take_part(place, slot);
    }
    return take(places.front().name, slot);  // it is missing
}

void Source::refuse_unused() const {
    for (const TensorEntry& entry : storage_.tensors)
        if (!used_.contains(entry.name) && !ignorable(entry.name) && entry.name.ends_with(".scale"))
            fail("{}: tensor {} scales another one as NVFP4 files do; the tensor beside it is not of that type",
                 storage_.tensors.source(), entry.name);
        else if (!used_.contains(entry.name) && !ignorable(entry.name))
            fail(
                "{}: tensor {} does not belong to a {} model of {} layers as its configuration describes "
                "it",
                storage_.tensors.source(), entry.name, spec_.architecture, spec_.layers.size());
}

void Source::expect_shared_tensors() {
    for (const TensorSlot& slot : tensor_slots(spec_))
        for (const Place& place : places_of(slot))
            if (!place.layout.plain()) {
                int64_t& extent = extents_[place.name];
                begins_[{place.name, slot.name}] = extent;
                extent += archs::extent_of(place.layout, archs::matrices_of(slot));
            }
}

bool Source::is_further(std::string_view name, std::string_view before) const {
    if (!name.starts_with(before)) return false;
    const char* const digits = name.data() + before.size();
    int64_t layer = -1;
    const auto [end, error] = std::from_chars(digits, name.data() + name.size(), layer);
    const int64_t first = std::ssize(spec_.layers);
    return error == std::errc() && layer >= first && layer < first + further_;
}

Weight Source::take(const std::string& name, const TensorSlot& slot) {
    TensorView view = numbers(name);
    if (!same_but_for_ones(view.shape, slot.shape))
        fail("{}: tensor {} has shape {}, expected {}", tensors().source(), name, to_string(view.shape),
             to_string(slot.shape));
    view = kept(reshape(view, slot.shape));
    return {is_small(slot) ? as_f32(view) : view, {}};
}

bool Source::holds(const std::string& name) const { return tensors().contains(name) || tensors().find_opaque(name); }

// A tensor of the file. Where it has a second one of scales they are put together in `joined_`, which the next such
// tensor replaces; the slots that share one follow each other.
TensorView Source::numbers(const std::string& name) {
    if (name == joined_name_) return joined_;
    used_.insert(name);
    const OpaqueEntry* opaque = tensors().find_opaque(name);
    if (const OpaqueEntry* scales = opaque ? tensors().find_opaque(scales_of_blocks(name)) : nullptr)
        return join(name, join_mxfp4(*opaque, *scales, tensors().source()));
    if (opaque && becomes_f32(*opaque)) return join(name, opaque_as_f32(*opaque, tensors().source()));
    const TensorView view = tensors().require(name);
    if (view.dtype != DType::f8_e4m3) return require_real(view, name, tensors().source());
    return join(name, scale_f8(view, scales_of(name), name, tensors().source(), f8_block_));
}

TensorView Source::scales_of(const std::string& name) {
    const std::string by_block = name + "_scale_inv", plain = name + "_scale";
    const std::string& scales = !holds(by_block) && holds(plain) ? plain : by_block;
    used_.insert(scales);
    const OpaqueEntry* opaque = tensors().find_opaque(scales);
    if (!opaque || !becomes_f32(*opaque)) return tensors().require(scales);
    return scales_.emplace(opaque_as_f32(*opaque, tensors().source()));
}

TensorView Source::join(const std::string& name, OwnedTensor tensor) {
    joined_name_ = name;
    joined_ = tensor;
    joined_memory_ = std::move(tensor);
    return joined_;
}

// What a weight views stays.
TensorView Source::kept(TensorView view) {
    if (joined_memory_ && view.data >= joined_.data && view.data < joined_.data + joined_.bytes()) {
        storage_.converted.push_back(*std::move(joined_memory_));
        joined_memory_.reset();
    }
    return view;
}

// A slot that has only part of a tensor's numbers, or in another order: a view where they lie together, else a copy.
Weight Source::take_part(const Place& place, const TensorSlot& slot) {
    archs::Matrices shape = archs::matrices_of(slot);
    if (slot.expert >= 0) shape.count = layer_of(spec_, slot)->moe()->router.experts;
    const archs::Matrices file = archs::in_file(place.layout, shape, extents_.at(place.name));
    TensorView view = numbers(place.name);
    Shape expected{file.count, file.rows, file.cols};
    if (place.layout.joined) expected = {file.count * file.rows, file.cols};
    if (!same_but_for_ones(view.shape, expected))
        fail("{}: tensor {} has shape {}, expected {}", tensors().source(), place.name, to_string(view.shape),
             to_string(expected));
    const auto found = begins_.find({place.name, slot.name});
    const int64_t begin = found == begins_.end() ? 0 : found->second;
    if (slot.expert >= 0 || (viewed(place.layout) && !place.layout.joined && file.count == 1)) {
        view = reshape(view, {file.count, file.rows, file.cols}).at(std::max(0, slot.expert));
        const int64_t first = place.layout.part == Layout::Part::last   ? file.rows - shape.rows
                              : place.layout.part == Layout::Part::next ? begin
                                                                        : 0;
        view = kept({view.row(first), view.dtype, slot.shape});
        return {is_small(slot) ? as_f32(view) : view, {}};
    }
    std::optional<OwnedTensor> widened;  // blocks do not survive another order of columns
    if (is_quantised(view.dtype) && (place.layout.transposed || place.layout.columns)) {
        convert(view, widened.emplace(DType::f32, view.shape));
        view = *widened;
    }
    const OwnedTensor& copy = storage_.converted.emplace_back(view.dtype, slot.shape);
    archs::gather(copy.get().data, shape, view.data, file, place.layout, view.dtype, begin);
    return {is_small(slot) ? as_f32(copy) : copy, {}};
}

TensorView Source::as_f32(TensorView view) {
    if (view.dtype == DType::f32) return view;
    const OwnedTensor& copy = storage_.converted.emplace_back(DType::f32, view.shape);
    convert(view, copy);
    return copy;
}

GgufSource::GgufSource(const ModelSpec& spec, Storage& storage, int further) : Source(spec, storage, further) {
    expect_shared_tensors();
}

std::vector<Place> GgufSource::places_of(const TensorSlot& slot) const { return gguf_places(architecture(), slot); }

bool GgufSource::ignorable(const std::string& name) const {
    return is_further(name, "blk.") || begins_with_any(name, architecture().gguf_ignored, spec()) ||
           std::ranges::any_of(archs::rotary_tensors,
                               [&](const archs::RotaryTensor& rotary) { return rotary.name == name; });
}

HfSource::HfSource(const ModelSpec& spec, Storage& storage, int further, F8Block f8_block)
    : Source(spec, storage, further), naming_(naming_of(storage.tensors, architecture())) {
    f8_block_ = f8_block;
    expect_shared_tensors();
}

HfNaming HfSource::naming_of(const TensorIndex& tensors, const Architecture& architecture) {
    return {tensors, hf_places(architecture, {embedding_name, {}, TensorRole::embedding}).front().name};
}

std::vector<Place> HfSource::places_of(const TensorSlot& slot) const {
    std::vector<Place> places = hf_places(architecture(), slot);
    for (Place& place : places) place.name = naming_.in_file(place.name);
    return places;
}

bool HfSource::ignorable(const std::string& name) const {
    // What rounds activations is of no use where they are not rounded.
    constexpr std::string_view endings[] = {"rotary_emb.inv_freq", ".input_scale", ".activation_scale"};
    const std::string usual = naming_.usual(name);
    return std::ranges::any_of(endings, [&](std::string_view ending) { return name.ends_with(ending); }) ||
           (spec().tied_head && name.ends_with("lm_head.weight")) || usual.starts_with("mtp.") ||
           usual.starts_with("model.mtp") || is_further(usual, "model.layers.") ||
           begins_with_any(name, architecture().hf_ignored, spec()) ||
           begins_with_any(usual, architecture().hf_ignored, spec());
}

}  // namespace gremium
