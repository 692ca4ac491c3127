#include "lab/find/find.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "engine/reader.h"

namespace gremium::lab {
namespace {

double mean(const std::vector<double>& x) {
    return x.empty() ? 0 : std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

// The squared standard error of the mean.
double squared_error(const std::vector<double>& x) {
    if (x.size() < 2) return 0;
    const double middle = mean(x), n = static_cast<double>(x.size());
    double sum = 0;
    for (const double v : x) sum += (v - middle) * (v - middle);
    return sum / (n - 1) / n;
}

// Sums routing decisions, window by window.
class UseCounter : public moe::RoutingHook {
  public:
    UseCounter(const ModelSpec& spec, size_t windows, size_t window)
        : first_(spec.layers.size()), window_(window), choices_(spec.layers.size()) {
        for (size_t l = 0; l < spec.layers.size(); ++l) {
            first_[l] = uses_.size();
            const MoeSpec* moe = spec.layers[l].moe();
            for (int e = 0; moe && e < moe->router.experts; ++e) {
                uses_.push_back({.id = {static_cast<int>(l), e},
                                 .share_W = std::vector<double>(windows),
                                 .gate_W = std::vector<double>(windows)});
            }
        }
    }

    void begin_at(size_t window) { begin_ = window; }

    void after_selection(const moe::AfterSelection& s) override {
        const auto layer = static_cast<size_t>(s.layer), k = static_cast<size_t>(s.top_k);
        const double token = 1 / static_cast<double>(window_);
        for (size_t t = 0; t < s.ids_Tk.size() / k; ++t) {
            const std::span<const float> weights = s.weights_Tk.subspan(t * k, k);
            const double sum = std::accumulate(weights.begin(), weights.end(), 1e-30);
            for (size_t j = 0; j < k; ++j) {
                const int32_t expert = s.ids_Tk[t * k + j];
                if (expert < 0) continue;
                ExpertUse& use = uses_[first_[layer] + static_cast<size_t>(expert)];
                const size_t window = begin_ + t / window_;
                ++use.chosen;
                ++choices_[layer];
                use.share_W[window] += token;
                use.gate_W[window] += token * weights[j] / sum;
            }
        }
    }

    std::vector<ExpertUse> result() {
        for (ExpertUse& use : uses_) {
            const auto choices = static_cast<double>(choices_[static_cast<size_t>(use.id.layer)]);
            use.token_ratio = choices > 0 ? static_cast<double>(use.chosen) / choices : 0;
        }
        return std::move(uses_);
    }

  private:
    std::vector<size_t> first_;
    size_t window_, begin_ = 0;
    std::vector<ExpertUse> uses_;
    std::vector<int64_t> choices_;
};

struct Difference {
    double value, error, p;
};
Difference difference(const std::vector<double>& a, const std::vector<double>& b) {
    const double value = mean(a) - mean(b), error = std::sqrt(squared_error(a) + squared_error(b));
    if (error == 0) return {value, 0, value == 0 ? 1.0 : 0.0};
    return {value, error, std::erfc(std::abs(value) / error / std::sqrt(2.0))};
}

// ln(p(e, for) / p(e)p(for)) / −ln p(e, for) with p(for) = ½; p(e | text) is the expert's share of the choices.
double npmi(double given_for, double given_against) {
    if (given_for <= 0) return -1;
    const double joint = given_for / 2, expert = (given_for + given_against) / 2;
    return std::log(joint / (expert / 2)) / -std::log(joint);
}

Finding compare_use(const ExpertUse& a, const ExpertUse& b) {
    const Difference d = difference(a.share_W, b.share_W);
    return {.id = a.id,
            .chosen_for = a.chosen,
            .chosen_against = b.chosen,
            .share_for = a.share(),
            .share_against = b.share(),
            .risk = d.value,
            .risk_low = d.value - 1.96 * d.error,
            .risk_high = d.value + 1.96 * d.error,
            .gate_for = a.gate(),
            .gate_against = b.gate(),
            .tokens_for = a.token_ratio,
            .tokens_against = b.token_ratio,
            .npmi = npmi(a.token_ratio, b.token_ratio),
            .p = d.p};
}

}  // namespace

double ExpertUse::gate() const { return mean(gate_W); }
double ExpertUse::share() const { return mean(share_W); }

std::vector<ExpertUse> measure_use(const Model& model, const data::Windows& windows, engine::Arithmetic arithmetic) {
    if (windows.empty()) fail("no text to look at");
    const std::vector<engine::Window> all = engine::windows_of(windows);
    const size_t length = all.front().size();
    for (const engine::Window& w : all)
        if (w.size() != length) fail("windows of one length expected");
    UseCounter counter(model.spec, all.size(), length);
    Arena arena;
    engine::Reader reader(arena, model,
                          {.compute = engine::compute_of(arithmetic),
                           .hook = &counter,
                           .batch = engine::windows_at_once(std::ssize(all.front()))});
    reader.read(all, [&](engine::Passage& passage) { counter.begin_at(passage.window() + passage.windows()); });
    return counter.result();
}

double Finding::score(Score by) const {
    switch (by) {
        case Score::risk:
            return risk;
        case Score::gate:
            return gate_for - gate_against;
        case Score::tokens:
            return tokens_for - tokens_against;
        case Score::npmi:
            return npmi;
    }
    return 0;
}

std::set<moe::ExpertId> first_accepted(const std::vector<Finding>& findings, double share) {
    const auto most = static_cast<size_t>(std::max(1.0, std::round(share * static_cast<double>(findings.size()))));
    std::set<moe::ExpertId> first;
    for (const Finding& f : findings)
        if (f.accepted && first.size() < most) first.insert(f.id);
    return first;
}

std::vector<double> adjusted(const std::vector<double>& p) {
    std::vector<size_t> order(p.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, std::less(), [&](size_t i) { return p[i]; });
    std::vector<double> q(p.size());
    double least = 1;
    for (size_t rank = p.size(); rank > 0; --rank) {
        const size_t i = order[rank - 1];
        q[i] = least = std::min(least, p[i] * static_cast<double>(p.size()) / static_cast<double>(rank));
    }
    return q;
}

std::vector<Finding> find_experts(const Model& model, const data::Halves& text_for, const data::Halves& text_against,
                                  const FindOptions& options) {
    if (!model.experts) fail("{} has no experts", model.source);
    const auto use = [&](const data::Windows& text) { return measure_use(model, text, options.arithmetic); };
    const std::vector<ExpertUse> a = use(text_for.first), b = use(text_against.first), a_again = use(text_for.second),
                                 b_again = use(text_against.second);
    std::vector<Finding> all;
    std::vector<size_t> tested;
    std::vector<double> p;
    for (size_t i = 0; i < a.size(); ++i) {
        all.push_back(compare_use(a[i], b[i]));
        const Difference again = difference(a_again[i].share_W, b_again[i].share_W);
        all[i].again_risk = again.value;
        all[i].again_p = again.p;
        if (a[i].chosen + b[i].chosen < options.least_chosen) continue;
        tested.push_back(i);
        p.push_back(all[i].p);
    }
    const std::vector<double> q = adjusted(p);
    for (size_t n = 0; n < tested.size(); ++n) {
        Finding& f = all[tested[n]];
        f.q = q[n];
        const bool same_side = (f.risk > 0) == (f.again_risk > 0);
        f.accepted = f.risk > 0 && f.q <= options.level && same_side && f.again_p <= options.level;
    }
    std::ranges::stable_sort(all, std::greater(), [&](const Finding& f) { return f.score(options.by); });
    return all;
}

}  // namespace gremium::lab
