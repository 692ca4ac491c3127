#include <algorithm>
#include <array>
#include <map>

#include "engine/drafting/drafter.h"

namespace gremium::engine {
namespace {

// Longer ends are rarer, but what followed them is the likelier to follow again.
constexpr size_t longest_end = 4, shortest_end = 2;

class LookupDrafter final : public Drafter {
  public:
    std::vector<int32_t> draft(std::span<const int32_t> tokens, int most) override {
        learn(tokens);
        for (size_t length = std::min(longest_end, tokens.size()); length >= shortest_end; --length) {
            const auto found = after_.find(end_of(tokens, length));
            if (found == after_.end()) continue;
            const auto draft = tokens.subspan(found->second);
            const auto count = std::min(draft.size(), static_cast<size_t>(std::max(most, 0)));
            return {draft.begin(), draft.begin() + static_cast<std::ptrdiff_t>(count)};
        }
        return {};
    }

  private:
    using End = std::array<int32_t, longest_end>;  // filled with -1 in front

    static End end_of(std::span<const int32_t> tokens, size_t length) {
        End end;
        end.fill(-1);
        std::ranges::copy(tokens.last(length), end.end() - static_cast<std::ptrdiff_t>(length));
        return end;
    }

    // All ends but the last token's own, of which nothing is known yet.
    void learn(std::span<const int32_t> tokens) {
        for (; learned_ + 1 < tokens.size(); ++learned_)
            for (size_t length = shortest_end; length <= std::min(longest_end, learned_ + 1); ++length)
                after_[end_of(tokens.first(learned_ + 1), length)] = learned_ + 1;
    }

    std::map<End, size_t> after_;  // where the text went on
    size_t learned_ = 0;
};

}  // namespace

std::unique_ptr<Drafter> make_lookup_drafter() { return std::make_unique<LookupDrafter>(); }

}  // namespace gremium::engine
