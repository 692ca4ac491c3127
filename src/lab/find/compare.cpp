#include "lab/find/compare.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/parallel.h"
#include "kernels/rowwise/softmax.h"
#include "model/decoder.h"

namespace gremium::lab {
namespace {

constexpr int64_t batch_logits = int64_t{1} << 25;  // of a batch, unless one window has more

// Some windows, one after the other.
struct Tokens {
    std::vector<int32_t> tokens, positions, targets;
    int64_t window;

    Tokens(std::span<const std::vector<int32_t>> windows) : window(std::ssize(windows.front())) {
        for (const std::vector<int32_t>& w : windows) {
            if (std::ssize(w) != window || window < 2) fail("windows of one length of at least 2 tokens expected");
            for (size_t i = 0; i < w.size(); ++i) {
                tokens.push_back(w[i]);
                positions.push_back(static_cast<int32_t>(i));
                targets.push_back(i + 1 < w.size() ? w[i + 1] : -1);
            }
        }
    }
};

// What a variant says of one batch; forwards reuse the memory.
class Predictor {
  public:
    // logits_TV, valid until the next call.
    Tensor logits_of(const Variant& variant, const Tokens& batch) {
        graph_.clear();
        arena_.clear();
        const Forward out = forward(
            graph_, *variant.model,
            {.tokens = batch.tokens, .positions = batch.positions, .sequences = {}, .sequence_length = batch.window},
            {.caches = {}, .hooks = std::span(&variant.hook, 1)});
        std::vector<int32_t> rows(batch.tokens.size());
        std::iota(rows.begin(), rows.end(), 0);
        return logits(graph_, *variant.model, out.hidden_TD, rows)->value;
    }

  private:
    Arena arena_;
    ops::Graph graph_{arena_, {.record = false}};
};

// Σ p·z in double, the same whatever the threads.
double dot(const float* p, const float* z, int64_t n) {
    double sum = 0;
    for (int64_t begin = 0; begin < n; begin += 256) {
        const int64_t end = std::min(begin + 256, n);
        float part = 0;
#pragma omp simd reduction(+ : part)
        for (int64_t i = begin; i < end; ++i) part += p[i] * z[i];
        sum += part;
    }
    return sum;
}

std::vector<double> dots(TensorView p_TV, TensorView z_TV) {
    std::vector<double> all(static_cast<size_t>(p_TV.rows()));
    const int64_t n = p_TV.cols();
    parallel_chunks(p_TV.rows(), 8, [&](int64_t begin, int64_t end) {
        for (int64_t t = begin; t < end; ++t)
            all[static_cast<size_t>(t)] = dot(p_TV.f32() + t * n, z_TV.f32() + t * n, n);
    });
    return all;
}

// Destroys logits: with `scale` 1 they become probabilities less 1 at the target.
struct Losses {
    std::vector<float> loss_T, logsumexp_T;
    Losses(Tensor logits_TV, std::span<const int32_t> targets, float scale)
        : loss_T(targets.size()), logsumexp_T(targets.size()) {
        kernels::cross_entropy(loss_T, logsumexp_T, logits_TV, targets, scale);
    }
};

class Comparer {
  public:
    Comparer(const Variant& original, std::span<const Variant> variants)
        : original_(original), variants_(variants), sums_(variants.size()) {}

    void add(const Tokens& batch) {
        const Tensor logits_TV = reference_.logits_of(original_, batch);
        OwnedTensor copy(DType::f32, logits_TV.shape);
        std::copy_n(logits_TV.f32(), logits_TV.count(), copy.get().f32());
        const Losses reference(logits_TV, batch.targets, 1);
        const TensorView p_TV = probabilities(logits_TV, batch.targets);
        std::vector<double> entropy = dots(p_TV, copy.get());  // Σ p ln p, less the sum of p's rounding
        for (size_t t = 0; t < entropy.size(); ++t) entropy[t] -= reference.logsumexp_T[t];
        sum_.loss += std::accumulate(reference.loss_T.begin(), reference.loss_T.end(), 0.0);
        for (size_t i = 0; i < variants_.size(); ++i) {
            const Tensor q_TV = other_.logits_of(variants_[i], batch);
            if (q_TV.shape != p_TV.shape) fail("{} has another vocabulary", variants_[i].model->source);
            const std::vector<double> cross = dots(p_TV, q_TV);
            const Losses losses(q_TV, batch.targets, 0);
            for (size_t t = 0; t < cross.size(); ++t) {
                if (batch.targets[t] < 0) continue;
                sums_[i].loss += losses.loss_T[t];
                sums_[i].kl += entropy[t] - (cross[t] - losses.logsumexp_T[t]);
            }
        }
        tokens_ += std::ranges::count_if(batch.targets, [](int32_t t) { return t >= 0; });
    }

    Comparison result() const {
        const auto n = static_cast<double>(std::max<int64_t>(tokens_, 1));
        const auto mean = [&](const Prediction& p) { return Prediction{p.loss / n, p.kl / n}; };
        Comparison c{.tokens = tokens_, .original = mean(sum_), .variants = {}};
        for (const Prediction& p : sums_) c.variants.push_back(mean(p));
        return c;
    }

  private:
    static TensorView probabilities(Tensor less_one_TV, std::span<const int32_t> targets) {
        for (size_t t = 0; t < targets.size(); ++t)
            if (targets[t] >= 0) less_one_TV.f32()[static_cast<int64_t>(t) * less_one_TV.cols() + targets[t]] += 1;
        return less_one_TV;
    }

    Variant original_;
    std::span<const Variant> variants_;
    Predictor reference_, other_;
    int64_t tokens_ = 0;
    Prediction sum_;
    std::vector<Prediction> sums_;
};

}  // namespace

Comparison compare(const Variant& original, std::span<const Variant> variants, const data::Windows& windows) {
    if (windows.empty()) fail("no text to compare on");
    const int64_t row = std::ssize(windows.front()) * int64_t{original.model->spec.vocab};
    const auto together = static_cast<size_t>(std::max<int64_t>(1, batch_logits / std::max<int64_t>(1, row)));
    Comparer comparer(original, variants);
    for (size_t begin = 0; begin < windows.size(); begin += together)
        comparer.add(Tokens(std::span(windows).subspan(begin, std::min(together, windows.size() - begin))));
    return comparer.result();
}

}  // namespace gremium::lab
