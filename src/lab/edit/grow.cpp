#include "lab/edit/grow.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.h"
#include "engine/reader.h"
#include "lab/edit/draft.h"
#include "lab/find/find.h"

namespace gremium::lab {
namespace {

using moe::ExpertId;

// Least squares: fits a desired logit by a linear combination of the token's other logits, and a constant if routers
// have biases.
class Fit {
  public:
    Fit(std::vector<float> bias_E, size_t experts)
        : bias_E_(std::move(bias_E)),
          width_(experts + (bias_E_.empty() ? 0 : 1)),
          products_(width_ * width_),
          wished_(width_),
          x_(width_, 1.0) {}

    void add(std::span<const float> logits_E, bool is_new, double weight) {
        double sum = 0, squares = 0;
        for (size_t e = 0; e < logits_E.size(); ++e) {
            sum += logits_E[e];
            squares += double{logits_E[e]} * logits_E[e];
            x_[e] = logits_E[e] - (bias_E_.empty() ? 0 : bias_E_[e]);
        }
        const auto n = static_cast<double>(logits_E.size());
        const double deviation = std::sqrt(std::max(0.0, squares / n - sum * sum / n / n));
        const auto [low, high] = std::ranges::minmax(logits_E);
        const double y = is_new ? high + deviation : low;
        for (size_t i = 0; i < width_; ++i) {
            wished_[i] += weight * y * x_[i];
            for (size_t j = 0; j <= i; ++j) products_[i * width_ + j] += weight * x_[i] * x_[j];
        }
    }

    // Coefficients of the logits, and of the constant. Adding a thousandth of the mean square to the diagonal keeps
    // coefficients small that the tokens do not determine.
    std::vector<double> solution() const {
        std::vector<double> l = products_, x = wished_;  // Cholesky: L · Lᵀ · x = wished
        double trace = 0;
        for (size_t i = 0; i < width_; ++i) trace += l[i * width_ + i];
        for (size_t i = 0; i < width_; ++i) l[i * width_ + i] += 1e-3 * trace / static_cast<double>(width_) + 1e-30;
        for (size_t i = 0; i < width_; ++i)
            for (size_t j = 0; j <= i; ++j) {
                double& v = l[i * width_ + j];
                for (size_t k = 0; k < j; ++k) v -= l[i * width_ + k] * l[j * width_ + k];
                v = i == j ? std::sqrt(v) : v / l[j * width_ + j];
            }
        for (size_t i = 0; i < width_; ++i) {
            for (size_t k = 0; k < i; ++k) x[i] -= l[i * width_ + k] * x[k];
            x[i] /= l[i * width_ + i];
        }
        for (size_t i = width_; i-- > 0;) {
            for (size_t k = i + 1; k < width_; ++k) x[i] -= l[k * width_ + i] * x[k];
            x[i] /= l[i * width_ + i];
        }
        return x;
    }

  private:
    std::vector<float> bias_E_;
    size_t width_;
    std::vector<double> products_, wished_, x_;
};

class FitHook : public moe::RoutingHook {
  public:
    explicit FitHook(Draft& draft) {
        for (const DraftLayer& layer : draft.layers())
            fits_.emplace(layer.layer, Fit(layer.router_bias, layer.experts.size()));
    }
    void begin(bool is_new, size_t tokens) {
        is_new_ = is_new;
        weight_ = 1 / static_cast<double>(tokens);
    }
    void before_selection(const moe::BeforeSelection& s) override {
        const auto experts = static_cast<size_t>(s.experts);
        for (size_t t = 0; t < s.logits_TE.size(); t += experts)
            fits_.at(s.layer).add(s.logits_TE.subspan(t, experts), is_new_, weight_);
    }
    const Fit& of(int layer) const { return fits_.at(layer); }

  private:
    std::map<int, Fit> fits_;
    bool is_new_ = true;
    double weight_ = 1;
};

// Runs a model on texts with a hook.
void show(const Model& model, const data::Windows& texts, engine::Arithmetic arithmetic, moe::RoutingHook& hook) {
    Arena arena;
    engine::Reader reader(arena, model,
                          {.compute = engine::compute_of(arithmetic),
                           .hook = &hook,
                           .batch = engine::windows_at_once(std::ssize(texts.front()))});
    reader.read(engine::windows_of(texts));
}

void fit(const Model& model, const data::Windows& texts, engine::Arithmetic arithmetic, FitHook& hook, bool is_new) {
    hook.begin(is_new, texts.size() * texts.front().size());
    show(model, texts, arithmetic, hook);
}

// The lead of each layer's last expert over the expert whose place it takes, in the selection score to which the bias
// is added; negative if it is not chosen.
class LeadHook : public moe::RoutingHook {
  public:
    explicit LeadHook(Draft& draft) {
        for (const DraftLayer& layer : draft.layers()) layers_.emplace(layer.layer, &layer);
    }
    void before_selection(const moe::BeforeSelection& s) override {
        const DraftLayer& layer = *layers_.at(s.layer);
        const auto experts = static_cast<size_t>(s.experts), others = static_cast<size_t>(s.top_k);
        std::vector<float> value(experts);
        for (size_t t = 0; t < s.logits_TE.size(); t += experts) {
            for (size_t e = 0; e < experts; ++e) {
                value[e] = s.logits_TE[t + e];
                if (!layer.correction.empty()) value[e] = 1 / (1 + std::exp(-value[e])) + layer.correction[e];
            }
            const float last = value.back();
            std::ranges::nth_element(value.begin(), value.begin() + others - 1, value.end() - 1, std::greater());
            leads_[s.layer].push_back(last - value[others - 1]);
        }
    }
    // The lead that this share of the tokens exceeds.
    float at(int layer, double share) {
        std::vector<float>& leads = leads_.at(layer);
        const auto n = static_cast<std::ptrdiff_t>(share * static_cast<double>(leads.size()));
        std::ranges::nth_element(leads, leads.begin() + n, std::greater());
        return leads[static_cast<size_t>(n)];
    }

  private:
    std::map<int, const DraftLayer*> layers_;
    std::map<int, std::vector<float>> leads_;
};

// If a bias takes part in selection, lowers it until no more than `share` of the old tokens choose the new expert.
void keep_from(Draft& draft, const data::Windows& old, double share, engine::Arithmetic arithmetic) {
    LeadHook hook(draft);
    const std::shared_ptr<const Model> model = draft.model();
    show(*model, old, arithmetic, hook);
    for (DraftLayer& layer : draft.layers()) {
        std::vector<float>& bias = layer.correction.empty() ? layer.router_bias : layer.correction;
        if (!bias.empty()) bias.back() -= std::max(0.0f, hook.at(layer.layer, share));
    }
}

double mean_share(const Model& model, const data::Windows& text, const std::set<ExpertId>& experts,
                  engine::Arithmetic arithmetic) {
    double sum = 0;
    for (const ExpertUse& use : measure_use(model, text, arithmetic))
        if (experts.contains(use.id)) sum += use.share();
    return sum / static_cast<double>(experts.size());
}

}  // namespace

Grown grow(std::shared_ptr<const Model> model, const data::Windows& text, const data::Windows& old, double old_share,
           engine::Arithmetic arithmetic) {
    if (!(old_share > 0 && old_share < 1)) fail("a share of {} of the old tokens, expected between 0 and 1", old_share);
    if (text.empty() || old.empty()) fail("texts of the new and of the old kind expected");
    Draft draft(model);
    for (const DraftLayer& layer : draft.layers())
        if (layer.spec.router.groups > 1) fail("layer {} has groups of experts, which must stay equal", layer.layer);
    FitHook hook(draft);
    fit(*model, text, arithmetic, hook, true);
    fit(*model, old, arithmetic, hook, false);
    std::map<int, std::pair<double, int>> best;  // by layer: gate score, expert
    for (const ExpertUse& use : measure_use(*model, text, arithmetic)) {
        auto& [gate, expert] = best.try_emplace(use.id.layer, -1.0, 0).first->second;
        if (use.gate() > gate) gate = use.gate(), expert = use.id.expert;
    }

    Grown grown;
    for (DraftLayer& layer : draft.layers()) {
        const std::vector<double> share = hook.of(layer.layer).solution();
        std::vector<float> row(layer.router_ED.front().size());
        for (size_t e = 0; e < layer.experts.size(); ++e)
            for (size_t d = 0; d < row.size(); ++d) row[d] += static_cast<float>(share[e] * layer.router_ED[e][d]);
        std::vector<int> order(layer.experts.size());
        std::iota(order.begin(), order.end(), 0);
        order.push_back(best.at(layer.layer).second);
        layer.keep(order);
        layer.router_ED.back() = row;
        if (!layer.router_bias.empty()) layer.router_bias.back() = static_cast<float>(share.back());
        grown.experts.insert({layer.layer, layer.count() - 1});
    }
    keep_from(draft, old, old_share, arithmetic);
    grown.model = draft.model();
    grown.chosen_text = mean_share(*grown.model, text, grown.experts, arithmetic);
    grown.chosen_old = mean_share(*grown.model, old, grown.experts, arithmetic);
    return grown;
}

}  // namespace gremium::lab
