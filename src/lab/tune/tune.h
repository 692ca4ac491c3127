// Training only some experts of a model; everything else stays bit for bit what it was.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "data/windows.h"
#include "engine/arithmetic.h"
#include "lab/edit/adapter.h"
#include "model/model.h"
#include "model/spec/tensors.h"

namespace gremium::lab {

struct TuneOptions {
    std::set<moe::ExpertId> experts = {};  // whose matrices and biases are trained
    bool routers = false;                  // and their router rows
    bool everything = false;               // instead: all but correction biases, for comparison
    int rank = 0;                          // of the change of each expert's matrix (LoRA); 0: the matrix itself
    double alpha = 16;                     // that change is alpha / rank · B · A; biases then stay
    int64_t steps = 400, batch = 2;        // windows a step
    double replay = 0.15;                  // share of the windows that come from the replay text
    // AdamW without decay, linear warm-up over a tenth of the steps, then linearly to zero; gradients clipped to norm
    // 1.
    double lr = 0;  // 0: 0.005; twice that with a rank, a fifth of it for everything (bench/tune)
    uint64_t seed = 1;
    std::function<void(int64_t step, double loss)> on_step = {};
    // Asked after each step. False: the state is saved, and the model is as far as it has come.
    std::function<bool()> keep_going = {};
    // Where the state is kept from time to time, when training stops and when it ends; empty: nowhere. It is the
    // caller's to remove. `resume`: from there, bit-identically, if the file is there.
    std::filesystem::path state = {};
    bool resume = false;
};

double learning_rate(const TuneOptions& options);  // at its highest

// What receives gradients; of routers only the rows of the experts chosen do. Throws Error: an expert that is not
// there, nothing to train.
std::vector<TensorSlot> trained_slots(const Model& model, const TuneOptions& options);

struct Tuned {
    std::shared_ptr<const Model> model;  // trained tensors keep their element types: rounded once, at the end
    Adapter adapter;                     // with a rank: the changes by themselves
    int64_t steps = 0;                   // done
};

// Computes in bf16 with f32 masters of what is trained; what is stored in blocks is unpacked while training. A window
// comes again only when all of its text have been drawn. Throws Error: as trained_slots, no text, a gradient that is
// not finite, a state of another model, text or options, and one that is there when nothing is to be resumed.
Tuned tune(std::shared_ptr<const Model> model, const data::Windows& text, const data::Windows& replay,
           const TuneOptions& options);

// The experts that matter most to a text, `share` of all: ESFT's choice (Wang et al. 2024). Relevance is the share of a
// layer's choices, or with by_gate the average gate score; each layer gives as many as have the same sum of it.
std::set<moe::ExpertId> experts_for(const Model& model, const data::Windows& text, double share, bool by_gate = false,
                                    engine::Arithmetic arithmetic = engine::Arithmetic::exact);

// The tensors in which two models of one shape differ, by name.
std::vector<std::string> differing_tensors(const Model& a, const Model& b);

}  // namespace gremium::lab
