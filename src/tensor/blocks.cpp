#include "tensor/blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/parallel.h"

namespace gremium {
namespace {

constexpr int block = 32;

struct BlockQ8_0 {
    uint16_t d;
    int8_t q[block];
};
struct BlockQ4_0 {
    uint16_t d;
    uint8_t q[block / 2];  // byte j: weight j in the low, weight j + 16 in the high nibble
};
static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockQ4_0) == 18);

// Blocks lie unaligned in files: go through a copy.
template <typename Block, typename Body>
void each_block(std::byte* bytes, int64_t n, Body&& body) {
    for (int64_t i = 0; i < n / block; ++i) {
        Block b;
        body(b, i * block);
        std::memcpy(bytes + i * static_cast<int64_t>(sizeof b), &b, sizeof b);
    }
}
template <typename Block, typename Body>
void each_block(const std::byte* bytes, int64_t n, Body&& body) {
    for (int64_t i = 0; i < n / block; ++i) {
        Block b;
        std::memcpy(&b, bytes + i * static_cast<int64_t>(sizeof b), sizeof b);
        body(b, i * block);
    }
}

void quantise_q8_0(const float* x, std::byte* out, int64_t n) {
    each_block<BlockQ8_0>(out, n, [&](BlockQ8_0& b, int64_t at) {
        float amax = 0;
        for (int j = 0; j < block; ++j) amax = std::max(amax, std::fabs(x[at + j]));
        const float d = amax / 127, inverse = d != 0 ? 1 / d : 0;
        b.d = f32_to_f16(d);
        for (int j = 0; j < block; ++j) b.q[j] = static_cast<int8_t>(std::roundf(x[at + j] * inverse));
    });
}

void quantise_q4_0(const float* x, std::byte* out, int64_t n) {
    each_block<BlockQ4_0>(out, n, [&](BlockQ4_0& b, int64_t at) {
        float extreme = 0;
        for (int j = 0; j < block; ++j) {
            if (std::fabs(x[at + j]) > std::fabs(extreme)) extreme = x[at + j];
        }
        const float d = extreme / -8, inverse = d != 0 ? 1 / d : 0;
        b.d = f32_to_f16(d);
        const auto code = [&](int j) {
            return static_cast<uint8_t>(std::min(15, static_cast<int>(x[at + j] * inverse + 8.5f)));
        };
        for (int j = 0; j < block / 2; ++j) b.q[j] = static_cast<uint8_t>(code(j) | (code(j + 16) << 4));
    });
}

}  // namespace

float f16_to_f32(uint16_t v) {
    const uint32_t sign = static_cast<uint32_t>(v & 0x8000u) << 16, exponent = (v >> 10) & 31u,
                   mantissa = v & 1023u;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | (mantissa << 13));
    if (exponent == 0) {
        const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t f32_to_f16(float v) {
    const uint32_t bits = std::bit_cast<uint32_t>(v), sign = (bits >> 16) & 0x8000u,
                   magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return static_cast<uint16_t>(sign | 0x7E00u);
    if (magnitude >= 0x477FF000u) return static_cast<uint16_t>(sign | 0x7C00u);  // rounds to infinity
    if (magnitude < 0x38800000u) {  // subnormal: the FPU rounds for us
        const float scaled = std::bit_cast<float>(magnitude) * 0x1p24f;
        return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::nearbyintf(scaled)));
    }
    const uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
    return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

void dequantise_row(DType dtype, const std::byte* in, float* out, int64_t n) {
    const auto read16 = [&](int64_t i) {
        uint16_t v;
        std::memcpy(&v, in + 2 * i, 2);
        return v;
    };
    switch (dtype) {
        case DType::f32:
            std::memcpy(out, in, static_cast<size_t>(n) * 4);
            return;
        case DType::f16:
            for (int64_t i = 0; i < n; ++i) out[i] = f16_to_f32(read16(i));
            return;
        case DType::bf16:
            for (int64_t i = 0; i < n; ++i) out[i] = bf16_to_f32(read16(i));
            return;
        case DType::q8_0:
            each_block<BlockQ8_0>(in, n, [&](const BlockQ8_0& b, int64_t at) {
                const float d = f16_to_f32(b.d);
                for (int j = 0; j < block; ++j) out[at + j] = d * static_cast<float>(b.q[j]);
            });
            return;
        case DType::q4_0:
            each_block<BlockQ4_0>(in, n, [&](const BlockQ4_0& b, int64_t at) {
                const float d = f16_to_f32(b.d);
                for (int j = 0; j < block / 2; ++j) {
                    out[at + j] = d * static_cast<float>((b.q[j] & 15) - 8);
                    out[at + j + 16] = d * static_cast<float>((b.q[j] >> 4) - 8);
                }
            });
            return;
        case DType::i32:
            break;
    }
    fail("{} is no type of weights", info(dtype).name);
}

void quantise_row(DType dtype, const float* in, std::byte* out, int64_t n) {
    const auto write16 = [&](int64_t i, uint16_t v) { std::memcpy(out + 2 * i, &v, 2); };
    switch (dtype) {
        case DType::f32:
            std::memcpy(out, in, static_cast<size_t>(n) * 4);
            return;
        case DType::f16:
            for (int64_t i = 0; i < n; ++i) write16(i, f32_to_f16(in[i]));
            return;
        case DType::bf16:
            for (int64_t i = 0; i < n; ++i) write16(i, f32_to_bf16(in[i]));
            return;
        case DType::q8_0:
            return quantise_q8_0(in, out, n);
        case DType::q4_0:
            return quantise_q4_0(in, out, n);
        case DType::i32:
            break;
    }
    fail("{} is no type of weights", info(dtype).name);
}

std::vector<float> to_floats(TensorView in) {
    std::vector<float> out(static_cast<size_t>(in.count()));
    parallel_chunks(in.rows(), 64, [&](int64_t begin, int64_t end) {
        dequantise_row(in.dtype, in.row(begin), out.data() + begin * in.cols(), (end - begin) * in.cols());
    });
    return out;
}

void convert(TensorView in, Tensor out) {
    assert(in.count() == out.count() && in.cols() == out.cols());
    parallel_for(in.rows(), [&](int64_t r) {
        if (in.dtype == out.dtype) {
            std::memcpy(out.row(r), in.row(r), static_cast<size_t>(in.row_bytes()));
            return;
        }
        std::vector<float> row(static_cast<size_t>(in.cols()));
        dequantise_row(in.dtype, in.row(r), row.data(), in.cols());
        quantise_row(out.dtype, row.data(), out.row(r), in.cols());
    });
}

}  // namespace gremium
