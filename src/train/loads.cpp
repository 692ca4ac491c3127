#include "train/loads.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "moe/routers/router.h"

namespace gremium::train {
namespace {

constexpr double collapse_factor = 4;

double mean(const std::vector<int64_t>& load_E) {
    const auto total = std::accumulate(load_E.begin(), load_E.end(), int64_t{0});
    return static_cast<double>(total) / static_cast<double>(load_E.size());
}

}  // namespace

Balance balance_of(const std::vector<LayerLoad>& loads) {
    Balance balance;
    for (const LayerLoad& layer : loads) {
        balance.max_violation = std::max(balance.max_violation, moe::max_violation(layer.load_E));
        balance.dead += std::count(layer.load_E.begin(), layer.load_E.end(), 0);
    }
    return balance;
}

bool LoadWindow::add(const std::vector<LayerLoad>& loads, int64_t steps) {
    if (full_ || sums_.size() != loads.size()) {
        sums_ = loads;
        added_ = 0;
    } else {
        for (size_t l = 0; l < loads.size(); ++l) {
            for (size_t e = 0; e < loads[l].load_E.size(); ++e) sums_[l].load_E[e] += loads[l].load_E[e];
        }
    }
    return full_ = ++added_ >= steps;
}

std::string LoadWindow::warning() const {
    std::vector<std::string> crowded, dead;
    for (const LayerLoad& layer : sums_) {
        const double share = mean(layer.load_E);
        for (size_t e = 0; e < layer.load_E.size(); ++e) {
            const auto load = static_cast<double>(layer.load_E[e]);
            if (layer.load_E[e] == 0)
                dead.push_back(fmt::format("{}/{}", layer.layer, e));
            else if (load > collapse_factor * share)
                crowded.push_back(fmt::format("{}/{} ({:.1f}×)", layer.layer, e, load / share));
        }
    }
    std::string line;
    if (!crowded.empty()) line += fmt::format("over {}× their share: {}", collapse_factor, fmt::join(crowded, ", "));
    if (!dead.empty()) line += fmt::format("{}dead: {}", line.empty() ? "" : "; ", fmt::join(dead, ", "));
    if (line.empty()) return line;
    return fmt::format("experts (layer/expert) over the last {} steps: {}", added_, line);
}

nlohmann::json LoadWindow::state() const {
    nlohmann::json layers = nlohmann::json::array();
    for (const LayerLoad& layer : sums_) layers.push_back({{"layer", layer.layer}, {"load", layer.load_E}});
    return {{"added", added_}, {"full", full_}, {"layers", layers}};
}

void LoadWindow::restore(const nlohmann::json& state) {
    added_ = state.at("added");
    full_ = state.at("full");
    sums_.clear();
    for (const auto& layer : state.at("layers")) {
        sums_.push_back({layer.at("layer").get<int>(), layer.at("load").get<std::vector<int64_t>>()});
    }
}

}  // namespace gremium::train
