#include "kernels/matmul/pack.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul/pack.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/quantised/rows-inl.h"
#include "kernels/simd/bf16_pairs-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

constexpr int64_t per_unit(Panel panel) { return shape_of(panel).k; }  // of a panel without quants

// Elements of a row become elements of a panel; writes up to the end of a block of 32, or of a chunk of quants.
void convert_row(uint32_t* out, Panel panel, DType type, const std::byte* row, int64_t n) {
    const F32 d;
    float* const floats = reinterpret_cast<float*>(out);
    uint16_t* const halves = reinterpret_cast<uint16_t*>(out);
    switch (panel) {
        case Panel::f32:
            return visit_row(type, row, n, [&](int64_t i, VecF v) { hn::StoreU(v, d, floats + i); });
        case Panel::rounded_f32:
            return visit_row(type, row, n, [&](int64_t i, VecF v) { hn::StoreU(round_to_bf16(v), d, floats + i); });
        case Panel::bf16:
            if (type == DType::bf16) return static_cast<void>(std::memcpy(out, row, static_cast<size_t>(2 * n)));
            if (const auto unpack = quantised_format(type).unpack) {
                QuantisedChunk chunk;
                for (int64_t i = 0; i < n; i += chunk_size) {
                    unpack(row, i, n, chunk);
                    dequantise_bf16(chunk, halves + i);
                }
                return;
            }
            return visit_row(type, row, n, [&](int64_t i, VecF v) { store_halves(v, out + i / 2); });
        case Panel::quantised_32:
        case Panel::quantised_16:
            return;  // made of whole rows, below
    }
}

// A row of units that run along k: converted, then zeros up to the padding.
void along_k(uint32_t* out, Panel panel, DType type, const std::byte* row, const Piece& piece) {
    convert_row(out, panel, type, row + bytes_of(type, piece.k), piece.k_count);
    const int64_t done = piece.k_count * 4 / per_unit(panel);
    std::memset(reinterpret_cast<std::byte*>(out) + done, 0, static_cast<size_t>(4 * piece.units - done));
}

// Asks for what will be read soon: rows of experts lie scattered, and a hardware prefetcher stops at each end.
template <int locality>  // 3: to the first-level cache, 2: to the second
void prefetch(const std::byte* row, int64_t bytes) {
    for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(row + i, 0, locality);
}

// Unit u of all of the piece's indices, from the row of k (f32) or the rows of an even and an odd k (bf16). Written in
// strips of `width`, `skip` apart, which is where a B panel wants them.
void across_k(uint32_t* out, int64_t width, int64_t skip, Panel panel, const Operand& operand, const Piece& piece,
              int64_t u) {
    constexpr int64_t ahead = 8;
    const U32 d;
    const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
    const DType type = operand.dtype;
    const int64_t k = u * per_unit(panel), bytes = bytes_of(type, piece.count);
    const auto part = [&](int64_t j) { return operand.row(piece.k + j) + bytes_of(type, piece.i); };
    const auto store = [&](auto&& units_from) HWY_ATTR {
        for (int64_t strip = 0; strip < piece.count; strip += width, out += skip) {
            const int64_t end = std::min(width, piece.count - strip);
            for (int64_t i = 0; i < end; i += lanes) {  // the last vector may overlap the one before
                const int64_t at = end < lanes ? i : std::min(i, end - lanes);
                hn::StoreU(units_from(strip + at), d, out + at);
            }
        }
    };
    if (k + ahead < piece.k_count) prefetch<3>(part(k + ahead), bytes);
    const bool whole_vectors =
        std::min(width, piece.count) >= lanes && (piece.count % width == 0 || piece.count % width >= lanes);
    HWY_ALIGN uint32_t even[n_limit + block], odd[n_limit + block];
    if (k >= piece.k_count) {
        store([&](int64_t) HWY_ATTR { return hn::Zero(d); });
    } else if (panel != Panel::bf16) {
        convert_row(even, panel, type, part(k), piece.count);
        store([&](int64_t i) HWY_ATTR { return hn::LoadU(d, even + i); });
    } else {
        if (k + ahead + 1 < piece.k_count) prefetch<3>(part(k + ahead + 1), bytes);
        if (type == DType::f32 && whole_vectors && k + 1 < piece.k_count) {
            const float* const low = reinterpret_cast<const float*>(part(k));
            const float* const high = reinterpret_cast<const float*>(part(k + 1));
            return store([&](int64_t i)
                             HWY_ATTR { return pairs_of(hn::LoadU(F32(), low + i), hn::LoadU(F32(), high + i)); });
        }
        const hn::Rebind<uint16_t, U32> d16;
        const auto halves = [&](int64_t j, uint32_t* buffer) {
            if (j == piece.k_count) {
                std::memset(buffer, 0, sizeof even);
            } else if (type == DType::bf16 && whole_vectors) {
                return reinterpret_cast<const uint16_t*>(part(j));
            } else {
                convert_row(buffer, panel, type, part(j), piece.count);
            }
            return reinterpret_cast<const uint16_t*>(buffer);
        };
        const uint16_t* const low = halves(k, even);
        const uint16_t* const high = halves(k + 1, odd);
        store([&](int64_t i) HWY_ATTR {
            const auto lows = hn::PromoteTo(d, hn::LoadU(d16, low + i));
            return hn::Or(lows, hn::ShiftLeft<16>(hn::PromoteTo(d, hn::LoadU(d16, high + i))));
        });
    }
}

#if HWY_TARGET == HWY_SCALAR

void transpose(uint32_t* out, int64_t out_stride, const uint32_t* in, int64_t in_stride, int64_t rows, int64_t cols) {
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
void transpose(uint32_t* out, int64_t out_stride, const uint32_t* in, int64_t in_stride, int64_t rows, int64_t cols) {
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

constexpr int64_t group = 16;  // units transposed together: one cache line, a multiple of every target's lanes

// nr weight rows as B's panel has them: of each part of `size` its units, then its scales and, where there are, its
// mins.
template <int64_t size>
void pack_quantised(uint32_t* out, const Operand& b, const Piece& piece, int64_t nr) {
    constexpr int64_t row_units = sizeof(QuantisedChunk) / 4, units = size / 4;
    const QuantisedFormat format = quantised_format(b.dtype);
    const int64_t part_units = units + (format.zero ? 1 : 2);
    HWY_ALIGN uint32_t factors[chunk_parts * max_nr];
    QuantisedChunk rows[max_nr];
    for (int64_t i = 0; i < piece.count; i += nr) {
        const int64_t count = std::min(nr, piece.count - i);
        for (int64_t k = 0; k < piece.k_count; k += chunk_size) {
            for (int64_t j = 0; j < nr; ++j) {
                if (j < count)
                    format.unpack(b.row(piece.i + i + j), piece.k + k, piece.k + piece.k_count, rows[j]);
                else
                    rows[j] = {};
            }
            const int64_t parts = std::min(chunk_size, piece.k_count - k) / size;
            const auto put_factors = [&](const float* first, int64_t at) {
                transpose(factors, nr, reinterpret_cast<const uint32_t*>(first), row_units, nr, chunk_parts);
                for (int64_t p = 0; p < parts; ++p)
                    std::copy_n(factors + p * size / part_size * nr, nr, out + (p * part_units + at) * nr);
            };
            for (int64_t p = 0; p < parts; ++p) {
                const uint32_t* const quants = reinterpret_cast<const uint32_t*>(rows[0].quant) + p * units;
                transpose(out + p * part_units * nr, nr, quants, row_units, nr, units);
            }
            put_factors(rows[0].scale, units);
            if (!format.zero) put_factors(rows[0].min, units + 1);
            out += parts * part_units * nr;
        }
    }
}

void pack_a(uint32_t* out, const Operand& a, const Piece& piece, const Leaf& leaf) {
    const int64_t padded = (piece.count + leaf.mr - 1) / leaf.mr * leaf.mr;
    for (int64_t i = piece.count; i < padded; ++i) {
        std::memset(out + i * a_stride, 0, static_cast<size_t>(4 * piece.units));
    }
    if (a.along_k) {
        const DType type = a.dtype;
        for (int64_t i = 0; i < piece.count; ++i) {
            if (i + 4 < piece.count)
                prefetch<3>(a.row(piece.i + i + 4) + bytes_of(type, piece.k), bytes_of(type, piece.k_count));
            along_k(out + i * a_stride, leaf.panel, type, a.row(piece.i + i), piece);
        }
        return;
    }
    HWY_ALIGN uint32_t stage[group * a_stride];
    const int64_t cols = (piece.count + 3) / 4 * 4;
    for (int64_t u = 0; u < piece.units; u += group) {
        for (int64_t j = 0; j < group; ++j) {
            uint32_t* const row = stage + j * a_stride;
            across_k(row, piece.count, 0, leaf.panel, a, piece, u + j);
            std::memset(row + piece.count, 0, static_cast<size_t>(4 * (cols - piece.count)));
        }
        transpose(out + u, a_stride, stage, a_stride, group, cols);
    }
}

void pack_b(uint32_t* out, const Operand& b, const Piece& piece, const Leaf& leaf) {
    const int64_t nr = leaf.nr, strip = nr * piece.units;
    const DType type = b.dtype;
    if (leaf.panel == Panel::quantised_32) return pack_quantised<32>(out, b, piece, nr);
    if (leaf.panel == Panel::quantised_16) return pack_quantised<16>(out, b, piece, nr);
    if (b.along_k) {
        const bool as_stored =
            (type == DType::f32 && leaf.panel == Panel::f32) || (type == DType::bf16 && leaf.panel == Panel::bf16);
        const bool in_place =
            as_stored && !b.rows && b.stride % 4 == 0 && piece.units * per_unit(leaf.panel) == piece.k_count;
        HWY_ALIGN uint32_t stage[max_nr * a_stride];
        for (int64_t i = 0; i < piece.count; i += nr, out += strip) {
            const int64_t count = std::min(nr, piece.count - i);
            const auto row = [&](int64_t j) { return b.row(piece.i + i + j) + bytes_of(type, piece.k); };
            if (i + nr < piece.count) {
                for (int64_t j = 0; j < std::min(nr, piece.count - i - nr); ++j) {
                    prefetch<2>(row(nr + j), bytes_of(type, piece.k_count));
                }
            }
            if (in_place && count == nr) {
                transpose(out, nr, reinterpret_cast<const uint32_t*>(row(0)), b.stride / 4, nr, piece.units);
                continue;
            }
            for (int64_t j = 0; j < count; ++j)
                along_k(stage + j * a_stride, leaf.panel, type, b.row(piece.i + i + j), piece);
            std::memset(stage + count * a_stride, 0, static_cast<size_t>(4 * (nr - count) * a_stride));
            transpose(out, nr, stage, a_stride, nr, piece.units);
        }
        return;
    }
    if (piece.count % nr != 0) {
        std::memset(out + piece.count / nr * strip, 0, static_cast<size_t>(4 * strip));
    }
    for (int64_t u = 0; u < piece.units; ++u) across_k(out + u * nr, nr, strip, leaf.panel, b, piece, u);
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
