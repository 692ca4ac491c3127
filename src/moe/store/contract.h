// An expert is an addressable, versioned object; where it lives is the store's business. Offload, expert parallelism,
// editing and versions are policies behind this contract, and nothing above it knows where weights lie.
//
// Who may call what, and when:
//   want, lease and a lease's end come from one thread at a time: the one that runs the forward.
//   want is said ahead of lease, for experts that will be leased soon. It returns at once, promises nothing and may be
//   left out.
//   lease gives weights that are ready to compute with, and waits for them where it must. Several leases may be alive,
//   also of
//   the same experts: when training they live as long as the tape.
//   What a living lease holds stays where it is. All else a store may move or evict whenever want or lease is called.
//   source, hash, residency and peek may be called by any thread as long as nobody changes weights.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
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

// All of them, in the order in which an expert's bytes are hashed and in which its sources stand.
inline constexpr ops::Weight ExpertWeights::*expert_tensors[] = {&ExpertWeights::gate,    &ExpertWeights::up,
                                                                 &ExpertWeights::down,    &ExpertWeights::gate_bias,
                                                                 &ExpertWeights::up_bias, &ExpertWeights::down_bias};

// Of the tensors that the expert has.
int64_t bytes_of(const ExpertWeights& weights);

class ExpertStore;

// The right to compute with some experts of one layer for as long as the lease lives. Move-only.
class ExpertLease {
  public:
    ExpertLease(ExpertStore* store, int layer, std::vector<int32_t> experts,
                std::vector<const ExpertWeights*> weights_E);
    ExpertLease(ExpertLease&&) noexcept;
    ExpertLease& operator=(ExpertLease&&) = delete;
    ~ExpertLease();  // returns it to the store, which must still be there

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

// Counted since the store was made; experts each time they are named.
struct StoreStats {
    int64_t leases = 0;   // given
    int64_t held = 0;     // of these, not yet given back
    int64_t experts = 0;  // leased
    int64_t bytes = 0;    // of these experts' tensors
    int64_t wanted = 0;   // experts that want named
    int64_t fetched = 0;  // of these, those that were not known to be in memory, so that reading began
    int64_t misses = 0;   // leased experts that were not known to be in memory and that no want had announced
};

class ExpertStore {
  public:
    virtual ~ExpertStore() = default;
    virtual int layers() const = 0;  // decoder layers; layers without experts have count 0
    virtual int experts(int layer) const = 0;

    // These experts of a layer (ascending ids) will be leased soon.
    virtual void want(int layer, std::span<const int32_t> experts) = 0;
    // Weights of the listed experts of a layer (ascending ids), ready to compute with.
    virtual ExpertLease lease(int layer, std::span<const int32_t> experts) = 0;
    virtual void give_back(int layer, std::span<const int32_t> experts) = 0;  // called by the lease

    // Where the tensors that an expert has can be read from, in the order of expert_tensors: their bytes one after the
    // other are what hash() is of. Empty where not each of them lies in one piece in a file as it is computed with:
    // weights that were converted, edited or trained.
    virtual std::vector<FilePart> source(ExpertId id) const = 0;
    // The files that sources are parts of; they live as long as the store.
    virtual const MappedFiles& files() const = 0;
    // Where an expert lives now and what it is: the hash of the bytes of its tensors.
    virtual Residency residency(ExpertId id) const = 0;
    virtual std::string hash(ExpertId id) const = 0;
    // For writers and inspection: views that live as long as the store. Reading them may wait for a disk.
    virtual const ExpertWeights& peek(ExpertId id) const = 0;

    virtual StoreStats stats() const = 0;
};

}  // namespace gremium::moe
