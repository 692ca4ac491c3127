#include "moe/policy.h"

#include <algorithm>

namespace gremium::moe {
namespace {

template <typename Value, size_t N>
std::string_view name_in(const Named<Value> (&names)[N], Value value) {
    return std::ranges::find(names, value, &Named<Value>::value)->name;
}

}  // namespace

std::string_view name(RouterPolicy::Score score) { return name_in(score_names, score); }
std::string_view name(RouterPolicy::GroupScore score) { return name_in(group_score_names, score); }
std::string_view name(RouterPolicy::Second second) { return name_in(second_names, second); }

}  // namespace gremium::moe
