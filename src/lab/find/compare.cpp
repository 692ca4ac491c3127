#include "lab/find/compare.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/parallel.h"
#include "engine/reader.h"
#include "kernels/rowwise/softmax.h"

namespace gremium::lab {
namespace {

// The most logits in a batch, unless a single window has more.
constexpr int64_t batch_logits = int64_t{1} << 25;

// For consecutive windows: the token that follows each token, −1 after the last one of a window.
std::vector<int32_t> targets_of(std::span<const engine::Window> windows) {
    std::vector<int32_t> targets;
    for (const engine::Window& w : windows) {
        targets.insert(targets.end(), w.begin() + 1, w.end());
        targets.push_back(-1);
    }
    return targets;
}

// Σ p·z in double, independent of the number of threads.
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

// Overwrites the logits: with `scale` 1 they become probabilities, minus 1 at the target.
struct Losses {
    std::vector<float> loss_T, logsumexp_T;
    Losses(Tensor logits_TV, std::span<const int32_t> targets, float scale)
        : loss_T(targets.size()), logsumexp_T(targets.size()) {
        kernels::cross_entropy(loss_T, logsumexp_T, logits_TV, targets, scale);
    }
};

class Comparer {
  public:
    Comparer(std::span<const Variant> variants, std::span<const engine::Window> windows, DType compute)
        : variants_(variants), windows_(windows), compute_(compute), sums_(variants.size()) {}

    void add(engine::Passage& original) {
        const auto windows = windows_.subspan(original.window(), original.windows());
        const std::vector<int32_t> targets = targets_of(windows);
        const Tensor logits_TV = original.logits_TV();
        OwnedTensor copy(DType::f32, logits_TV.shape);
        std::copy_n(logits_TV.f32(), logits_TV.count(), copy.get().f32());
        const Losses reference(logits_TV, targets, 1);
        const TensorView p_TV = probabilities(logits_TV, targets);
        // Σ p ln p, up to the rounding of p's sum.
        std::vector<double> entropy = dots(p_TV, copy.get());
        for (size_t t = 0; t < entropy.size(); ++t) entropy[t] -= reference.logsumexp_T[t];
        sum_.loss += std::accumulate(reference.loss_T.begin(), reference.loss_T.end(), 0.0);
        for (size_t i = 0; i < variants_.size(); ++i) {
            engine::Reader reader(arena_, *variants_[i].model,
                                  {.compute = compute_, .hook = variants_[i].hook, .batch = std::ssize(windows)});
            reader.read(windows, [&](engine::Passage& variant) { add(variant, i, targets, p_TV, entropy); });
        }
        tokens_ += std::ranges::count_if(targets, [](int32_t t) { return t >= 0; });
    }

    Comparison result() const {
        const auto n = static_cast<double>(std::max<int64_t>(tokens_, 1));
        const auto mean = [&](const Prediction& p) { return Prediction{p.loss / n, p.kl / n}; };
        Comparison c{.tokens = tokens_, .original = mean(sum_), .variants = {}};
        for (const Prediction& p : sums_) c.variants.push_back(mean(p));
        return c;
    }

  private:
    void add(engine::Passage& variant, size_t i, std::span<const int32_t> targets, TensorView p_TV,
             std::span<const double> entropy) {
        const Tensor q_TV = variant.logits_TV();
        if (q_TV.shape != p_TV.shape) fail("{} has another vocabulary", variants_[i].model->source);
        const std::vector<double> cross = dots(p_TV, q_TV);
        const Losses losses(q_TV, targets, 0);
        for (size_t t = 0; t < cross.size(); ++t) {
            if (targets[t] < 0) continue;
            sums_[i].loss += losses.loss_T[t];
            sums_[i].kl += entropy[t] - (cross[t] - losses.logsumexp_T[t]);
        }
    }

    static TensorView probabilities(Tensor less_one_TV, std::span<const int32_t> targets) {
        for (size_t t = 0; t < targets.size(); ++t)
            if (targets[t] >= 0) less_one_TV.f32()[static_cast<int64_t>(t) * less_one_TV.cols() + targets[t]] += 1;
        return less_one_TV;
    }

    std::span<const Variant> variants_;
    std::span<const engine::Window> windows_;
    DType compute_;
    // For each variant in turn.
    Arena arena_;
    int64_t tokens_ = 0;
    Prediction sum_;
    std::vector<Prediction> sums_;
};

}  // namespace

Comparison compare(const Variant& original, std::span<const Variant> variants, const data::Windows& texts,
                   engine::Arithmetic arithmetic, const std::function<void()>& between) {
    if (texts.empty()) fail("no text to compare on");
    const std::vector<engine::Window> windows = engine::windows_of(texts);
    const int64_t length = std::ssize(windows.front());
    for (const engine::Window& w : windows)
        if (std::ssize(w) != length || length < 2) fail("windows of one length of at least 2 tokens expected");
    const int64_t row = length * int64_t{original.model->spec.vocab};
    const DType compute = engine::compute_of(arithmetic);
    Arena arena;
    engine::Reader reader(
        arena, *original.model,
        {.compute = compute, .hook = original.hook, .batch = batch_logits / std::max<int64_t>(1, row)});
    Comparer comparer(variants, windows, compute);
    reader.read(windows, [&](engine::Passage& passage) {
        comparer.add(passage);
        if (between) between();
    });
    return comparer.result();
}

}  // namespace gremium::lab
