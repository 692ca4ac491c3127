#include "tensor/quantised/codebook_fit.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "tensor/float_formats.h"
#include "tensor/quantised/block_scales.h"
#include "tensor/quantised/part_scales.h"

namespace gremium::fit {
namespace {

// The same products and sums everywhere, so that the result does not depend on the processor.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define GREMIUM_WIDER_VECTORS __attribute__((target_clones("default", "avx2")))
#else
#define GREMIUM_WIDER_VECTORS
#endif

// Of one group: b and c of every entry.
GREMIUM_WIDER_VECTORS
void sums_of_entries(const float* value, const float* square, int width, int entries, const float* x, const float* w,
                     float* b, float* c) {
    constexpr int stretch = 64;
    for (int first = 0; first < entries; first += stretch) {
        float bs[stretch] = {}, cs[stretch] = {};
        for (int j = 0; j < width; ++j) {
            const float *const v = value + j * entries + first, *const v2 = square + j * entries + first;
            const float wx = w[j] * x[j], wj = w[j];
#pragma omp simd
            for (int i = 0; i < stretch; ++i) {
                bs[i] += wx * v[i];
                cs[i] += wj * v2[i];
            }
        }
        std::copy_n(bs, stretch, b + first);
        std::copy_n(cs, stretch, c + first);
    }
}

// The entry of least a·c − 2b, which is the least error for a scale a >= 0.
GREMIUM_WIDER_VECTORS
int best_entry(const float* b, const float* c, int n, float a) {
    constexpr int stretch = 64;
    float least = INFINITY;
    int where = 0;
    for (int first = 0; first < n; first += stretch) {
        float low = INFINITY;
#pragma omp simd reduction(min : low)
        for (int i = 0; i < stretch; ++i) {
            const float score = a * c[first + i] - 2 * b[first + i];
            low = score < low ? score : low;
        }
        if (!(low < least)) continue;
        least = low;
        where = first;
    }
    for (int i = where; i < where + stretch; ++i)
        if (a * c[i] - 2 * b[i] == least) return i;
    return where;
}

// The entries of a group, from one part of the codebook, that are best for some scale.
struct Candidates {
    static constexpr int most = 12;
    int count = 0;
    uint16_t entry[most];
    float b[most], c[most];

    int best(float a) const {
        int best = 0;
        for (int i = 1; i < count; ++i)
            if (a * c[i] - 2 * b[i] < a * c[best] - 2 * b[best]) best = i;
        return best;
    }
    void add(int entry_, float b_, float c_) {
        if (std::find(entry, entry + count, entry_) != entry + count) return;
        entry[count] = static_cast<uint16_t>(entry_);
        b[count] = b_;
        c[count++] = c_;
    }
};

// What entries, chosen for a scale, sum to.
struct Choice {
    double b = 0, c = 0;
    uint16_t entry[8] = {};
    double error(double a) const { return a * (a * c - 2 * b); }  // less Σ wx²
    double gain() const { return b > 0 ? b * b / c : 0; }         // of the best scale, which is b / c
};

class Fit {
  public:
    Fit(const Codebook& book, const CodebookLayout& layout, const float* x, const float* w)
        : book_(book),
          layout_(layout),
          runs_(block / layout.run),
          groups_(layout.run / book.width),
          candidates_(static_cast<size_t>(block / book.width * book.parts)) {
        for (int r = 0; r < runs_; ++r) fit_run(r, x + r * layout.run, w + r * layout.run);
    }

    Fitted best() const {
        const float most = *std::max_element(scale_, scale_ + runs_);
        Fitted best{};
        if (!(most > 0)) return best;
        const float top = step(layout_.scales - 1);
        double least = INFINITY;
        // Larger ones leave scales of runs unused above, smaller ones bound them.
        for (const float part : {0.8f, 0.87f, 0.93f, 0.97f, 1.f, 1.04f, 1.1f}) {
            float d = part * most / top;
            for (int pass = 0; pass < 3; ++pass) {
                const Found found = with_scale(d);
                if (found.error < least) {
                    least = found.error;
                    best = found.fitted;
                }
                d = found.better_d;
            }
        }
        return best;
    }

  private:
    struct Found {
        Fitted fitted;
        double error;
        float better_d;  // for the same codes
    };

    float step(int s) const { return layout_.first + layout_.more * static_cast<float>(s); }
    Candidates& candidates(int run, int group, int part) {
        return candidates_[static_cast<size_t>((run * groups_ + group) * book_.parts + part)];
    }
    const Candidates& candidates(int run, int group, int part) const {
        return const_cast<Fit*>(this)->candidates(run, group, part);
    }

    Choice choose(int run, float a) const {
        Choice best;
        for (int part = 0; part < book_.parts; ++part) {
            Choice choice;
            for (int i = 0; i < groups_; ++i) {
                const Candidates& of_group = candidates(run, i, part);
                const int at = of_group.best(a);
                choice.entry[i] = of_group.entry[at];
                choice.b += double{of_group.b[at]};
                choice.c += double{of_group.c[at]};
            }
            if (part == 0 || choice.error(double{a}) < best.error(double{a})) best = choice;
        }
        return best;
    }

    // Candidates for all groups of a run, and its best scale by itself.
    void fit_run(int run, const float* x, const float* w) {
        const auto entries = static_cast<size_t>(book_.entries);
        thread_local std::vector<float> b, c;  // [groups][entries]
        b.resize(static_cast<size_t>(groups_) * entries);
        c.resize(b.size());
        for (int i = 0; i < groups_; ++i)
            sums_of_entries(book_.value.data(), book_.square.data(), book_.width, book_.entries, x + i * book_.width,
                            w + i * book_.width, &b[static_cast<size_t>(i) * entries],
                            &c[static_cast<size_t>(i) * entries]);
        const auto add_best_for = [&](float a) {
            const int n = book_.entries / book_.parts;
            for (int i = 0; i < groups_; ++i) {
                for (int part = 0; part < book_.parts; ++part) {
                    const size_t first = static_cast<size_t>(i) * entries + static_cast<size_t>(part * n);
                    const int at = best_entry(&b[first], &c[first], n, a);
                    candidates(run, i, part)
                        .add(part * n + at, b[first + static_cast<size_t>(at)], c[first + static_cast<size_t>(at)]);
                }
            }
        };
        const float largest = *std::max_element(book_.value.begin(), book_.value.end());
        float smallest = largest;
        for (const float v : book_.value)
            if (v > 0) smallest = std::min(smallest, v);
        const float most = std::fabs(extreme(x, layout_.run));
        constexpr int tried = 11;
        float scales[tried + 1], a = 2 * most / largest;
        for (int i = 0; i < tried - 1; ++i, a *= 0.85f) add_best_for(scales[i] = a);
        add_best_for(scales[tried - 1] = most / smallest);  // weights of one size
        const auto best_of = [&](int n) {
            double gain = 0;
            float best = 0;
            for (int i = 0; i < n; ++i) {
                const Choice choice = choose(run, scales[i]);
                if (!(choice.gain() > gain)) continue;
                gain = choice.gain();
                best = static_cast<float>(choice.b / choice.c);
            }
            return best;
        };
        add_best_for(scales[tried] = best_of(tried));
        scale_[run] = best_of(tried + 1);
    }

    Found with_scale(float wanted) const {
        Found found{};
        found.fitted.d = f32_to_f16(wanted);
        const float d = f16_to_f32(found.fitted.d);
        double b = 0, c = 0;
        for (int r = 0; r < runs_; ++r) {
            const float s = (scale_[r] * inverse(d) - layout_.first) / layout_.more;
            const int low = static_cast<int>(clamp(std::floor(s), 0, static_cast<float>(layout_.scales - 1)));
            Choice best;
            double least = INFINITY;
            for (int at = low; at <= std::min(low + 1, layout_.scales - 1); ++at) {
                const float a = d * step(at);
                const Choice choice = choose(r, a);
                const double error = choice.error(double{a});
                if (!(error < least)) continue;
                least = error;
                best = choice;
                found.fitted.scale[r] = static_cast<uint8_t>(at);
            }
            std::copy_n(best.entry, groups_, found.fitted.entry + r * groups_);
            found.error += least;
            const double s_now = double{step(found.fitted.scale[r])};
            b += s_now * best.b;
            c += s_now * s_now * best.c;
        }
        found.better_d = c > 0 ? static_cast<float>(b / c) : d;
        return found;
    }

    const Codebook& book_;
    CodebookLayout layout_;
    int runs_, groups_;                   // of a block, of a run
    std::vector<Candidates> candidates_;  // [runs][groups][parts]
    float scale_[16];
};

}  // namespace

Fitted fit_codebook(const Codebook& book, const CodebookLayout& layout, const float* x, const float* w) {
    return Fit(book, layout, x, w).best();
}

}  // namespace gremium::fit
