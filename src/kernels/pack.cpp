#include "kernels/pack.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pack.cpp"
#include "kernels/dispatch.h"
#include "kernels/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

constexpr int64_t per_unit(Panel panel) { return panel == Panel::bf16 ? 2 : 1; }

// Elements of a row become elements of a panel; writes up to a whole vector past n.
void convert_row(uint32_t* out, Panel panel, DType type, const std::byte* row, int64_t n) {
    const F32 d;
    float* const floats = reinterpret_cast<float*>(out);
    switch (panel) {
        case Panel::f32:
            return visit_row(type, row, n, [&](int64_t i, VecF v) { hn::StoreU(v, d, floats + i); });
        case Panel::rounded_f32:
            return visit_row(type, row, n,
                             [&](int64_t i, VecF v) { hn::StoreU(round_to_bf16(v), d, floats + i); });
        case Panel::bf16:
            if (type == DType::bf16)
                return static_cast<void>(std::memcpy(out, row, static_cast<size_t>(2 * n)));
            uint16_t* const halves = reinterpret_cast<uint16_t*>(out);
            return visit_row(type, row, n, [&](int64_t i, VecF v) { store_bf16(v, halves + i); });
    }
}

// A row of units that run along k: converted, then zeros up to the padding.
void along_k(uint32_t* out, Panel panel, DType type, const std::byte* row, const Piece& piece) {
    convert_row(out, panel, type, row + row_bytes(type, piece.k), piece.k_count);
    const int64_t size = panel == Panel::bf16 ? 2 : 4;
    std::memset(reinterpret_cast<std::byte*>(out) + piece.k_count * size, 0,
                static_cast<size_t>(piece.units * 4 - piece.k_count * size));
}

// Unit u of all of the piece's indices, from the row of k (f32) or the rows of an even and an odd k (bf16).
void across_k(uint32_t* out, Panel panel, const Operand& operand, const Piece& piece, int64_t u) {
    const DType type = operand.tensor.dtype;
    const int64_t k = u * per_unit(panel);
    const auto part = [&](int64_t j) { return operand.row(piece.k + j) + row_bytes(type, piece.i); };
    if (k >= piece.k_count)
        return static_cast<void>(std::memset(out, 0, static_cast<size_t>(4 * piece.count)));
    if (panel != Panel::bf16) return convert_row(out, panel, type, part(k), piece.count);

    const U32 d;
    const hn::Rebind<uint16_t, U32> d16;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    HWY_ALIGN uint32_t even[i_block / 2 + 16], odd[i_block / 2 + 16];
    convert_row(even, panel, type, part(k), piece.count);
    if (k + 1 < piece.k_count) {
        convert_row(odd, panel, type, part(k + 1), piece.count);
    } else {
        std::memset(odd, 0, sizeof odd);
    }
    const uint16_t* const low = reinterpret_cast<const uint16_t*>(even);
    const uint16_t* const high = reinterpret_cast<const uint16_t*>(odd);
    for (int64_t i = 0; i < piece.count; i += lanes) {
        const auto lows = hn::PromoteTo(d, hn::LoadU(d16, low + i)),
                   highs = hn::PromoteTo(d, hn::LoadU(d16, high + i));
        hn::StoreU(hn::Or(lows, hn::ShiftLeft<16>(highs)), d, out + i);
    }
}

#if HWY_TARGET == HWY_SCALAR

void transpose(uint32_t* out, int64_t out_stride, const uint32_t* in, int64_t in_stride, int64_t rows,
               int64_t cols) {
    for (int64_t c = 0; c < cols; ++c) {
        for (int64_t r = 0; r < rows; ++r) out[c * out_stride + r] = in[r * in_stride + c];
    }
}

#else

// Block b of four lanes is in[4·b rows further]: four neighbours of each fourth row.
template <typename D>
HWY_INLINE hn::Vec<D> load_quads(D d, const uint32_t* in, int64_t stride) {
    if constexpr (hn::MaxLanes(D()) == 4) {
        return hn::LoadU(d, in);
    } else {
        const hn::Half<D> half;
        const int64_t rows = static_cast<int64_t>(hn::MaxLanes(D())) / 2;
        return hn::Combine(d, load_quads(half, in + rows * stride, stride), load_quads(half, in, stride));
    }
}

// out[c][r] = in[r][c]. rows: a multiple of the lanes, cols: of 4.
void transpose(uint32_t* out, int64_t out_stride, const uint32_t* in, int64_t in_stride, int64_t rows,
               int64_t cols) {
    const U32 d;
    const hn::Repartition<uint64_t, U32> wide;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t r = 0; r < rows; r += lanes) {
        for (int64_t c = 0; c < cols; c += 4) {
            const uint32_t* const from = in + r * in_stride + c;
            const auto v0 = load_quads(d, from, in_stride), v1 = load_quads(d, from + in_stride, in_stride);
            const auto v2 = load_quads(d, from + 2 * in_stride, in_stride);
            const auto v3 = load_quads(d, from + 3 * in_stride, in_stride);
            const auto low01 = hn::BitCast(wide, hn::InterleaveLower(d, v0, v1));
            const auto low23 = hn::BitCast(wide, hn::InterleaveLower(d, v2, v3));
            const auto high01 = hn::BitCast(wide, hn::InterleaveUpper(d, v0, v1));
            const auto high23 = hn::BitCast(wide, hn::InterleaveUpper(d, v2, v3));
            uint32_t* const to = out + c * out_stride + r;
            hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, low01, low23)), d, to);
            hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, low01, low23)), d, to + out_stride);
            hn::StoreU(hn::BitCast(d, hn::InterleaveLower(wide, high01, high23)), d, to + 2 * out_stride);
            hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(wide, high01, high23)), d, to + 3 * out_stride);
        }
    }
}

#endif

constexpr int64_t group =
    16;  // units transposed together: one cache line, a multiple of every target's lanes

void pack_a(uint32_t* out, const Operand& a, const Piece& piece, const Leaf& leaf) {
    const int64_t padded = (piece.count + leaf.mr - 1) / leaf.mr * leaf.mr;
    for (int64_t i = piece.count; i < padded; ++i) {
        std::memset(out + i * a_stride, 0, static_cast<size_t>(4 * piece.units));
    }
    if (a.along_k) {
        for (int64_t i = 0; i < piece.count; ++i) {
            along_k(out + i * a_stride, leaf.panel, a.tensor.dtype, a.row(piece.i + i), piece);
        }
        return;
    }
    HWY_ALIGN uint32_t stage[group * a_stride];
    const int64_t cols = (piece.count + 3) / 4 * 4;
    for (int64_t u = 0; u < piece.units; u += group) {
        for (int64_t j = 0; j < group; ++j) {
            uint32_t* const row = stage + j * a_stride;
            across_k(row, leaf.panel, a, piece, u + j);
            std::memset(row + piece.count, 0, static_cast<size_t>(4 * (cols - piece.count)));
        }
        transpose(out + u, a_stride, stage, a_stride, group, cols);
    }
}

void pack_b(uint32_t* out, const Operand& b, const Piece& piece, const Leaf& leaf) {
    const int64_t nr = leaf.nr, strip = nr * piece.units;
    HWY_ALIGN uint32_t stage[max_nr * a_stride];
    if (b.along_k) {
        for (int64_t i = 0; i < piece.count; i += nr, out += strip) {
            const int64_t count = std::min(nr, piece.count - i);
            for (int64_t j = 0; j < count; ++j) {
                along_k(stage + j * a_stride, leaf.panel, b.tensor.dtype, b.row(piece.i + i + j), piece);
            }
            for (int64_t j = count; j < nr; ++j) {
                std::memset(stage + j * a_stride, 0, static_cast<size_t>(4 * piece.units));
            }
            transpose(out, nr, stage, a_stride, nr, piece.units);
        }
        return;
    }
    const int64_t padded = (piece.count + nr - 1) / nr * nr;
    for (int64_t u = 0; u < piece.units; ++u) {
        across_k(stage, leaf.panel, b, piece, u);
        std::memset(stage + piece.count, 0, static_cast<size_t>(4 * (padded - piece.count)));
        for (int64_t i = 0; i < padded; i += nr) {
            std::memcpy(out + i * piece.units + u * nr, stage + i, static_cast<size_t>(4 * nr));
        }
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(pack_a);
HWY_EXPORT(pack_b);

void pack_a(uint32_t* out, const Operand& a, const Piece& piece, const Leaf& leaf) {
    HWY_DYNAMIC_DISPATCH(pack_a)(out, a, piece, leaf);
}
void pack_b(uint32_t* out, const Operand& b, const Piece& piece, const Leaf& leaf) {
    HWY_DYNAMIC_DISPATCH(pack_b)(out, b, piece, leaf);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
