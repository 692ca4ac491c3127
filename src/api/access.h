// The members behind the classes of include/gremium, and access to them for this room. Nothing here is installed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gremium/engine.hpp>
#include <gremium/steering.hpp>
#include <gremium/toolkit.hpp>

#include "hooks/steering_profile.h"
#include "model/model.h"
#include "ops/graph.h"

namespace gremium::api {

struct OpenModel {
    std::shared_ptr<const Model> model;
    EngineFacts facts;
};
struct Profile {
    hooks::SteeringProfile settings;
};

struct Access {
    static Engine engine(std::shared_ptr<const Model> model);
    static const std::shared_ptr<const Model>& model(const Engine& engine) { return engine.model_->model; }
    static const hooks::SteeringProfile& settings(const SteeringProfile& profile);
    static toolkit::Value value(ops::Var node);
    // Throws Error for a value that no operation made.
    static ops::Var node(toolkit::Value value);
    static ops::Graph& graph(toolkit::Tape& tape);
};

// Throw Error for numbers that are not enumerators.
DType compute_type(Arithmetic arithmetic);
DType cache_type(CacheType type);

}  // namespace gremium::api
