#include "cli/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;
using hooks::Attribution;
using hooks::PartShare;
using moe::Part;

constexpr size_t shown_experts = 3;
constexpr std::array<const char*, 6> part_names{"embedding", "mixer", "cross", "dense", "experts", "shared"};
const char* name_of(Part part) { return part_names[static_cast<size_t>(part)]; }

double total(const hooks::Attribution& a, Part part) {
    double sum = 0;
    for (const hooks::PartShare& p : a.parts) sum += p.part == part ? p.value : 0;
    return sum;
}

// Those that weighed most, for or against.
std::vector<hooks::PartShare> deciding(const hooks::Attribution& a) {
    std::vector<hooks::PartShare> experts;
    std::ranges::copy_if(a.parts, std::back_inserter(experts), [](const hooks::PartShare& p) { return p.expert >= 0; });
    std::ranges::stable_sort(experts, std::greater(), [](const hooks::PartShare& p) { return std::abs(p.value); });
    experts.resize(std::min(experts.size(), shown_experts));
    return experts;
}

std::string quoted(std::string_view piece) { return Json(piece).dump(-1, ' ', false, Json::error_handler_t::replace); }

// Padded to columns by counting characters, not bytes.
std::string padded(std::string text, size_t width) {
    const auto characters = static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
    if (characters < width) text.append(width - characters, ' ');
    return text;
}

}  // namespace

void Explainer::chose(int32_t token, std::span<const float> logits_V) {
    tokens_.push_back(hooks::attribute(*model_, recorder_, logits_V, token, hooks::runner_up(logits_V, token)));
}

void Explainer::print() const {
    std::vector<Part> columns;
    for (size_t p = 0; p < part_names.size(); ++p) {
        const auto part = static_cast<Part>(p);
        if (std::ranges::any_of(tokens_, [&](const hooks::Attribution& a) { return total(a, part) != 0; }))
            columns.push_back(part);
    }
    const bool constant = std::ranges::any_of(tokens_, [](const hooks::Attribution& a) { return a.constant != 0; });
    fmt::print(
        "\nWhat made each token more likely than its best rival, in nats (the parts sum to the "
        "difference):\n");
    fmt::print("{:<14} {:<14} {:>10}", "token", "rival", "difference");
    for (const Part part : columns) fmt::print(" {:>9}", name_of(part));
    fmt::print("{}  {}\n", constant ? "    biases" : "", "experts (layer.expert) that weighed most");
    for (const hooks::Attribution& a : tokens_) {
        fmt::print("{} {} {:>+10.2f}", padded(quoted(model_->tokenizer->piece(a.token)), 14),
                   padded(quoted(model_->tokenizer->piece(a.against)), 14), a.difference);
        for (const Part part : columns) fmt::print(" {:>+9.2f}", total(a, part));
        if (constant) fmt::print(" {:>+9.2f}", a.constant);
        fmt::print(" ");
        for (const hooks::PartShare& p : deciding(a)) fmt::print(" {}.{} {:+.2f}", p.layer, p.expert, p.value);
        fmt::print("\n");
    }
}

Json Explainer::to_json() const {
    Json tokens = Json::array();
    for (const hooks::Attribution& a : tokens_) {
        Json parts = Json::array();
        for (const hooks::PartShare& p : a.parts) {
            Json part{{"part", name_of(p.part)}};
            if (p.layer >= 0) part["layer"] = p.layer;
            if (p.expert >= 0) part["expert"] = p.expert, part["weight"] = p.weight;
            part["value"] = p.value;
            parts.push_back(std::move(part));
        }
        tokens.push_back({{"token", a.token},
                          {"piece", model_->tokenizer->piece(a.token)},
                          {"against", a.against},
                          {"against_piece", model_->tokenizer->piece(a.against)},
                          {"difference", a.difference},
                          {"constant", a.constant},
                          {"parts", std::move(parts)}});
    }
    return tokens;
}

}  // namespace gremium::cli
