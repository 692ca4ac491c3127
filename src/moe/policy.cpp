#include "moe/policy.h"

#include <algorithm>

namespace gremium::moe {
namespace {

template <typename Value, size_t N>
std::string_view name_in(const Named<Value> (&names)[N], Value value) {
    return std::ranges::find(names, value, &Named<Value>::value)->name;
}

template <typename Value, size_t N>
std::optional<Value> value_in(const Named<Value> (&names)[N], std::string_view name) {
    const auto* const found = std::ranges::find(names, name, &Named<Value>::name);
    return found == std::end(names) ? std::nullopt : std::optional(found->value);
}

}  // namespace

std::string_view name(RouterPolicy::Score score) { return name_in(score_names, score); }
std::string_view name(RouterPolicy::GroupScore score) { return name_in(group_score_names, score); }
std::string_view name(RouterPolicy::Second second) { return name_in(second_names, second); }

std::optional<RouterPolicy::Score> parse_score(std::string_view name) { return value_in(score_names, name); }
std::optional<RouterPolicy::GroupScore> parse_group_score(std::string_view name) {
    return value_in(group_score_names, name);
}
std::optional<RouterPolicy::Second> parse_second(std::string_view name) { return value_in(second_names, name); }

}  // namespace gremium::moe
