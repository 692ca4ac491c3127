// An expert is an addressable, versioned object; where it lives is the store's business. Offload, expert parallelism,
// editing and versions are policies behind this door.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/graph.h"

namespace gremium::moe {

struct ExpertId {
    int layer = 0;
    int expert = 0;
    friend auto operator<=>(const ExpertId&, const ExpertId&) = default;
};

// A gated expert: down( act(gate·x) ⊙ up·x ). gate, up: [F, D]; down: [D, F]. Plain experts have no gate. Each matrix
// may have a bias, f32 [F] or [D].
struct ExpertWeights {
    ops::Weight gate, up, down;
    ops::Weight gate_bias = {}, up_bias = {}, down_bias = {};
};

// All of them, in the order in which an expert's bytes are hashed.
inline constexpr ops::Weight ExpertWeights::*expert_tensors[] = {&ExpertWeights::gate,    &ExpertWeights::up,
                                                                 &ExpertWeights::down,    &ExpertWeights::gate_bias,
                                                                 &ExpertWeights::up_bias, &ExpertWeights::down_bias};

class ExpertStore;

// The right to compute with some experts of one layer for as long as the lease lives. Move-only.
class ExpertLease {
  public:
    ExpertLease(ExpertStore* store, int layer, std::vector<int32_t> experts,
                std::vector<const ExpertWeights*> weights_E);
    ExpertLease(ExpertLease&&) noexcept;
    ExpertLease& operator=(ExpertLease&&) = delete;
    ~ExpertLease();  // returns it to the store

    // [E], indexed by expert; null for those that were not asked for.
    std::span<const ExpertWeights* const> weights() const { return weights_E_; }

  private:
    ExpertStore* store_;
    int layer_;
    std::vector<int32_t> experts_;
    std::vector<const ExpertWeights*> weights_E_;
};

enum class Residency : uint8_t {
    mapped,    // weights stay in the mapped file; the kernel pages them in and out
    resident,  // weights are copied to memory once
};

class ExpertStore {
  public:
    virtual ~ExpertStore() = default;
    virtual int layers() const = 0;  // decoder layers; layers without experts have count 0
    virtual int experts(int layer) const = 0;
    // Weights of the listed experts of a layer (ascending ids), ready to compute with. Thread-compatible: one caller at
    // a time, several leases may be alive.
    virtual ExpertLease lease(int layer, std::span<const int32_t> experts) = 0;
    virtual void give_back(int layer, std::span<const int32_t> experts) = 0;  // called by the lease
    // Where an expert lives now and what it is: the hash of the bytes of its tensors.
    virtual Residency residency(ExpertId id) const = 0;
    virtual std::string hash(ExpertId id) const = 0;
    virtual const ExpertWeights& peek(ExpertId id) const = 0;  // for writers and inspection; no residency guarantee
};

// experts[layer][expert]: views that outlive the store (mapped), or are copied into memory it owns (resident).
std::unique_ptr<ExpertStore> make_expert_store(std::vector<std::vector<ExpertWeights>> experts, Residency residency);

}  // namespace gremium::moe
