// What `run` tells of each token it made: the experts that decided it, and a record to check it by.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "hooks/attribution.h"
#include "model/model.h"

namespace gremium::cli {

class Explainer {
  public:
    explicit Explainer(std::shared_ptr<const Model> model) : model_(std::move(model)), recorder_(model_->spec) {}
    moe::RoutingHook* hook() { return &recorder_; }
    void chose(int32_t token, std::span<const float> logits_V);
    void clear() { tokens_.clear(); }

    void print() const;  // a row a token
    nlohmann::ordered_json to_json() const;

  private:
    std::shared_ptr<const Model> model_;
    hooks::ContributionRecorder recorder_;
    std::vector<hooks::Attribution> tokens_;
};

}  // namespace gremium::cli
