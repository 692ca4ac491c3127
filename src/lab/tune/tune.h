// Trains only some experts of a model; everything else stays the same, bit for bit.
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
    std::set<moe::ExpertId> experts = {};  // their matrices and biases are trained
    bool routers = false;                  // their router rows are trained too
    bool everything = false;               // instead: all tensors but correction biases, for comparison
    int rank = 0;                          // rank of the change of each expert's matrix (LoRA); 0: the matrix itself
    double alpha = 16;                     // the low-rank change is alpha / rank · B · A; biases are not trained then
    int64_t steps = 400, batch = 2;        // batch: windows per step
    double replay = 0.15;                  // share of the windows that come from the replay text
    // The largest learning rate. 0: 0.005; twice that with a rank, a fifth of it for everything (bench/tune). AdamW
    // without decay, linear warm-up over a tenth of the steps, then linear decay to zero; gradients clipped to norm 1.
    double lr = 0;
    uint64_t seed = 1;
    std::function<void(int64_t step, double loss)> on_step = {};
    // Asked after each step. False: the state is saved, and the model is as far as it has come.
    std::function<bool()> keep_going = {};
    // Where the state is kept from time to time, when training stops and when it ends; empty: nowhere. It is the
    // caller's to remove. `resume`: from there, bit-identically, if the file is there.
    std::filesystem::path state = {};
    bool resume = false;
};

// The largest learning rate of a run.
double learning_rate(const TuneOptions& options);

// The tensors that receive gradients; of routers only the rows of the chosen experts. Throws Error if an expert does
// not exist or there is nothing to train.
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

// The experts that matter most to a text, a `share` of all: ESFT's choice (Wang et al. 2024). Relevance is an expert's
// share of its layer's choices, or with by_gate its average gate score. From each layer the most relevant experts are
// taken until their relevance reaches a sum that is the same for all layers.
std::set<moe::ExpertId> experts_for(const Model& model, const data::Windows& text, double share, bool by_gate = false,
                                    engine::Arithmetic arithmetic = engine::Arithmetic::exact);

// The names of the tensors that differ between two models of the same shape.
std::vector<std::string> differing_tensors(const Model& a, const Model& b);

}  // namespace gremium::lab
