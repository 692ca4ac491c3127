#include "hooks/recorder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"

namespace gremium::hooks {

RouteRecorder::RouteRecorder(const ModelSpec& spec) : row_of_layer_(spec.layers.size(), -1) {
    for (size_t l = 0; l < spec.layers.size(); ++l) {
        const MoeSpec* moe = spec.layers[l].moe();
        if (!moe) continue;
        row_of_layer_[l] = static_cast<int>(layers_.size());
        layers_.push_back(static_cast<int>(l));
        experts_ = std::max(experts_, moe->router.experts);
    }
    load_.resize(layers_.size() * static_cast<size_t>(experts_));
}

void RouteRecorder::after_selection(const moe::AfterSelection& s) {
    const size_t k = static_cast<size_t>(s.top_k);
    int64_t* load = load_.data() + row_of_layer_[static_cast<size_t>(s.layer)] * experts_;
    for (size_t t = 0; t < s.batch.tokens.size(); ++t) {
        const size_t begin = chosen_.size();
        for (size_t j = 0; j < k; ++j) {
            const int32_t expert = s.ids_Tk[t * k + j];
            // A dropped choice.
            if (expert < 0) continue;
            chosen_.push_back(expert);
            weights_.push_back(s.weights_Tk[t * k + j]);
            ++load[expert];
        }
        rows_.push_back({s.layer, s.batch.positions[t], s.batch.tokens[t], static_cast<uint32_t>(begin),
                         static_cast<uint32_t>(chosen_.size() - begin), s.margin_T[t]});
    }
}

RouteEvent RouteRecorder::event(size_t i) const {
    const Row& row = rows_[i];
    return {row.layer,
            row.position,
            row.token,
            {chosen_.data() + row.begin, row.count},
            {weights_.data() + row.begin, row.count},
            row.margin};
}

void RouteRecorder::clear_events() {
    rows_.clear();
    chosen_.clear();
    weights_.clear();
}

double RouteRecorder::share_of_maximum(size_t row, int expert) const {
    int64_t maximum = 1;
    for (int e = 0; e < experts_; ++e) maximum = std::max(maximum, load(row, e));
    return static_cast<double>(load(row, expert)) / static_cast<double>(maximum);
}

int RouteRecorder::require_layer(int layer, std::string_view what) const {
    if (std::ranges::find(layers_, layer) != layers_.end()) return layer;
    fail("{} {}: no experts there; {} of the model's {} layers have experts", what, layer, layers_.size(),
         row_of_layer_.size());
}

int RouteRecorder::dominant(int layer, int32_t position) const {
    // Callers ask for the latest events, so search from the end.
    for (size_t i = rows_.size(); i-- > 0;) {
        if (rows_[i].layer != layer || rows_[i].position != position) continue;
        const RouteEvent e = event(i);
        if (e.weights.empty()) return -1;
        return e.experts[static_cast<size_t>(std::max_element(e.weights.begin(), e.weights.end()) - e.weights.begin())];
    }
    return -1;
}

std::string RouteRecorder::to_json_lines(const Tokenizer* tokenizer) const {
    std::string lines;
    for (size_t i = 0; i < size(); ++i) lines += to_json_line(event(i), tokenizer) + "\n";
    return lines;
}

std::string to_json_line(const RouteEvent& event, std::string_view piece) {
    nlohmann::ordered_json line;
    line["position"] = event.position;
    line["token"] = event.token;
    if (!piece.empty()) line["piece"] = piece;
    line["layer"] = event.layer;
    line["experts"] = event.experts;
    line["weights"] = event.weights;
    // JSON has no infinity, which is the margin if k = E.
    if (std::isfinite(event.margin)) line["margin"] = event.margin;
    if (!event.norms.empty()) line["norms"] = event.norms;
    return to_text(line);
}

namespace {

using Line = nlohmann::json;

int32_t whole(const Line& value, const char* key) {
    if (!value.is_number_integer() || value < 0 || value > std::numeric_limits<int32_t>::max())
        fail("\"{}\" must be a number from 0 to {}", key, std::numeric_limits<int32_t>::max());
    return value.get<int32_t>();
}

std::vector<float> numbers(const Line& line, const char* key, size_t count) {
    std::vector<float> values;
    for (const Line& value : line.at(key)) values.push_back(value.get<float>());
    if (values.size() != count) fail("\"{}\" holds {} numbers for {} experts", key, values.size(), count);
    return values;
}

// The contents of a line.
struct Decision {
    int layer;
    int32_t position, token;
    std::string piece;
    std::vector<int32_t> experts;
    std::vector<float> weights, norms;
    float margin;

    RouteEvent event() const { return {layer, position, token, experts, weights, margin, norms}; }
};

Decision decision_of(const Line& line) {
    std::vector<int32_t> experts;
    for (const Line& expert : line.at("experts")) experts.push_back(whole(expert, "experts"));
    const size_t count = experts.size();
    return {.layer = whole(line.at("layer"), "layer"),
            .position = whole(line.at("position"), "position"),
            .token = whole(line.at("token"), "token"),
            .piece = line.value("piece", std::string()),
            .experts = std::move(experts),
            .weights = numbers(line, "weights", count),
            .norms = line.contains("norms") ? numbers(line, "norms", count) : std::vector<float>(),
            .margin = line.value("margin", std::numeric_limits<float>::infinity())};
}

}  // namespace

void read_json_lines(const std::filesystem::path& path, const OnEvent& on_event) {
    std::istringstream text(read_text_file(path));
    int64_t number = 0;
    for (std::string line; std::getline(text, line);) {
        const std::string where = fmt::format("{}:{}", path.string(), ++number);
        const Line json = parse_json(line, where);
        Decision decision;
        try {
            decision = decision_of(json);
        } catch (const std::exception& error) {
            fail("{}: not a routing decision as --trace writes it: {}", where, error.what());
        }
        on_event(decision.event(), decision.piece);
    }
}

}  // namespace gremium::hooks
