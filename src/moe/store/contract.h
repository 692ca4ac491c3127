// An expert is an addressable, versioned object, and only its store knows where its weights are. Offload, expert
// parallelism, editing and versions are policies behind this contract.
//
// Who may call what, and when:
// - want and lease are called, and leases end, in one thread at a time: the one that runs the forward.
// - want is a hint, given ahead of lease, for experts that will be leased soon. It returns at once, guarantees nothing
//   and may be left out.
// - lease returns weights that are ready to compute with, and waits for them if necessary. Several leases may exist at
//   the same time, even of the same experts: in training they live as long as the tape.
// - The weights of a lease do not move while it lives. The store may move or evict anything else whenever want or lease
//   is called.
// - Any thread may call source, hash, residency and peek as long as nobody changes weights.
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

// All tensors of an expert, in the order in which its bytes are hashed and its sources are listed.
inline constexpr ops::Weight ExpertWeights::*expert_tensors[] = {&ExpertWeights::gate,    &ExpertWeights::up,
                                                                 &ExpertWeights::down,    &ExpertWeights::gate_bias,
                                                                 &ExpertWeights::up_bias, &ExpertWeights::down_bias};

// The total size of the expert's tensors.
int64_t bytes_of(const ExpertWeights& weights);

class ExpertStore;

// The right to compute with some experts of one layer for as long as the lease lives. Move-only.
class ExpertLease {
  public:
    ExpertLease(ExpertStore* store, int layer, std::vector<int32_t> experts,
                std::vector<const ExpertWeights*> weights_E);
    ExpertLease(ExpertLease&&) noexcept;
    ExpertLease& operator=(ExpertLease&&) = delete;
    // Returns the lease to its store, which must still exist.
    ~ExpertLease();

    // [E], indexed by expert; null for experts that were not asked for.
    std::span<const ExpertWeights* const> weights() const { return weights_E_; }

  private:
    ExpertStore* store_;
    int layer_;
    std::vector<int32_t> experts_;
    std::vector<const ExpertWeights*> weights_E_;
};

enum class Residency : uint8_t {
    mapped,    // weights stay in the mapped file; the operating system pages them in and out
    resident,  // weights are copied to memory once
};

// Counts since the store was created. An expert counts each time it is named.
struct StoreStats {
    int64_t leases = 0;   // leases given
    int64_t held = 0;     // leases not yet returned
    int64_t experts = 0;  // experts leased
    int64_t bytes = 0;    // bytes of the leased experts' tensors
    int64_t wanted = 0;   // experts named by want
    int64_t fetched = 0;  // wanted experts not known to be in memory, for which reading began
    int64_t misses = 0;   // leased experts neither known to be in memory nor announced by want
};

class ExpertStore {
  public:
    virtual ~ExpertStore() = default;
    // The number of decoder layers.
    virtual int layers() const = 0;
    // The number of experts in a layer; 0 for a layer without experts.
    virtual int experts(int layer) const = 0;

    // These experts of a layer (ascending ids) will be leased soon.
    virtual void want(int layer, std::span<const int32_t> experts) = 0;
    // Weights of the listed experts of a layer (ascending ids), ready to compute with.
    virtual ExpertLease lease(int layer, std::span<const int32_t> experts) = 0;
    // Called by the lease when it ends.
    virtual void give_back(int layer, std::span<const int32_t> experts) = 0;

    // The file ranges that hold an expert's tensors, in the order of expert_tensors; hash() is the hash of these bytes,
    // one range after the other. Empty if a tensor is not contiguous in a file in the form it is computed with, as with
    // weights that were converted, edited or trained.
    virtual std::vector<FilePart> source(ExpertId id) const = 0;
    // The files of the sources; they live as long as the store.
    virtual const MappedFiles& files() const = 0;
    // Where an expert is now, and the hash of the bytes of its tensors.
    virtual Residency residency(ExpertId id) const = 0;
    virtual std::string hash(ExpertId id) const = 0;
    // For writing files and inspection: views that live as long as the store. Reading them may wait for the disk.
    virtual const ExpertWeights& peek(ExpertId id) const = 0;

    virtual StoreStats stats() const = 0;
};

}  // namespace gremium::moe
