// What the blocked attention kernels are made of: small f32 matrices in scratch memory, their products, and the
// exponentials between them. Included once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_ATTENTION_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_ATTENTION_TILES_INL_H_
#undef GREMIUM_KERNELS_ATTENTION_TILES_INL_H_
#else
#define GREMIUM_KERNELS_ATTENTION_TILES_INL_H_
#endif

#include <cstring>

#include "base/error.h"
#include "hwy/cache_control.h"
#include "kernels/attention/plan.h"
#include "kernels/simd/vectors-inl.h"
#include "tensor/quantised/block_types.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {

HWY_INLINE int64_t lanes() { return static_cast<int64_t>(hn::Lanes(F32())); }

// Products come in tiles of a multiple of these rows, and of whole vectors of columns; matrices have room for the rest.
constexpr int64_t row_unit = 4;
HWY_INLINE int64_t padded_rows(int64_t rows) { return (rows + row_unit - 1) / row_unit * row_unit; }
HWY_INLINE int64_t padded(int64_t columns) {
    const int64_t unit = std::max(lanes(), row_unit);  // columns become rows when transposed
    return (columns + unit - 1) / unit * unit;
}

// Row-major floats; the stride is a multiple of the vector.
struct Matrix {
    float* at;
    int64_t stride;

    HWY_INLINE float* row(int64_t i) const { return at + i * stride; }
    HWY_INLINE Matrix below(int64_t i) const { return {row(i), stride}; }
};

HWY_INLINE Matrix new_matrix(Arena& scratch, int64_t rows, int64_t columns) {
    const int64_t stride = padded(columns);
    return {reinterpret_cast<float*>(scratch.allocate(static_cast<size_t>(padded_rows(rows) * stride) * sizeof(float))),
            stride};
}

// The left factor of a product: element (i, k) at at[i·row + k·column], so that a transposed matrix is one too.
struct Left {
    const float* at;
    int64_t row, column;
};
HWY_INLINE Left plain(Matrix m) { return {m.at, m.stride, 1}; }
HWY_INLINE Left transposed(Matrix m) { return {m.at, 1, m.stride}; }

template <int rows, int vectors>
HWY_INLINE void multiply_tile(Matrix c, Left a, const float* b, int64_t b_stride, int64_t k, bool add) {
    const F32 d;
    const int64_t width = lanes();
    VecF sum[rows][vectors];
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
        for (int j = 0; j < vectors; ++j) sum[i][j] = add ? hn::LoadU(d, c.row(i) + j * width) : hn::Zero(d);
    }
    for (int64_t p = 0; p < k; ++p, b += b_stride, a.at += a.column) {
        VecF right[vectors];
#pragma GCC unroll 2
        for (int j = 0; j < vectors; ++j) right[j] = hn::LoadU(d, b + j * width);
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i) {
            const VecF left = hn::Set(d, a.at[i * a.row]);
#pragma GCC unroll 2
            for (int j = 0; j < vectors; ++j) sum[i][j] = hn::MulAdd(left, right[j], sum[i][j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
        for (int j = 0; j < vectors; ++j) hn::StoreU(sum[i][j], d, c.row(i) + j * width);
    }
}

template <int vectors>
HWY_INLINE void multiply_columns(Matrix c, Left a, const float* b, int64_t b_stride, int64_t m, int64_t k, bool add) {
    constexpr int most = HWY_CAP_GE512 ? 12 : 4;  // sums in registers, beside the vectors of B and one of A
    int64_t i = 0;
    const auto rest = [&] { return Left{a.at + i * a.row, a.row, a.column}; };
    for (; i + most <= m; i += most) multiply_tile<most, vectors>(c.below(i), rest(), b, b_stride, k, add);
    for (; i + 8 <= m; i += 8) multiply_tile<8, vectors>(c.below(i), rest(), b, b_stride, k, add);
    for (; i < m; i += 4) multiply_tile<4, vectors>(c.below(i), rest(), b, b_stride, k, add);
}

// c[i, j] (+)= Σ_p a(i, p)·b[p, j] for i < m (rounded up to row_unit), j < n (rounded up to the vector), p < k in
// order.
HWY_NOINLINE inline void multiply(Matrix c, Left a, Matrix b, int64_t m, int64_t n, int64_t k, bool add) {
    int64_t j = 0;
    const int64_t width = lanes();
    for (; j + 2 * width <= padded(n); j += 2 * width) {
        multiply_columns<2>({c.at + j, c.stride}, a, b.at + j, b.stride, m, k, add);
    }
    if (j < n) multiply_columns<1>({c.at + j, c.stride}, a, b.at + j, b.stride, m, k, add);
}

// out[i, j] = in[j, i] for i < columns, j < rows (both rounded up to 4, where the matrices have room).
HWY_NOINLINE inline void transpose(Matrix out, Matrix in, int64_t rows, int64_t columns) {
#if HWY_TARGET == HWY_SCALAR
    for (int64_t j = 0; j < rows; ++j) {
        for (int64_t i = 0; i < columns; ++i) out.row(i)[j] = in.row(j)[i];
    }
#else
    const hn::Full128<float> d;
    const hn::Full128<double> pairs;
    for (int64_t j = 0; j < rows; j += 4) {
        for (int64_t i = 0; i < columns; i += 4) {
            const auto a = hn::LoadU(d, in.row(j) + i), b = hn::LoadU(d, in.row(j + 1) + i);
            const auto e = hn::LoadU(d, in.row(j + 2) + i), f = hn::LoadU(d, in.row(j + 3) + i);
            const auto ab_low = hn::BitCast(pairs, hn::InterleaveLower(d, a, b));
            const auto ab_high = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b));
            const auto ef_low = hn::BitCast(pairs, hn::InterleaveLower(d, e, f));
            const auto ef_high = hn::BitCast(pairs, hn::InterleaveUpper(d, e, f));
            hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, ab_low, ef_low)), d, out.row(i) + j);
            hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, ab_low, ef_low)), d, out.row(i + 1) + j);
            hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, ab_high, ef_high)), d, out.row(i + 2) + j);
            hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, ab_high, ef_high)), d, out.row(i + 3) + j);
        }
    }
#endif
}

// Where heads lie in a tensor: rows [row, row + rows), in each `heads` times `columns` numbers from column `column` on.
struct Heads {
    int64_t row, rows, column, heads, columns;
};

// Beyond the tensor's end too: nothing is read.
HWY_INLINE void prefetch_heads(TensorView t, const Heads& at) {
    const int64_t bytes = row_bytes(t.dtype, at.heads * at.columns), stride = t.row_bytes();
    const std::byte* from = t.data + at.row * stride + row_bytes(t.dtype, at.column);
    for (int64_t i = 0; i < at.rows; ++i, from += stride)
        for (int64_t b = 0; b < bytes; b += 64) hwy::Prefetch(from + b);
}

template <DType type>
HWY_INLINE void load_heads(Matrix out, TensorView t, const Heads& at, VecF factor) {
    constexpr int64_t size = type == DType::f32 ? 4 : 2;
    constexpr int64_t ahead = 24;  // rows; heads are short pieces of long rows, which no hardware foresees
    const int64_t whole = at.columns / lanes() * lanes();
    const size_t rest = static_cast<size_t>((at.columns - whole) * size);
    const int64_t stride = t.row_bytes();
    for (int64_t i = 0; i < at.rows; ++i) {
        const std::byte* from = t.data + (at.row + i) * stride + at.column * size;
        for (int64_t b = 0; b < at.heads * at.columns * size; b += 64) hwy::Prefetch(from + ahead * stride + b);
        for (int64_t h = 0; h < at.heads; ++h, from += at.columns * size) {
            float* to = out.row(i * at.heads + h);
            for (int64_t c = 0; c < whole; c += lanes()) {
                hn::StoreU(hn::Mul(load_floats<type>(from + c * size), factor), F32(), to + c);
            }
            for (int64_t c = whole; c < out.stride; ++c) to[c] = 0;
            if (rest == 0) continue;
            std::byte tail[HWY_MAX_BYTES] = {};
            std::memcpy(tail, from + whole * size, rest);
            hn::StoreU(hn::Mul(load_floats<type>(tail), factor), F32(), to + whole);
        }
    }
}

HWY_INLINE float half_at(const uint16_t* at) {
    const hn::CappedTag<float, 1> d;
    const hn::Rebind<hwy::float16_t, decltype(d)> d16;
    return hn::GetLane(hn::PromoteTo(d, hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(at))));
}

// Numbers c.. of a block.
HWY_INLINE VecF quantised(const BlockQ8_0* from, int64_t c, VecF scale) {
    const auto q = load_as<int8_t>(reinterpret_cast<const std::byte*>(from->q + c));
    return hn::Mul(hn::ConvertTo(F32(), hn::PromoteTo(hn::Rebind<int32_t, F32>(), q)), scale);
}

// Heads that are whole blocks.
HWY_INLINE void load_q8_0(Matrix out, TensorView t, const Heads& at, VecF factor) {
    constexpr int64_t size = BlockQ8_0::size, ahead = 24;  // rows
    const int64_t stride = t.row_bytes(), blocks = at.columns / size;
    for (int64_t i = 0; i < at.rows; ++i) {
        const std::byte* row = t.row(at.row + i) + at.column / size * int64_t{sizeof(BlockQ8_0)};
        const auto* from = reinterpret_cast<const BlockQ8_0*>(row);
        for (int64_t b = 0; b < at.heads * blocks * int64_t{sizeof(BlockQ8_0)}; b += 64)
            hwy::Prefetch(row + ahead * stride + b);
        for (int64_t h = 0; h < at.heads; ++h) {
            float* to = out.row(i * at.heads + h);
            for (int64_t b = 0; b < blocks; ++b, ++from) {
                const VecF scale = hn::Mul(factor, hn::Set(F32(), half_at(&from->d)));
                for (int64_t c = 0; c < size; c += lanes()) {
                    hn::StoreU(quantised(from, c, scale), F32(), to + b * size + c);
                }
            }
            std::fill(to + at.columns, to + out.stride, 0.f);
        }
    }
}

// One matrix row a head, times scale. The rest of its columns and the rows up to the next row_unit become zero.
HWY_NOINLINE inline void load_heads(Matrix out, TensorView t, const Heads& at, float scale = 1) {
    const VecF factor = hn::Set(F32(), scale);
    switch (t.dtype) {
        case DType::f32:
            load_heads<DType::f32>(out, t, at, factor);
            break;
        case DType::f16:
            load_heads<DType::f16>(out, t, at, factor);
            break;
        case DType::bf16:
            load_heads<DType::bf16>(out, t, at, factor);
            break;
        case DType::q8_0:
            load_q8_0(out, t, at, factor);
            break;
        default:
            fail("attention does not read {}", info(t.dtype).name);
    }
    for (int64_t r = at.rows * at.heads; r < padded_rows(at.rows * at.heads); ++r)
        std::fill_n(out.row(r), out.stride, 0.f);
}

// v in columns [visible.begin, visible.end) where v's first column is i; elsewhere `hidden`.
HWY_INLINE VecF mask(VecF v, int64_t i, KeyRange visible, float hidden) {
    const hn::RebindToSigned<F32> di;
    const auto column = hn::Add(hn::Iota(di, 0), hn::Set(di, static_cast<int32_t>(i)));  // Iota is slow unless constant
    const auto before = hn::Lt(column, hn::Set(di, static_cast<int32_t>(visible.begin)));
    const auto after = hn::Lt(hn::Set(di, static_cast<int32_t>(visible.end - 1)), column);
    return hn::IfThenElse(hn::RebindMask(F32(), hn::Or(before, after)), hn::Set(F32(), hidden), v);
}

}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
