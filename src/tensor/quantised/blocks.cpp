#include "tensor/quantised/blocks.h"

#include <array>
#include <cstring>

#include "base/error.h"
#include "base/parallel.h"
#include "tensor/quantised/block_types.h"
#include "tensor/quantised/low_bit_types.h"

namespace gremium {
namespace {

// Conversions of rows between an element type and f32. `importance` may be null.
struct Codec {
    DType dtype;
    void (*dequantise)(const std::byte* in, float* out, int64_t n) = nullptr;
    void (*quantise)(const float* in, std::byte* out, int64_t n, const float* importance) = nullptr;
};

void copy_in(const std::byte* in, float* out, int64_t n) { std::memcpy(out, in, static_cast<size_t>(n) * 4); }
void copy_out(const float* in, std::byte* out, int64_t n, const float*) {
    std::memcpy(out, in, static_cast<size_t>(n) * 4);
}

// Element-wise conversions of smaller floating-point formats. Files hold them unaligned.
template <auto decode, typename Bits>
void widen(const std::byte* in, float* out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        Bits bits;
        std::memcpy(&bits, in + i * static_cast<int64_t>(sizeof bits), sizeof bits);
        out[i] = decode(bits);
    }
}
template <auto encode, typename Bits>
void narrow(const float* in, std::byte* out, int64_t n, const float*) {
    for (int64_t i = 0; i < n; ++i) {
        const Bits bits = encode(in[i]);
        std::memcpy(out + i * static_cast<int64_t>(sizeof bits), &bits, sizeof bits);
    }
}

template <typename Block>
void decode_blocks(const std::byte* in, float* out, int64_t n) {
    for (int64_t i = 0; i < n; i += Block::size, in += sizeof(Block)) {
        Block b;
        std::memcpy(&b, in, sizeof b);
        b.decode(out + i);
    }
}

// Importance relative to the block's mean, so that its scale does not matter. It is never zero, because a column that
// was never seen still needs a sensible code.
void relative_weights(const float* importance, int n, float* weights) {
    double mean = 0;
    for (int i = 0; i < n; ++i) mean += static_cast<double>(importance[i]) / n;
    for (int i = 0; i < n; ++i)
        weights[i] = mean > 0 ? static_cast<float>(static_cast<double>(importance[i]) / mean + 1e-3) : 1;
}

template <typename Block>
void encode_blocks(const float* in, std::byte* out, int64_t n, const float* importance) {
    float weights[Block::size];
    for (int64_t i = 0; i < n; i += Block::size, out += sizeof(Block)) {
        if (importance) relative_weights(importance + i, Block::size, weights);
        Block b;
        b.encode(in + i, importance ? weights : nullptr);
        std::memcpy(out, &b, sizeof b);
    }
}

template <typename Block>
constexpr Codec blocks_of(DType dtype) {
    return {dtype, decode_blocks<Block>, encode_blocks<Block>};
}

constexpr std::array<Codec, dtype_count> codecs{{
    {DType::f32, copy_in, copy_out},
    {DType::f16, widen<f16_to_f32, uint16_t>, narrow<f32_to_f16, uint16_t>},
    {DType::bf16, widen<bf16_to_f32, uint16_t>, narrow<f32_to_bf16, uint16_t>},
    {DType::f8_e4m3, widen<f8_e4m3_to_f32, uint8_t>, narrow<f32_to_f8_e4m3, uint8_t>},
    {DType::i32},
    blocks_of<BlockQ8_0>(DType::q8_0),
    blocks_of<BlockQ4_0>(DType::q4_0),
    blocks_of<BlockQ4_1>(DType::q4_1),
    blocks_of<BlockQ5_0>(DType::q5_0),
    blocks_of<BlockQ5_1>(DType::q5_1),
    blocks_of<BlockIQ4_NL>(DType::iq4_nl),
    blocks_of<BlockMXFP4>(DType::mxfp4),
    blocks_of<BlockQ2_K>(DType::q2_k),
    blocks_of<BlockQ3_K>(DType::q3_k),
    blocks_of<BlockQ4_K>(DType::q4_k),
    blocks_of<BlockQ5_K>(DType::q5_k),
    blocks_of<BlockQ6_K>(DType::q6_k),
    blocks_of<BlockIQ4_XS>(DType::iq4_xs),
    blocks_of<BlockIQ1_S>(DType::iq1_s),
    blocks_of<BlockIQ1_M>(DType::iq1_m),
    blocks_of<BlockIQ2_XXS>(DType::iq2_xxs),
    blocks_of<BlockIQ2_XS>(DType::iq2_xs),
    blocks_of<BlockIQ2_S>(DType::iq2_s),
    blocks_of<BlockIQ3_XXS>(DType::iq3_xxs),
    blocks_of<BlockIQ3_S>(DType::iq3_s),
    blocks_of<BlockTQ1_0>(DType::tq1_0),
    blocks_of<BlockTQ2_0>(DType::tq2_0),
    blocks_of<BlockNVFP4>(DType::nvfp4),
    blocks_of<BlockQ1_0>(DType::q1_0),
    blocks_of<BlockQ2_0>(DType::q2_0),
}};

consteval bool codecs_stand_at_their_index() {
    for (size_t i = 0; i < codecs.size(); ++i) {
        if (codecs[i].dtype != static_cast<DType>(i)) return false;
    }
    return true;
}
static_assert(codecs_stand_at_their_index());

const Codec& codec(DType dtype) {
    const Codec& found = codecs[static_cast<size_t>(dtype)];
    if (!found.dequantise) fail("{} is not a type of weights", info(dtype).name);
    return found;
}

}  // namespace

void dequantise_row(DType dtype, const std::byte* in, float* out, int64_t n) { codec(dtype).dequantise(in, out, n); }

void quantise_row(DType dtype, const float* in, std::byte* out, int64_t n, std::span<const float> importance) {
    assert(importance.empty() || std::ssize(importance) == n);
    codec(dtype).quantise(in, out, n, importance.empty() ? nullptr : importance.data());
}

std::vector<float> to_floats(TensorView in) {
    std::vector<float> out(static_cast<size_t>(in.count()));
    parallel_chunks(in.rows(), 64, [&](int64_t begin, int64_t end) {
        dequantise_row(in.dtype, in.row(begin), out.data() + begin * in.cols(), (end - begin) * in.cols());
    });
    return out;
}

void convert(TensorView in, Tensor out, std::span<const float> importance) {
    assert(in.count() == out.count() && in.cols() == out.cols());
    parallel_for(in.rows(), [&](int64_t r) {
        if (in.dtype == out.dtype) {
            std::memcpy(out.row(r), in.row(r), static_cast<size_t>(in.row_bytes()));
            return;
        }
        std::vector<float> row(static_cast<size_t>(in.cols()));
        dequantise_row(in.dtype, in.row(r), row.data(), in.cols());
        quantise_row(out.dtype, row.data(), out.row(r), in.cols(), importance);
    });
}

}  // namespace gremium
