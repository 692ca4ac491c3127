// A session that is ahead of its answer: it may have evaluated drafts of the next tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/drafting/drafter.h"
#include "engine/drafting/gate.h"
#include "engine/session.h"

namespace gremium::engine {

// Who drafts, and whether it pays. Null: nobody; else both are there.
struct Drafting {
    Drafter* drafter = nullptr;
    DraftGate* gate = nullptr;
};

class Ahead {
  public:
    // `tokens`: those that the session holds, or the last of them. What is given must outlive this object.
    Ahead(Session& session, std::span<const int32_t> tokens, const Drafting& drafting)
        : session_(session),
          tokens_(tokens.begin(), tokens.end()),
          before_(session.length() - std::ssize(tokens)),
          drafting_(drafting) {}

    // The logits [V] after `token`, the next one of the answer; at most `more` others are wanted behind it. Valid until
    // the next call.
    std::span<const float> next(int32_t token, int64_t more);
    // What the session holds but for drafts, with the last token given.
    int64_t length() const { return before_ + std::ssize(tokens_); }
    // The session holds these tokens and no drafts again.
    void settle();

  private:
    std::vector<int32_t> draft(int64_t more);
    std::vector<int32_t> not_held() const;
    std::span<const float> row(size_t i) const;
    void drop_drafts();

    Session& session_;
    std::vector<int32_t> tokens_;
    int64_t before_;  // tokens of the session in front of these
    Drafting drafting_;
    std::vector<int32_t> drafts_;
    size_t accepted_ = 0;  // of the drafts
    DraftGate::Outcome step_{};
    std::vector<float> logits_;  // after the token before the drafts and after each draft: [1 + drafts, V]
};

}  // namespace gremium::engine
