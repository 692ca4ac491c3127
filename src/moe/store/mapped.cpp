// Weights that stay in the mapped file; the operating system pages them in and out.
#include <algorithm>
#include <utility>

#include "base/memory.h"
#include "moe/store/local_store.h"
#include "moe/store/stores.h"

namespace gremium::moe {
namespace {

class MappedStore final : public LocalStore {
  public:
    MappedStore(Experts experts, MappedFiles files)
        : LocalStore(std::move(experts), std::move(files)), kept_bytes_(files_.empty() ? 0 : available_memory() / 2) {
        int64_t bytes = 0;
        for (const std::vector<ExpertWeights>& layer : experts_) {
            last_use_.emplace_back(layer.size(), -1);
            for (const ExpertWeights& weights : layer) bytes += bytes_of(weights);
        }
        all_fit_ = bytes <= kept_bytes_;
    }

    // Begins to read all pages that may not be in memory at once; otherwise the products would wait for one after the
    // other.
    void want(int layer, std::span<const int32_t> experts) override {
        LocalStore::want(layer, experts);
        if (files_.empty()) return;
        for (const int32_t e : experts) {
            // Throws if there is no such expert.
            peek({layer, e});
            if (in_memory({layer, e})) continue;
            for (const FilePart& part : source({layer, e}))
                part.file->advise(MappedFile::Advice::will_need, part.offset, part.bytes);
            used({layer, e});
            ++stats_.fetched;
        }
    }

    ExpertLease lease(int layer, std::span<const int32_t> experts) override {
        ExpertLease lease = LocalStore::lease(layer, experts);
        if (files_.empty()) return lease;
        for (const int32_t e : experts) {
            if (!in_memory({layer, e})) ++stats_.misses;
            used({layer, e});
        }
        return lease;
    }

    Residency residency(ExpertId) const override { return Residency::mapped; }

  private:
    // Asking the operating system about each page at each step would take as long as the step itself. So an expert that
    // was named once counts as being in memory: for ever if memory can hold all experts, otherwise until as many bytes
    // as memory can hold have been leased since.
    bool in_memory(ExpertId id) {
        const int64_t last = last_use(id);
        if (last >= 0 && (all_fit_ || stats_.bytes - last <= kept_bytes_)) return true;
        // Weights that are in no file are in memory.
        return source(id).empty();
    }
    void used(ExpertId id) { last_use(id) = stats_.bytes; }
    int64_t& last_use(ExpertId id) { return last_use_[static_cast<size_t>(id.layer)][static_cast<size_t>(id.expert)]; }

    // By layer and expert: how many bytes had been leased when it was last named; −1: it never was.
    std::vector<std::vector<int64_t>> last_use_;
    int64_t kept_bytes_;
    bool all_fit_;
};

}  // namespace

std::unique_ptr<ExpertStore> make_mapped_store(std::vector<std::vector<ExpertWeights>> experts, MappedFiles files) {
    return std::make_unique<MappedStore>(std::move(experts), std::move(files));
}

}  // namespace gremium::moe
