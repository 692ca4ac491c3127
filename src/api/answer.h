// An answer of the library on its way to a user: callbacks as the door has them, and what became of it.
#pragma once

#include <string>

#include <gremium/session.hpp>

#include "hooks/answer.h"

namespace gremium::api {

// Must outlive the hooks::Answer that has its options.
class Delivery {
  public:
    explicit Delivery(OnText on_text) : on_text_(std::move(on_text)) {}
    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;

    hooks::AnswerOptions options(const GenerateOptions& options, moe::RoutingHook* hook);
    // Call it once the answer has ended.
    Answer finish(const hooks::AnswerResult& result);

  private:
    OnText on_text_;
    std::string text_;  // that has not been told yet
    bool refused_ = false;
};

}  // namespace gremium::api
