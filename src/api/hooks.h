// Combines steering and hooks of one session or request into one hook of the library.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <gremium/hook.hpp>
#include <gremium/steering.hpp>

#include "hooks/steering.h"
#include "moe/hook.h"

namespace gremium::api {

moe::AfterSelection to_internal(const AfterSelection& selection, const moe::TokenBatch& batch);

class Hooks {
  public:
    // Throws Error if the steering does not fit the model, and for a null hook.
    Hooks(const SteeringProfile& steering, const std::vector<std::shared_ptr<RoutingHook>>& hooks,
          const ModelSpec& spec);
    // Null if there are none. Valid as long as this object.
    moe::RoutingHook* get() { return chain_ ? &*chain_ : nullptr; }

  private:
    std::vector<std::unique_ptr<moe::RoutingHook>> hooks_;
    std::optional<moe::HookChain> chain_;
};

}  // namespace gremium::api
