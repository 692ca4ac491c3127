// Attention of a few rows, as in decoding: keys and values are read once, as they are stored, and never packed. f32
// products.
#include "kernels/attention/plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/few_rows.cpp"
#include "kernels/simd/dispatch.h"

#include "kernels/attention/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t keys_at_once = 32;

// Rows of one head's keys or values.
struct Stored {
    const std::byte* data;
    int64_t stride;
    DType type;

    HWY_INLINE const std::byte* row(int64_t i) const { return data + i * stride; }
};

// Where they lie in the cache, or copied where a head is not made of whole vectors.
HWY_INLINE Stored stored(TensorView t, const Heads& at, Matrix room) {
    if (at.columns % padded(1) == 0) return {t.row(at.row) + row_bytes(t.dtype, at.column), t.row_bytes(), t.dtype};
    load_heads(room, t, at);
    return {reinterpret_cast<const std::byte*>(room.at), room.stride * int64_t{sizeof(float)}, DType::f32};
}

// Heads are short pieces of long rows, which no hardware foresees. `from` may lie past the tensor's end: nothing is
// read.
HWY_INLINE void prefetch(const std::byte* from, int64_t bytes) {
    for (int64_t b = 0; b < bytes; b += 64) hwy::Prefetch(from + b);
}

// Elements c.. of a row, c a multiple of the vector.
template <DType type>
HWY_INLINE VecF numbers(const std::byte* row, int64_t c) {
    if constexpr (type == DType::q8_0) {
        const auto* of = reinterpret_cast<const BlockQ8_0*>(row) + c / BlockQ8_0::size;
        return quantised(of, c % BlockQ8_0::size, hn::Set(F32(), half_at(&of->d)));
    } else {
        return load_floats<type>(row + c * (type == DType::f32 ? 4 : 2));
    }
}

#if HWY_TARGET == HWY_SCALAR

HWY_INLINE void store_sums(const VecF (&v)[row_unit], float* to) {
    for (int i = 0; i < row_unit; ++i) to[i] = hn::GetLane(v[i]);
}

#else

// The four lanes that are the sums of a vector's first, second, third and fourth lanes of 128 bits.
template <class D>
HWY_INLINE auto sum_of_blocks(D, hn::Vec<D> v) {
    if constexpr (hn::MaxLanes(D()) == row_unit) {
        return v;
    } else {
        const hn::Half<D> half;
        return sum_of_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
    }
}

// to[i] = the sum of v[i]'s lanes: transposed on the way.
HWY_INLINE void store_sums(const VecF (&v)[row_unit], float* to) {
    const F32 d;
    const hn::Repartition<double, F32> pairs;
    const auto sum = [&](VecF a, VecF b) HWY_ATTR {
        return hn::BitCast(pairs, hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b)));
    };
    const auto low = sum(v[0], v[1]), high = sum(v[2], v[3]);
    const VecF sums = hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, low, high)),
                              hn::BitCast(d, hn::InterleaveUpper(pairs, low, high)));
    hn::StoreU(sum_of_blocks(d, sums), hn::Full128<float>(), to);
}

#endif

// What the memory system can do meanwhile: rows `ahead` rows further of the keys, and those of the values, in bytes a
// row.
struct Next {
    Stored keys, values;
    int64_t ahead, key_bytes, value_bytes;

    HWY_INLINE void fetch(int64_t row) const {
        prefetch(keys.row(ahead + row), key_bytes);
        prefetch(values.row(row), value_bytes);
    }
};

// scores[r, j] = q[r]·k[j] for `rows` rows, some keys at a time: 16 sums in registers.
template <DType type, int rows>
HWY_INLINE void dot_products(Matrix scores, Matrix q, Stored k, int64_t keys, int64_t columns, const Next* next) {
    constexpr int together = 16 / rows;
    const F32 d;
    for (int64_t j = 0; j < keys; j += together) {
        const std::byte* key[together];
#pragma GCC unroll 4
        for (int i = 0; i < together; ++i) {
            key[i] = k.row(std::min(j + i, keys - 1));
            if (next) next->fetch(j + i);
        }
        VecF sum[4][4];  // a row's keys, then the next row's
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) sum[i / 4][i % 4] = hn::Zero(d);
        for (int64_t c = 0; c < columns; c += lanes()) {
            VecF right[together];
#pragma GCC unroll 4
            for (int i = 0; i < together; ++i) right[i] = numbers<type>(key[i], c);
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r) {
                const VecF left = hn::LoadU(d, q.row(r) + c);
#pragma GCC unroll 4
                for (int i = 0; i < together; ++i) {
                    VecF& s = sum[(r * together + i) / 4][(r * together + i) % 4];
                    s = hn::MulAdd(left, right[i], s);
                }
            }
        }
        float sums[4][row_unit];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) store_sums(sum[i], sums[i]);
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) scores.row(i / together)[j + i % together] = sums[i / 4][i % 4];
    }
}

// out[r] += Σ_j weights[r, j]·v[j].
template <DType type, int rows, int vectors>
HWY_INLINE void add_values(Matrix out, Matrix weights, Stored v, int64_t keys, int64_t column) {
    const F32 d;
    VecF sum[rows][vectors];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
        for (int i = 0; i < vectors; ++i) sum[r][i] = hn::LoadU(d, out.row(r) + column + i * lanes());
    }
    for (int64_t j = 0; j < keys; ++j) {
        VecF right[vectors];
#pragma GCC unroll 2
        for (int i = 0; i < vectors; ++i) right[i] = numbers<type>(v.row(j), column + i * lanes());
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) {
            const VecF left = hn::Set(d, weights.row(r)[j]);
#pragma GCC unroll 2
            for (int i = 0; i < vectors; ++i) sum[r][i] = hn::MulAdd(left, right[i], sum[r][i]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
        for (int i = 0; i < vectors; ++i) hn::StoreU(sum[r][i], d, out.row(r) + column + i * lanes());
    }
}

template <DType type, int rows>
HWY_INLINE void add_values(Matrix out, Matrix weights, Stored v, int64_t keys) {
    int64_t c = 0;
    for (; c + 2 * lanes() <= out.stride; c += 2 * lanes()) add_values<type, rows, 2>(out, weights, v, keys, c);
    if (c < out.stride) add_values<type, rows, 1>(out, weights, v, keys, c);
}

template <DType type>
HWY_NOINLINE void dot_products(Matrix scores, Matrix q, Stored k, int64_t rows, int64_t keys, const Next& next) {
    int64_t r = 0;
    for (; r + 8 <= rows; r += 8)
        dot_products<type, 8>(scores.below(r), q.below(r), k, keys, q.stride, r == 0 ? &next : nullptr);
    for (; r < rows; r += 4)
        dot_products<type, 4>(scores.below(r), q.below(r), k, keys, q.stride, r == 0 ? &next : nullptr);
}

template <DType type>
HWY_NOINLINE void add_values(Matrix out, Matrix weights, Stored v, int64_t rows, int64_t keys) {
    int64_t r = 0;
    for (; r + 8 <= rows; r += 8) add_values<type, 8>(out.below(r), weights.below(r), v, keys);
    for (; r < rows; r += 4) add_values<type, 4>(out.below(r), weights.below(r), v, keys);
}

struct Functions {
    decltype(&dot_products<DType::f32>) dots;
    decltype(&add_values<DType::f32>) values;
};
template <DType type>
constexpr Functions functions{dot_products<type>, add_values<type>};

const Functions& functions_of(DType type) {
    switch (type) {
        case DType::f32:
            return functions<DType::f32>;
        case DType::f16:
            return functions<DType::f16>;
        case DType::bf16:
            return functions<DType::bf16>;
        case DType::q8_0:
            return functions<DType::q8_0>;
        default:
            fail("attention does not read {}", info(type).name);
    }
}

void attend_few(const AttentionTask& task, TensorView q, const AttentionShape& shape) {
    const AttentionSpan& span = *task.span;
    const int64_t group = shape.heads / shape.kv_heads, rows = task.queries * group;
    const int64_t dim = shape.head_dim, value_dim = shape.value_dim;
    Arena& scratch = attention_scratch();
    const Arena::Mark mark = scratch.mark();
    const Matrix queries = new_matrix(scratch, rows, dim), scores = new_matrix(scratch, rows, keys_at_once);
    const Matrix k_room = new_matrix(scratch, keys_at_once, dim), v_room = new_matrix(scratch, keys_at_once, value_dim);
    const Running running = new_running(scratch, rows, value_dim);
    load_heads(queries, q, {span.q_row + task.query, task.queries, task.kv_head * group * dim, group, dim},
               shape.scale);

    for (int64_t first = task.keys.begin; first < task.keys.end; first += keys_at_once) {
        const int64_t keys = std::min(keys_at_once, task.keys.end - first);
        const Stored k = stored(span.k, {first, keys, task.kv_head * dim, 1, dim}, k_room);
        const Stored v = span.v ? stored(span.v, {first, keys, task.kv_head * value_dim, 1, value_dim}, v_room) : k;
        const Next next{k, v, keys_at_once, row_bytes(k.type, queries.stride), row_bytes(v.type, running.out.stride)};
        functions_of(k.type).dots(scores, queries, k, rows, keys, next);
        weigh<FloatWeights>(task, shape, scores, running, 0, rows, padded_rows(rows), first, padded(keys));
        functions_of(v.type).values(running.out, scores, v, rows, keys);
    }
    finish(task, shape, running);
    scratch.release(mark);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gremium::kernels {

HWY_EXPORT(attend_few);

void attend_few(const AttentionTask& task, TensorView q, const AttentionShape& shape) {
    HWY_DYNAMIC_DISPATCH(attend_few)(task, q, shape);
}

}  // namespace gremium::kernels
#endif  // HWY_ONCE
