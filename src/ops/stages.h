// The stages of a forward that a timing profile distinguishes (base/profile.h).
#pragma once

#include <array>
#include <string_view>

#include "base/profile.h"

namespace gremium::ops {

struct Stage {
    static constexpr std::string_view projections = "projections", attention = "attention", state_space = "state_space",
                                      router = "router", dispatch = "dispatch", experts = "experts",
                                      combine = "combine", dense = "dense", head = "head";
    // In the order of a report.
    static constexpr std::array all{projections, attention, state_space, router, dispatch,
                                    experts,     combine,   dense,       head};
};

}  // namespace gremium::ops
