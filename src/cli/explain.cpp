#include "cli/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/common.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;
using hooks::Attribution;
using hooks::PartShare;

constexpr size_t shown_experts = 3;

// Padded to columns by counting characters, not bytes.
std::string padded(std::string text, size_t width) {
    const auto characters = static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
    if (characters < width) text.append(width - characters, ' ');
    return text;
}

Json part_to_json(const PartShare& p) {
    Json part{{"part", hooks::name_of(p.part)}};
    if (p.layer >= 0) part["layer"] = p.layer;
    if (p.expert >= 0) part["expert"] = p.expert, part["weight"] = p.weight;
    part["value"] = p.value;
    return part;
}

}  // namespace

void print_explained(const Model& model, const std::vector<Attribution>& tokens) {
    const std::vector<moe::Part> columns = hooks::parts_of(tokens);
    const bool constant = std::ranges::any_of(tokens, [](const Attribution& a) { return a.constant != 0; });
    const auto piece = [&](int32_t token) { return padded(to_text(model.tokenizer->piece(token)), 14); };
    fmt::print(
        "\nWhat made each token more likely than its best rival, in nats (the parts sum to the difference):\n"
        "{:<14} {:<14} {:>10}",
        "token", "rival", "difference");
    for (const moe::Part part : columns) fmt::print(" {:>9}", hooks::name_of(part));
    fmt::print("{}  {}\n", constant ? "    biases" : "", "experts (layer.expert) that weighed most");
    for (const Attribution& a : tokens) {
        fmt::print("{} {} {:>+10.2f}", piece(a.token), piece(a.against), a.difference);
        for (const moe::Part part : columns) fmt::print(" {:>+9.2f}", a.total(part));
        if (constant) fmt::print(" {:>+9.2f}", a.constant);
        fmt::print(" ");
        for (const PartShare& p : a.strongest_experts(shown_experts))
            fmt::print(" {}.{} {:+.2f}", p.layer, p.expert, p.value);
        fmt::print("\n");
    }
}

Json explained_to_json(const Model& model, const std::vector<Attribution>& tokens) {
    Json report = Json::array();
    for (const Attribution& a : tokens) {
        Json parts = Json::array();
        for (const PartShare& p : a.parts) parts.push_back(part_to_json(p));
        report.push_back({{"token", a.token},
                          {"piece", model.tokenizer->piece(a.token)},
                          {"against", a.against},
                          {"against_piece", model.tokenizer->piece(a.against)},
                          {"difference", a.difference},
                          {"constant", a.constant},
                          {"parts", std::move(parts)}});
    }
    return report;
}

}  // namespace gremium::cli
