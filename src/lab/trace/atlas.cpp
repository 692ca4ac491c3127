#include "lab/trace/atlas.h"

#include <algorithm>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "web/assets.h"

namespace gremium::lab {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t tokens_before = 14, tokens_after = 6;

// The place of a token in the lists of typical tokens of a layer's experts.
using Places = std::unordered_map<uint64_t, size_t>;
uint64_t place_of(int32_t token, int32_t expert) {
    return static_cast<uint64_t>(token) << 32 | static_cast<uint32_t>(expert);
}

Example example_at(const hooks::TraceBlock& block, size_t t, size_t domain, float weight) {
    size_t begin = t, end = t + 1;
    while (begin > 0 && t - begin < tokens_before && block.positions[begin] == block.positions[begin - 1] + 1) --begin;
    while (end < block.size() && end - t <= tokens_after && block.positions[end] == block.positions[end - 1] + 1) ++end;
    const auto tokens = [&](size_t from, size_t to) {
        return std::vector<int32_t>(block.tokens.begin() + static_cast<std::ptrdiff_t>(from),
                                    block.tokens.begin() + static_cast<std::ptrdiff_t>(to));
    };
    return {domain, weight, tokens(begin, t), tokens(t + 1, end)};
}

void keep_better(const hooks::TraceBlock& block, size_t row, size_t domain, const Places& places,
                 std::vector<std::vector<Example>>& examples_E) {
    const hooks::TraceBlock::Layer& layer = block.layers[row];
    const auto k = static_cast<size_t>(layer.top_k);
    for (size_t i = 0; i < layer.ids_Tk.size(); ++i) {
        if (layer.ids_Tk[i] < 0) continue;
        const auto place = places.find(place_of(block.tokens[i / k], layer.ids_Tk[i]));
        if (place == places.end()) continue;
        Example& best = examples_E[static_cast<size_t>(layer.ids_Tk[i])][place->second];
        if (layer.weights_Tk[i] > best.weight) best = example_at(block, i / k, domain, layer.weights_Tk[i]);
    }
}

std::string text_of(const std::vector<int32_t>& tokens, const std::vector<std::string>& pieces) {
    std::string text;
    for (const int32_t token : tokens) text += pieces[static_cast<size_t>(token)];
    return text;
}

Json typical_json(const LayerStatistics& layer, const std::vector<std::vector<Example>>& examples_E,
                  const TraceDirectory& traces) {
    Json experts = Json::array();
    for (size_t e = 0; e < layer.typical_E.size(); ++e) {
        Json list = Json::array();
        for (size_t i = 0; i < layer.typical_E[e].size(); ++i) {
            const TypicalToken& t = layer.typical_E[e][i];
            const Example& example = examples_E[e][i];
            const std::string& piece = traces.pieces[static_cast<size_t>(t.token)];
            list.push_back({{"piece", piece},
                            {"chose", t.chose},
                            {"seen", t.seen},
                            {"domain", traces.domains[example.domain].name},
                            {"weight", example.weight},
                            {"before", text_of(example.before, traces.pieces)},
                            {"at", piece},
                            {"after", text_of(example.after, traces.pieces)}});
        }
        experts.push_back(std::move(list));
    }
    return experts;
}

Json model_json(const TraceDirectory& traces) {
    const Statistics statistics = statistics_of(traces);
    const Examples examples = find_examples(traces, statistics);
    Json json = to_json(statistics, traces);
    json["name"] = traces.model;
    json["architecture"] = traces.architecture;
    for (size_t r = 0; r < statistics.layers.size(); ++r)
        json["layers"][r]["typical"] = typical_json(statistics.layers[r], examples[r], traces);
    return json;
}

void replace(std::string& text, std::string_view what, std::string_view by) {
    const size_t at = text.find(what);
    if (at == std::string::npos) fail("the atlas's page lacks {}", what);
    text.replace(at, what.size(), by);
}

// Escapes JSON so that no HTML parser sees a tag in it.
std::string embedded(const Json& json) {
    std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace), safe;
    for (const char c : text) {
        if (c == '<')
            safe += "\\u003c";
        else
            safe += c;
    }
    return safe;
}

}  // namespace

Examples find_examples(const TraceDirectory& traces, const Statistics& statistics) {
    Examples examples(statistics.layers.size());
    std::vector<Places> places(examples.size());
    for (size_t r = 0; r < examples.size(); ++r) {
        const auto& typical_E = statistics.layers[r].typical_E;
        for (size_t e = 0; e < typical_E.size(); ++e) {
            examples[r].emplace_back(typical_E[e].size(), Example{0, -1, {}, {}});
            for (size_t i = 0; i < typical_E[e].size(); ++i)
                places[r][place_of(typical_E[e][i].token, static_cast<int32_t>(e))] = i;
        }
    }
    hooks::TraceBlock block;
    for (size_t d = 0; d < traces.domains.size(); ++d) {
        TraceReader reader(traces.domains[d].path);
        while (reader.next(block))
            for (size_t r = 0; r < examples.size(); ++r) keep_better(block, r, d, places[r], examples[r]);
    }
    return examples;
}

std::string atlas_page(std::span<const TraceDirectory> models) {
    if (models.empty()) fail("an atlas of no model");
    Json data{{"models", Json::array()}};
    for (const TraceDirectory& traces : models) data["models"].push_back(model_json(traces));
    std::string page(web::atlas_html);
    replace(page, "/*CSS*/", web::atlas_css);
    replace(page, "/*JS*/", web::atlas_js);
    replace(page, "/*DATA*/", embedded(data));
    return page;
}

}  // namespace gremium::lab
