// Turns an answer of the library into one of the public interface: its callbacks and its result.
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
    std::string text_;  // not yet passed on
    bool refused_ = false;
};

}  // namespace gremium::api
