#include "model/files/permute_heads.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace gremium {

namespace {

// Row r of the result is row source(r) of the tensor.
template <typename Source>
std::vector<std::byte> take_rows(TensorView tensor, int64_t rows, Source&& source) {
    const auto bytes = static_cast<size_t>(tensor.bytes() / tensor.shape[0]);
    std::vector<std::byte> result(static_cast<size_t>(rows) * bytes);
    for (int64_t r = 0; r < rows; ++r)
        std::memcpy(result.data() + static_cast<size_t>(r) * bytes,
                    tensor.data + static_cast<size_t>(source(r)) * bytes, bytes);
    return result;
}

// Interleaved rows 2i and 2i + 1 of a head are its half-split rows i and i + n/2; n: rotary dimensions.
int64_t half_split_of(int64_t interleaved, int64_t n) {
    return interleaved < n ? interleaved / 2 + interleaved % 2 * (n / 2) : interleaved;
}
int64_t interleaved_of(int64_t half_split, int64_t n) {
    return half_split < n ? half_split % (n / 2) * 2 + half_split / (n / 2) : half_split;
}

}  // namespace

std::vector<std::byte> permuted_heads(TensorView tensor, const TensorSlot& slot, const ModelSpec& from,
                                      const ModelSpec& to) {
    if (slot.layer < 0 || slot.of_encoder) return {};
    const auto attention = [&](const ModelSpec& spec) { return layer_of(spec, slot)->attention(); };
    if (!attention(from)) return {};
    const AttentionSpec &a = *attention(from), &b = *attention(to);
    const HeadRows heads = slot.traits.heads;
    const bool paired_anew = heads.rotated && a.rope.enabled && a.rope.pairing != b.rope.pairing;
    const int64_t copies = heads.shared ? b.kv_heads / a.kv_heads : 1;
    if (!paired_anew && copies == 1) return {};

    const int64_t rows = tensor.shape[0], rows_of_head = rows * copies / std::max(heads.rotated, heads.shared);
    return take_rows(tensor, rows * copies, [&](int64_t r) {
        const int64_t head = r / rows_of_head / copies, row = r % rows_of_head, n = a.rope.dims;
        if (!paired_anew) return head * rows_of_head + row;
        const bool interleaved = b.rope.pairing == kernels::RopePairing::interleaved;
        return head * rows_of_head + (interleaved ? half_split_of(row, n) : interleaved_of(row, n));
    });
}

std::vector<std::byte> permuted_value_heads(TensorView tensor, const TensorSlot& slot, const ModelSpec& from,
                                            const ModelSpec& to) {
    if (slot.layer < 0 || slot.of_encoder || slot.part != BlockPart::mixer) return {};
    const auto net = [&](const ModelSpec& spec) { return std::get_if<DeltaNetSpec>(&layer_of(spec, slot)->mixer); };
    const DeltaNetSpec* const a = net(from);
    if (!a || a->tiled == net(to)->tiled || slot.role == TensorRole::norm) return {};
    const int64_t groups = a->key_heads, each = a->heads / groups;
    // Tiled head j·G + i is grouped head i·(H / G) + j.
    const auto source = [&](int64_t head) {
        return a->tiled ? head % each * groups + head / each : head % groups * each + head / groups;
    };
    if (slot.name.ends_with("ssm_out.weight")) {
        const int64_t rows = tensor.rows(), bytes = row_bytes(tensor.dtype, a->value_dim);
        if (a->value_dim % info(tensor.dtype).block != 0)
            fail("tensor {} of {} has heads of {} columns, whose order cannot change", slot.name,
                 info(tensor.dtype).name, a->value_dim);
        std::vector<std::byte> result(static_cast<size_t>(tensor.bytes()));
        for (int64_t i = 0; i < rows * a->heads; ++i)
            std::memcpy(result.data() + i * bytes,
                        tensor.data + (i / a->heads * a->heads + source(i % a->heads)) * bytes,
                        static_cast<size_t>(bytes));
        return result;
    }
    // Queries and keys may come before the values.
    const int64_t rows = tensor.shape[0], first = rows > a->values() ? 2 * a->keys() : 0;
    const int64_t of_head = (rows - first) / a->heads;
    return take_rows(tensor, rows, [&](int64_t r) {
        return r < first ? r : first + source((r - first) / of_head) * of_head + (r - first) % of_head;
    });
}

}  // namespace gremium
