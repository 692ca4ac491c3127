#include "train/parameters.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "base/random.h"
#include "model/files/bind.h"
#include "tensor/quantised/blocks.h"

namespace gremium::train {
namespace {

constexpr int64_t alignment = 16;  // floats: a cache line
constexpr int64_t chunk = int64_t{1} << 16;

bool decays(TensorRole role) {
    return role == TensorRole::matrix || role == TensorRole::expert || role == TensorRole::embedding ||
           role == TensorRole::head || role == TensorRole::router || role == TensorRole::shared_gate ||
           role == TensorRole::filter;
}

// Matmuls read these in bf16; embeddings are only looked up unless they are the head too.
bool has_shadow(TensorRole role, bool tied_head) {
    return role == TensorRole::matrix || role == TensorRole::expert || role == TensorRole::head ||
           (role == TensorRole::embedding && tied_head);
}

Tensor part_of(Tensor flat, int64_t begin, int64_t count) {
    return {flat.data + begin * row_bytes(flat.dtype, 1), flat.dtype, {count}};
}

uint64_t stream_of(const std::string& name) {
    uint64_t stream = 0;
    for (const char c : name) stream = mix64(stream ^ static_cast<unsigned char>(c));
    return stream;
}

void fill_normal(Tensor out, float deviation, uint64_t seed, uint64_t stream) {
    parallel_chunks(out.count(), chunk, [&](int64_t begin, int64_t end) {
        Random random(seed, stream);
        // A normal number takes two uniform ones.
        random.seek(2 * static_cast<uint64_t>(begin));
        for (int64_t i = begin; i < end; ++i) out.f32()[i] = deviation * static_cast<float>(random.normal());
    });
}

// The standard deviation of a matrix's initial values.
float deviation(const TensorSlot& slot, size_t layers) {
    switch (slot.traits.spread) {
        case Spread::usual:
            break;
        case Spread::residual:
            return 0.02f / std::sqrt(2 * static_cast<float>(layers));
        case Spread::inputs:
            return 1 / std::sqrt(3 * static_cast<float>(slot.shape[slot.shape.rank - 1]));
    }
    return 0.02f;
}

// Logarithms of the rates: component n of every channel's state decays at rate n (Gu et al.: S4D-Real, 2022).
// One rate a head: spread from 1 to 16 (Dao, Gu: Mamba-2, 2024).
void fill_rates(Tensor rates_CN) {
    const int64_t heads = rates_CN.count();
    if (rates_CN.shape.rank == 1 || rates_CN.cols() == 1) {
        for (int64_t i = 0; i < heads; ++i)
            rates_CN.f32()[i] = std::log(1 + 15 * static_cast<float>(i) / static_cast<float>(heads));
        return;
    }
    for (int64_t i = 0; i < rates_CN.count(); ++i)
        rates_CN.f32()[i] = std::log(static_cast<float>(1 + i % rates_CN.cols()));
}

// Biases whose softplus, the initial step sizes, are spread log-uniformly between 0.001 and 0.1.
void fill_step_bias(Tensor bias, uint64_t seed, uint64_t stream) {
    Random random(seed, stream);
    for (int64_t i = 0; i < bias.count(); ++i) {
        const double step = 0.001 * std::pow(100.0, random.uniform());
        bias.f32()[i] = static_cast<float>(std::log(std::expm1(step)));
    }
}

}  // namespace

Parameters::Parameters(const ModelSpec& spec, DType compute, uint64_t seed) : spec_(spec) {
    layout();
    weights_ = OwnedTensor(DType::f32, {size_});
    gradients_ = OwnedTensor(DType::f32, {trained_});
    momenta_ = OwnedTensor(DType::f32, {trained_});
    variances_ = OwnedTensor(DType::f32, {trained_});
    if (compute == DType::bf16) shadows_ = OwnedTensor(DType::bf16, {decaying_});
    initialise(seed);
    refresh_shadows();
}

void Parameters::layout() {
    const std::vector<TensorSlot> slots = tensor_slots(spec_);
    const auto append = [&](auto belongs) {
        for (const TensorSlot& slot : slots) {
            if (!belongs(slot.role)) continue;
            entries_.push_back({slot, size_});
            size_ += (slot.shape.count() + alignment - 1) / alignment * alignment;
        }
        return size_;
    };
    decaying_ = append([](TensorRole role) { return decays(role); });
    trained_ = append([](TensorRole role) { return !decays(role) && role != TensorRole::correction; });
    append([](TensorRole role) { return role == TensorRole::correction; });
}

void Parameters::initialise(uint64_t seed) {
    for (const Entry& entry : entries_) {
        const Tensor weight = tensor(Buffer::weight, entry);
        const TensorRole role = entry.slot.role;
        const uint64_t stream = stream_of(entry.slot.name);
        if (role == TensorRole::norm || role == TensorRole::skip)
            std::fill_n(weight.f32(), weight.count(), 1.0f);
        else if (role == TensorRole::rates)
            fill_rates(weight);
        else if (role == TensorRole::step_bias)
            fill_step_bias(weight, seed, stream);
        else if (decays(role))
            fill_normal(weight, deviation(entry.slot, spec_.layers.size()), seed, stream);
    }
}

Tensor Parameters::tensor(Buffer buffer, const Entry& entry) const {
    if (buffer != Buffer::weight && entry.offset >= trained_) return {};
    const OwnedTensor* buffers[] = {&weights_, &gradients_, &momenta_, &variances_};
    return reshape(part_of(*buffers[static_cast<int>(buffer)], entry.offset, entry.slot.shape.count()),
                   entry.slot.shape);
}

ops::Weight Parameters::weight_of(const TensorSlot& slot, View view) const {
    const auto entry =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.slot.name == slot.name; });
    if (entry == entries_.end()) return {};
    if (view == View::master) return {tensor(Buffer::weight, *entry), {}};
    const bool shadowed = shadows_ && has_shadow(slot.role, spec_.tied_head);
    const Tensor value = shadowed ? reshape(part_of(shadows_, entry->offset, slot.shape.count()), slot.shape)
                                  : tensor(Buffer::weight, *entry);
    return {value, tensor(Buffer::gradient, *entry)};
}

std::shared_ptr<Model> Parameters::bind(View view) const {
    return bind_model(
        spec_, [&](const TensorSlot& slot) { return weight_of(slot, view); }, moe::Residency::mapped);
}

Part Parameters::part(int64_t begin, int64_t end, bool with_decay) const {
    const int64_t n = end - begin;
    return {.weight = part_of(weights_, begin, n),
            .gradient = part_of(gradients_, begin, n),
            .momentum = part_of(momenta_, begin, n),
            .variance = part_of(variances_, begin, n),
            .shadow = shadows_ && with_decay ? part_of(shadows_, begin, n) : Tensor{},
            .decays = with_decay};
}

void Parameters::refresh_shadows() {
    if (!shadows_) return;
    parallel_chunks(decaying_, chunk, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) shadows_.get().bf16()[i] = f32_to_bf16(weights_.get().f32()[i]);
    });
}

int64_t Parameters::count() const {
    int64_t total = 0;
    for (const Entry& entry : entries_) total += entry.slot.shape.count();
    return total;
}

}  // namespace gremium::train
