#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "tensor/quantised/blocks.h"

namespace gremium {

namespace {

CacheWidths widths(const LayerSpec& layer) {
    const AttentionSpec* attention = layer.attention();
    return attention ? cache_widths(*attention) : CacheWidths{};
}

void require_type(DType dtype, const ModelSpec& spec) {
    if (is_float(dtype)) return;
    if (dtype != DType::q8_0) fail("a cache of {}, expected f32, f16, bf16 or q8_0", info(dtype).name);
    for_each_attention(spec, [&](const AttentionSpec& a) {
        const CacheWidths w = cache_widths(a);
        const int64_t key = w.key / a.kv_heads, value = w.value / a.kv_heads, block = info(dtype).block;
        if (key % block != 0 || value % block != 0)
            fail("a cache of {}: heads of {} and {} numbers are not made of blocks of {}", info(dtype).name, key, value,
                 block);
    });
}

// Writes rows behind the first `length` ones and gives a view of all so far.
TensorView extend(Tensor cache, int64_t length, TensorView rows) {
    if (!rows) return {};
    const Tensor space{cache.row(length), cache.dtype, rows.shape};
    convert(rows, space);
    return {cache.data, cache.dtype, {length + rows.rows(), cache.cols()}};
}

}  // namespace

KvCache::KvCache(const ModelSpec& spec, int64_t context, DType dtype, int64_t capacity)
    : context_(context), capacity_(capacity > 0 ? capacity : context) {
    if (context < 1) fail("a context of {} tokens, expected at least 1", context);
    require_type(dtype, spec);
    for (const LayerSpec& layer : spec.layers) {
        keys_.emplace_back(dtype, Shape{capacity_, widths(layer).key});
        values_.emplace_back(dtype, Shape{capacity_, widths(layer).value});
        const SsmSpec none, &s = layer.ssm() ? *layer.ssm() : none;
        histories_.emplace_back(DType::f32, Shape{std::max(0, s.conv - 1), s.inner});
        scans_.emplace_back(DType::f32, Shape{s.state, s.inner});
        recurrent_ |= layer.ssm() != nullptr;
    }
}

int64_t KvCache::bytes(const ModelSpec& spec, int64_t context, DType dtype) {
    int64_t total = 0;
    for (const LayerSpec& layer : spec.layers) {
        total += context * row_bytes(dtype, widths(layer).key + widths(layer).value);
        if (const SsmSpec* s = layer.ssm())
            total += int64_t{s->inner} * (s->state + s->conv - 1) * static_cast<int64_t>(sizeof(float));
    }
    return total;
}

KvCache::Views KvCache::append(int layer, TensorView k, TensorView v) {
    if (length_ + k.rows() > capacity_)
        fail("the context of {} tokens is full: {} more do not fit behind {}", capacity_, k.rows(), length_);
    const auto l = static_cast<size_t>(layer);
    return {extend(keys_[l], length_, k), extend(values_[l], length_, v)};
}

void KvCache::advance(int64_t tokens) { length_ += tokens; }

void KvCache::truncate(int64_t length) {
    if (length < 0 || length > length_) fail("cannot shorten a context of {} tokens to {}", length_, length);
    if (recurrent_ && length < length_) {
        if (reachable(length) != length)
            fail("a recurrent state of {} tokens cannot go back to {}, only to the beginning", length_, length);
        for (const auto* states : {&histories_, &scans_})
            for (const OwnedTensor& state : *states)
                std::memset(state.get().data, 0, static_cast<size_t>(state.get().bytes()));
    }
    length_ = length;
}

void KvCache::remember(int layer, TensorView k, TensorView v) {
    const auto keep = [](OwnedTensor& place, TensorView t) {
        place = OwnedTensor(t.dtype, t.shape);
        std::memcpy(place.get().data, t.data, static_cast<size_t>(t.bytes()));
    };
    keep(memory_keys_[layer], k);
    keep(memory_values_[layer], v);
}

KvCache::Views KvCache::memory(int layer) const { return {memory_keys_.at(layer), memory_values_.at(layer)}; }

KvCache::State KvCache::state(int layer) const {
    const auto l = static_cast<size_t>(layer);
    return {histories_[l], scans_[l]};
}

}  // namespace gremium
