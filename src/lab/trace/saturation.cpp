#include "lab/trace/saturation.h"

#include <algorithm>

#include "base/error.h"

namespace gremium::lab {
namespace {

// Two traces of one text have their tokens in the same order, but not in the same blocks.
class Tokens {
  public:
    explicit Tokens(const DomainTrace& domain) : path_(domain.path.string()), reader_(domain.path) {}
    bool next() {
        if (++at_ < block_.size()) return true;
        at_ = 0;
        return reader_.next(block_);
    }
    int32_t token() const { return block_.tokens[at_]; }
    std::span<const int32_t> chosen(size_t row) const {
        const hooks::TraceBlock::Layer& layer = block_.layers[row];
        const auto k = static_cast<size_t>(layer.top_k);
        return std::span(layer.ids_Tk).subspan(at_ * k, k);
    }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
    TraceReader reader_;
    hooks::TraceBlock block_;
    size_t at_ = 0;
};

size_t common(std::span<const int32_t> a, std::span<const int32_t> b) {
    return static_cast<size_t>(
        std::ranges::count_if(a, [&](int32_t e) { return e >= 0 && std::ranges::find(b, e) != b.end(); }));
}

void compare(Tokens& a, Tokens& b, Saturation& sums) {
    while (true) {
        const bool more = a.next();
        if (more != b.next() || (more && a.token() != b.token()))
            fail("{} and {}: not traces of the same tokens (after {} common ones)", a.path(), b.path(), sums.tokens);
        if (!more) return;
        ++sums.tokens;
        for (size_t r = 0; r < sums.layers.size(); ++r) {
            const auto mine = a.chosen(r), theirs = b.chosen(r);
            if (mine.size() != theirs.size())
                fail("{} has {} choices per token, {} has {}", a.path(), mine.size(), b.path(), theirs.size());
            sums.layers[r] += static_cast<double>(common(mine, theirs)) / static_cast<double>(mine.size());
            sums.first[r] += mine[0] >= 0 && mine[0] == theirs[0];
        }
    }
}

}  // namespace

Saturation saturation(const TraceDirectory& checkpoint, const TraceDirectory& final) {
    if (checkpoint.layers != final.layers)
        fail("{} and {}: layers and experts differ", checkpoint.path.string(), final.path.string());
    Saturation result{.layers = std::vector<double>(final.layers.size()),
                      .first = std::vector<double>(final.layers.size())};
    for (const DomainTrace& domain : final.domains) {
        const auto same = std::ranges::find(checkpoint.domains, domain.name, &DomainTrace::name);
        if (same == checkpoint.domains.end())
            fail("{}: has no trace of the domain {}", checkpoint.path.string(), domain.name);
        Tokens a(*same), b(domain);
        compare(a, b, result);
    }
    if (result.tokens == 0) fail("{}: its traces hold no tokens", final.path.string());
    for (double& x : result.layers) x /= static_cast<double>(result.tokens);
    for (double& x : result.first) x /= static_cast<double>(result.tokens);
    return result;
}

}  // namespace gremium::lab
