// Training only some experts of a model; everything else stays bit for bit what it was.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "lab/sample.h"
#include "model/model.h"

namespace gremium::lab {

struct TuneOptions {
    std::set<moe::ExpertId> experts = {};  // whose matrices and biases are trained
    bool routers = false;                  // and their router rows
    bool everything = false;               // instead: all but correction biases, for comparison
    int64_t steps = 100, batch = 8;        // windows a step
    double replay = 0.15;                  // share of the windows that come from the replay text
    // AdamW without decay, linear warm-up over a tenth of the steps, then linearly to zero; gradients clipped to norm 1.
    double lr = 1e-3;
    uint64_t seed = 1;
    std::function<void(int64_t step, double loss)> on_step = {};
};

struct Tuned {
    std::shared_ptr<const Model> model;  // trained tensors keep their element types: rounded once, at the end
    std::vector<std::string> trained;    // the tensors that received gradients
};

// Computes in bf16 with f32 masters of what is trained; what is stored in blocks is unpacked while training. Throws
// Error: an expert that is not there, nothing to train, no text, a gradient that is not finite.
Tuned tune(std::shared_ptr<const Model> model, const Windows& text, const Windows& replay,
           const TuneOptions& options);

// ESFT's choice (Wang et al. 2024): of each layer the share of experts with the largest average gate score on a text.
std::set<moe::ExpertId> experts_for(const Model& model, const Windows& text, double share);

// The tensors in which two models of one shape differ, by name.
std::vector<std::string> differing_tensors(const Model& a, const Model& b);

}  // namespace gremium::lab
