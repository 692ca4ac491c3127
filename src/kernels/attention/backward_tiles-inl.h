// The backward of attention on the tile kernels of bf16 products (leaf.h), and what both backwards begin and end with.
// Included once per Highway target, after dispatch.h.
#if defined(GREMIUM_KERNELS_ATTENTION_BACKWARD_TILES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef GREMIUM_KERNELS_ATTENTION_BACKWARD_TILES_INL_H_
#undef GREMIUM_KERNELS_ATTENTION_BACKWARD_TILES_INL_H_
#else
#define GREMIUM_KERNELS_ATTENTION_BACKWARD_TILES_INL_H_
#endif

#include <cmath>
#include <vector>

#include "kernels/attention/tiles-inl.h"
#include "kernels/matmul/leaf.h"
#include "kernels/matmul/pack.h"
#include "kernels/simd/bf16_pairs-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gremium::kernels {
namespace HWY_NAMESPACE {
namespace {

// D[r] = Σ dO ⊙ O and lse[r] for all rows of the task.
void row_terms(float* D, float* lse_of, const AttentionGradients& a, int64_t base, int64_t kv_head, Arena& scratch) {
    constexpr int64_t at_once = 16;  // queries
    const AttentionShape& shape = a.shape;
    const int64_t group = shape.heads / shape.kv_heads, first_head = kv_head * group;
    const Arena::Mark mark = scratch.mark();
    const Matrix out = new_matrix(scratch, at_once * group, shape.value_dim),
                 dout = new_matrix(scratch, at_once * group, shape.value_dim);
    for (int64_t i = 0; i < a.sequence_length; i += at_once) {
        const int64_t queries = std::min(at_once, a.sequence_length - i);
        const Heads heads{base + i, queries, first_head * shape.value_dim, group, shape.value_dim};
        load_heads(out, a.out, heads);
        load_heads(dout, a.dout, heads);
        for (int64_t r = 0; r < queries * group; ++r) {
            VecF sum = hn::Zero(F32());
            for (int64_t c = 0; c < out.stride; c += lanes()) {
                sum = hn::MulAdd(hn::LoadU(F32(), out.row(r) + c), hn::LoadU(F32(), dout.row(r) + c), sum);
            }
            D[i * group + r] = sum_of_lanes(sum);
            lse_of[i * group + r] = a.lse.f32()[(base + i + r / group) * shape.heads + first_head + r % group];
        }
    }
    scratch.release(mark);
}

// to[0, n) (+)= scale·from.
HWY_INLINE void put(float* to, const float* from, int64_t n, float scale, bool add) {
    for_vectors(n, [&](int64_t i, auto part) HWY_ATTR {
        const VecF v = hn::Mul(hn::Set(F32(), scale), hn::LoadU(F32(), from + i));
        part.store(add ? hn::Add(v, part.load(to + i)) : v, to + i);
    });
}

// A tile's rows of scores and dP, [rows][columns], and what becomes of them: P and dS as B panels, dS as rows of an A
// panel.
struct TileRows {
    const float *scores, *dp, *lse, *D;
    const KeyRange* visible;
    uint32_t *p_panel, *ds_panel, *ds_rows;
};
HWY_NOINLINE inline void weigh(const TileRows& t, int64_t rows, int64_t columns, float scale) {
    const F32 d;
    const U32 du;
    for (int64_t r = 0; r < rows; r += 2) {
        for (int64_t i = 0; i < columns; i += lanes()) {
            VecF p[2], ds[2];
#pragma GCC unroll 2
            for (int64_t j = 0; j < 2; ++j) {
                const int64_t at = (r + j) * columns + i;
                const VecF score = hn::Mul(hn::LoadU(d, t.scores + at), hn::Set(d, scale));
                p[j] = exp(hn::Sub(score, hn::Set(d, t.lse[r + j])));
                const KeyRange visible = t.visible[r + j];
                if (visible.begin > i || visible.end < i + lanes()) p[j] = mask(p[j], i, visible, 0);
                ds[j] = hn::Mul(p[j], hn::Sub(hn::LoadU(d, t.dp + at), hn::Set(d, t.D[r + j])));
                store_halves(ds[j], t.ds_rows + (r + j) * a_stride + i / 2);
            }
            hn::StoreU(pairs_of(p[0], p[1]), du, t.p_panel + r / 2 * columns + i);
            hn::StoreU(pairs_of(ds[0], ds[1]), du, t.ds_panel + r / 2 * columns + i);
        }
    }
}

constexpr int64_t max_mr = 64;

// As attend_backward(), with operands, also P and dS, rounded to bf16 and all sums f32. Strips of `nr` keys meet blocks
// of rows that see them, `mr` rows at a time. dK and dV are summed transposed: then P and dS need not be.
class TiledBackward {
  public:
    TiledBackward(const AttentionGradients& a, int64_t sequence, int64_t kv_head, const Leaf& leaf)
        : a_(a),
          shape_(a.shape),
          leaf_(leaf),
          base_(sequence * a.sequence_length),
          kv_head_(kv_head),
          dim_(shape_.head_dim),
          value_dim_(shape_.value_dim),
          strips_(up(a.sequence_length, nr()) / nr()),
          most_rows_(std::min(2 * k_block / mr() * mr(), up(a.sequence_length, mr()))),
          scratch_(attention_scratch()),
          visible_(static_cast<size_t>(mr())) {}

    void run() {
        const Arena::Mark mark = scratch_.mark();
        const int64_t group = shape_.heads / shape_.kv_heads;
        D_ = floats(a_.sequence_length * group), lse_ = floats(a_.sequence_length * group);
        row_terms(D_, lse_, a_, base_, kv_head_, scratch_);
        make_panels();
        pack_keys();
        if (leaf_.enter) leaf_.enter();
        for (int64_t g = 0; g < group; ++g) {
            for (int64_t row = 0; row < a_.sequence_length; row += most_rows_)
                rows_of_head(g, row, std::min(most_rows_, a_.sequence_length - row));
        }
        if (leaf_.leave) leaf_.leave();
        store_transposed(a_.dk, dk_, dim_, shape_.scale);
        store_transposed(a_.dv, dv_, value_dim_, 1);
        scratch_.release(mark);
    }

  private:
    static int64_t up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }
    int64_t mr() const { return leaf_.mr; }
    int64_t nr() const { return leaf_.nr; }
    int64_t units(int64_t n) const { return up((n + 1) / 2, leaf_.units_multiple); }
    float* floats(int64_t n) {
        return reinterpret_cast<float*>(scratch_.allocate(static_cast<size_t>(n) * sizeof(float)));
    }
    uint32_t* panel(int64_t n) { return reinterpret_cast<uint32_t*>(floats(n)); }
    float* zeros(int64_t n) {
        float* const at = floats(n);
        std::fill_n(at, n, 0.f);
        return at;
    }

    void make_panels() {
        const int64_t pairs = most_rows_ / 2 + leaf_.units_multiple;
        k_ = panel(strips_ * nr() * units(dim_)), v_ = panel(strips_ * nr() * units(value_dim_));
        k_across_ = panel(strips_ * up(dim_, nr()) * units(nr()));
        q_ = panel(most_rows_ * a_stride), dout_ = panel(most_rows_ * a_stride);
        ds_rows_ = panel(most_rows_ * a_stride);
        q_across_ = panel(up(dim_, mr()) * a_stride), dout_across_ = panel(up(value_dim_, mr()) * a_stride);
        p_ = panel(pairs * nr()), ds_ = panel(pairs * nr());
        scores_ = floats(mr() * nr()), dp_ = floats(mr() * nr());
        dk_ = zeros(strips_ * up(dim_, mr()) * nr()), dv_ = zeros(strips_ * up(value_dim_, mr()) * nr());
        dq_ = floats(most_rows_ * up(dim_, nr()));
    }

    // Columns [first, …) of the sequence's rows.
    Operand operand(TensorView t, int64_t first, bool along_k) const {
        return {t.row(base_) + row_bytes(t.dtype, first), t.dtype, t.row_bytes(), nullptr, along_k};
    }

    // Keys and values as they meet Q and dO, and keys as they meet dS.
    void pack_keys() {
        const int64_t k_first = kv_head_ * dim_, v_first = kv_head_ * value_dim_;
        pack_b(k_, operand(a_.k, k_first, true), {0, a_.sequence_length, 0, dim_, units(dim_)}, leaf_);
        pack_b(v_, operand(a_.v, v_first, true), {0, a_.sequence_length, 0, value_dim_, units(value_dim_)}, leaf_);
        for (int64_t key = 0; key < a_.sequence_length; key += nr()) {
            const Piece piece{0, dim_, key, std::min(nr(), a_.sequence_length - key), units(nr())};
            pack_b(k_across_ + key / nr() * up(dim_, nr()) * units(nr()), operand(a_.k, k_first, false), piece, leaf_);
        }
    }

    void rows_of_head(int64_t g, int64_t first, int64_t count) {
        const int64_t head = kv_head_ * (shape_.heads / shape_.kv_heads) + g, columns = up(dim_, nr());
        const int64_t pairs = units(up(count, mr())) + leaf_.units_multiple;  // some of zeros
        pack_a(q_, operand(a_.q, head * dim_, true), {first, count, 0, dim_, units(dim_)}, leaf_);
        pack_a(dout_, operand(a_.dout, head * value_dim_, true), {first, count, 0, value_dim_, units(value_dim_)},
               leaf_);
        pack_a(q_across_, operand(a_.q, head * dim_, false), {0, dim_, first, count, pairs}, leaf_);
        pack_a(dout_across_, operand(a_.dout, head * value_dim_, false), {0, value_dim_, first, count, pairs}, leaf_);
        std::fill_n(dq_, up(count, mr()) * columns, 0.f);
        for (int64_t key = 0; key < std::min(a_.sequence_length, first + count); key += nr()) {
            const int64_t keys = std::min(nr(), a_.sequence_length - key);
            const int64_t begin = std::max<int64_t>(0, key - first) / mr() * mr();
            const int64_t end = std::min(count, forgotten_at(key + keys - 1, shape_) - first);
            if (begin < end) strip(g, key, keys, first, begin, up(end, mr()));
        }
        for (int64_t r = 0; r < count; ++r) {
            float* const to = a_.dq.f32() + (base_ + first + r) * a_.dq.cols() + head * dim_;
            put(to, dq_ + r * columns, dim_, shape_.scale, false);
        }
    }

    // What rows [begin, end) of the block, whole tiles, and the keys from `key` on add to each other's gradients.
    void strip(int64_t g, int64_t key, int64_t keys, int64_t first, int64_t begin, int64_t end) {
        const int64_t s = key / nr(), group = shape_.heads / shape_.kv_heads, columns = up(dim_, nr());
        for (int64_t r = begin; r < end; r += mr()) {
            leaf_.tile(scores_, nr(), q_ + r * a_stride, k_ + key * units(dim_), units(dim_), false);
            leaf_.tile(dp_, nr(), dout_ + r * a_stride, v_ + key * units(value_dim_), units(value_dim_), false);
            float lse[max_mr], D[max_mr];
            for (int64_t j = 0; j < mr(); ++j) {
                const int64_t query = first + r + j;
                const bool exists = query < a_.sequence_length;
                lse[j] = exists ? lse_[query * group + g] : INFINITY;
                D[j] = exists ? D_[query * group + g] : 0;
                visible_[static_cast<size_t>(j)] =
                    exists ? visible_in_block(query, shape_, key, keys) : KeyRange{0, nr()};
            }
            weigh(
                {scores_, dp_, lse, D, visible_.data(), p_ + r / 2 * nr(), ds_ + r / 2 * nr(), ds_rows_ + r * a_stride},
                mr(), nr(), shape_.scale);
        }
        const int64_t from = begin / 2, pairs = up((end - begin) / 2, leaf_.units_multiple);
        for (uint32_t* panel : {p_, ds_}) std::fill_n(panel + end / 2 * nr(), (from + pairs - end / 2) * nr(), 0u);
        const auto add_across = [&](float* sums, int64_t width, const uint32_t* rows, const uint32_t* b) {
            for (int64_t c = 0; c < width; c += mr())
                leaf_.tile(sums + (s * up(width, mr()) + c) * nr(), nr(), rows + c * a_stride + from, b + from * nr(),
                           pairs, true);
        };
        add_across(dk_, dim_, q_across_, ds_);
        add_across(dv_, value_dim_, dout_across_, p_);
        const uint32_t* const k_strip = k_across_ + s * columns * units(nr());
        for (int64_t c = 0; c < dim_; c += nr()) {
            for (int64_t r = begin; r < end; r += mr())
                leaf_.tile(dq_ + r * columns + c, columns, ds_rows_ + r * a_stride, k_strip + c * units(nr()),
                           units(nr()), true);
        }
    }

    // Rows of keys from sums [strip][width, padded][nr].
    void store_transposed(Tensor to, float* sums, int64_t width, float scale) {
        const Matrix rows = new_matrix(scratch_, nr(), width);
        for (int64_t s = 0; s < strips_; ++s) {
            transpose(rows, {sums + s * up(width, mr()) * nr(), nr()}, width, nr());
            for (int64_t key = s * nr(); key < std::min(a_.sequence_length, (s + 1) * nr()); ++key)
                put(to.f32() + (base_ + key) * to.cols() + kv_head_ * width, rows.row(key - s * nr()), width, scale,
                    false);
        }
    }

    const AttentionGradients& a_;
    const AttentionShape& shape_;
    const Leaf& leaf_;
    int64_t base_, kv_head_, dim_, value_dim_, strips_, most_rows_;
    Arena& scratch_;
    std::vector<KeyRange> visible_;  // of a tile's rows
    float *D_ = nullptr, *lse_ = nullptr;
    // Panels: B of K and V, of K across; A of rows of Q, dO and dS, of Q and dO across; B of P and dS.
    uint32_t *k_ = nullptr, *v_ = nullptr, *k_across_ = nullptr;
    uint32_t *q_ = nullptr, *dout_ = nullptr, *ds_rows_ = nullptr, *q_across_ = nullptr, *dout_across_ = nullptr;
    uint32_t *p_ = nullptr, *ds_ = nullptr;
    float *scores_ = nullptr, *dp_ = nullptr, *dk_ = nullptr, *dv_ = nullptr, *dq_ = nullptr;
};

void attend_backward_tiles(const AttentionGradients& a, int64_t sequence, int64_t kv_head, const Leaf& leaf) {
    TiledBackward(a, sequence, kv_head, leaf).run();
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace gremium::kernels
HWY_AFTER_NAMESPACE();

#endif
