// The hook that records routing decisions, for `run --trace`, colours and heat maps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/spec/spec.h"
#include "moe/hook.h"
#include "text/tokenizer.h"

namespace gremium::hooks {

// One layer's decision about one token. Experts by descending selection score.
struct RouteEvent {
    int layer;
    int32_t position, token;
    std::span<const int32_t> experts;
    std::span<const float> weights;
    float margin;                       // as moe::AfterSelection::margin_T
    std::span<const float> norms = {};  // of the experts' outputs; empty if not measured
};

class RouteRecorder : public moe::RoutingHook {
  public:
    explicit RouteRecorder(const ModelSpec& spec);

    void after_selection(const moe::AfterSelection& selection) override;

    size_t size() const { return rows_.size(); }
    RouteEvent event(size_t i) const;
    // Keeps the loads.
    void clear_events();

    // The decoder layers that have experts.
    const std::vector<int>& layers() const { return layers_; }
    // The largest number of experts in a layer.
    int experts() const { return experts_; }
    // Tokens routed to the expert since construction. row: index into layers().
    int64_t load(size_t row, int expert) const {
        return load_[row * static_cast<size_t>(experts_) + static_cast<size_t>(expert)];
    }

    // The expert's load relative to that of the layer's busiest expert.
    double share_of_maximum(size_t row, int expert) const;
    int middle_layer() const { return layers_.empty() ? -1 : layers_[layers_.size() / 2]; }
    // Returns the layer. Throws Error that begins with `what` if it has no experts.
    int require_layer(int layer, std::string_view what) const;

    // The expert with the largest routing weight for a position in a layer; −1 if there is no such event.
    int dominant(int layer, int32_t position) const;
    // All events, one to_json_line() each. `tokenizer` may be null.
    std::string to_json_lines(const Tokenizer* tokenizer) const;

  private:
    struct Row {
        int layer;
        int32_t position, token;
        uint32_t begin, count;  // into experts and weights
        float margin;
    };
    std::vector<int> layers_;
    std::vector<int> row_of_layer_;
    int experts_ = 0;
    std::vector<Row> rows_;
    std::vector<int32_t> chosen_;
    std::vector<float> weights_;
    std::vector<int64_t> load_;
};

// One line of JSON for an event, without the newline: {"position":…,"token":…,"piece":…,"layer":…,"experts":[…],
// "weights":[…],"margin":…,"norms":[…]}. An empty piece and empty norms are left out; bytes of a piece that are not
// UTF-8 become U+FFFD.
std::string to_json_line(const RouteEvent& event, std::string_view piece);
// `tokenizer` may be null.
inline std::string to_json_line(const RouteEvent& event, const Tokenizer* tokenizer) {
    return to_json_line(event, tokenizer ? tokenizer->piece(event.token) : std::string_view());
}

// The inverse: reads a file of such lines and calls on_event for each of them; the event's spans are valid during the
// call. Throws Error naming path and line.
using OnEvent = std::function<void(const RouteEvent& event, const std::string& piece)>;
void read_json_lines(const std::filesystem::path& path, const OnEvent& on_event);

}  // namespace gremium::hooks
