#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "tensor/quantised/blocks.h"

namespace gremium {

namespace {

void require_type(DType dtype, const ModelSpec& spec) {
    if (is_float(dtype)) return;
    if (dtype != DType::q8_0) fail("a cache of {}, expected f32, f16, bf16 or q8_0", info(dtype).name);
    for (const LayerSpec& layer : spec.layers) {
        const LayerCache cache = cache_of(layer);
        if (cache.heads == 0) continue;
        const int64_t key = cache.key / cache.heads, value = cache.value / cache.heads, block = info(dtype).block;
        if (key % block != 0 || value % block != 0)
            fail("a cache of {}: heads of {} and {} numbers are not made of blocks of {}", info(dtype).name, key, value,
                 block);
    }
}

// Writes rows behind the first `length` ones and gives a view of all so far.
TensorView extend(Tensor cache, int64_t length, TensorView rows) {
    if (!rows) return {};
    const Tensor space{cache.row(length), cache.dtype, rows.shape};
    convert(rows, space);
    return {cache.data, cache.dtype, {length + rows.rows(), cache.cols()}};
}

}  // namespace

LayerCache cache_of(const LayerSpec& layer) {
    return std::visit([](const auto& mixer) { return cache_of(mixer); }, layer.mixer);
}

KvCache::KvCache(const ModelSpec& spec, int64_t context, DType dtype, int64_t capacity)
    : context_(context), capacity_(capacity > 0 ? capacity : context) {
    if (context < 1) fail("a context of {} tokens, expected at least 1", context);
    require_type(dtype, spec);
    for (const LayerSpec& layer : spec.layers) {
        const LayerCache cache = cache_of(layer);
        keys_.emplace_back(dtype, Shape{capacity_, cache.key});
        values_.emplace_back(dtype, Shape{capacity_, cache.value});
        std::vector<OwnedTensor>& states = states_.emplace_back();
        for (const Shape& shape : cache.states) states.emplace_back(DType::f32, shape);
        recurrent_ |= !states.empty();
    }
}

int64_t KvCache::bytes(const ModelSpec& spec, int64_t context, DType dtype) {
    int64_t total = 0;
    for (const LayerSpec& layer : spec.layers) {
        const LayerCache cache = cache_of(layer);
        total += context * row_bytes(dtype, cache.key + cache.value);
        for (const Shape& shape : cache.states) total += shape.count() * static_cast<int64_t>(sizeof(float));
    }
    return total;
}

KvCache::Views KvCache::append(int layer, TensorView k, TensorView v, int64_t ahead) {
    const int64_t from = length_ + ahead;
    if (from + k.rows() > capacity_)
        fail("the context of {} tokens is full: {} more do not fit behind {}", capacity_, k.rows(), from);
    const auto l = static_cast<size_t>(layer);
    return {extend(keys_[l], from, k), extend(values_[l], from, v)};
}

void KvCache::advance(int64_t tokens) { length_ += tokens; }

void KvCache::truncate(int64_t length) {
    if (length < 0 || length > length_) fail("cannot shorten a context of {} tokens to {}", length_, length);
    // Also where nothing is held: a forward that threw leaves states behind.
    if (recurrent_ && (length < length_ || length == 0)) {
        if (reachable(length) != length)
            fail("a recurrent state of {} tokens cannot go back to {}, only to {}", length_, length, reachable(length));
        for (size_t l = 0; l < states_.size(); ++l) {
            for (size_t i = 0; i < states_[l].size(); ++i) {
                const Tensor state = states_[l][i];
                if (length == 0)
                    std::memset(state.data, 0, static_cast<size_t>(state.bytes()));
                else
                    std::memcpy(state.data, kept_[l][i].get().data, static_cast<size_t>(state.bytes()));
            }
        }
    }
    length_ = length;
    kept_length_ = std::min(kept_length_, length);
}

int64_t KvCache::reachable(int64_t length) const {
    if (!recurrent_ || length >= length_) return length;
    return kept_length_ <= length ? kept_length_ : 0;
}

void KvCache::keep() {
    if (!recurrent_) return;
    if (kept_.empty()) {
        for (const std::vector<OwnedTensor>& states : states_) {
            std::vector<OwnedTensor>& copies = kept_.emplace_back();
            for (const OwnedTensor& state : states) copies.emplace_back(DType::f32, state.get().shape);
        }
    }
    for (size_t l = 0; l < states_.size(); ++l)
        for (size_t i = 0; i < states_[l].size(); ++i)
            std::memcpy(kept_[l][i].get().data, states_[l][i].get().data,
                        static_cast<size_t>(states_[l][i].get().bytes()));
    kept_length_ = length_;
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

Tensor KvCache::state(int layer, size_t which) const { return states_[static_cast<size_t>(layer)][which]; }

}  // namespace gremium
