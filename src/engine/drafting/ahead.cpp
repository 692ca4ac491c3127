#include "engine/drafting/ahead.h"

#include <algorithm>

namespace gremium::engine {

std::span<const float> Ahead::row(size_t i) const {
    const size_t vocabulary = logits_.size() / (1 + drafts_.size());
    return std::span(logits_).subspan(i * vocabulary, vocabulary);
}

std::vector<int32_t> Ahead::draft(int64_t more) {
    if (!drafting_.drafter) return {};
    const int64_t room = session_.capacity() - length();
    const int64_t most = std::min<int64_t>({drafting_.gate->wanted(1), more, room});
    return most > 0 ? drafting_.drafter->draft(tokens_, static_cast<int>(most)) : std::vector<int32_t>();
}

std::vector<int32_t> Ahead::not_held() const {
    return {tokens_.begin() + (session_.length() - before_), tokens_.end()};
}

std::span<const float> Ahead::next(int32_t token, int64_t more) {
    if (accepted_ < drafts_.size() && drafts_[accepted_] == token) {
        tokens_.push_back(token);
        return row(++accepted_);
    }
    drop_drafts();
    tokens_.push_back(token);
    if (!drafting_.drafter) return session_.evaluate({&token, 1});

    const DraftClock::time_point start = DraftClock::now();
    drafts_ = draft(more);
    step_.draft_seconds = seconds_since(start);
    // Where a state could not come back to the last token, those behind it are evaluated again.
    std::vector<int32_t> due = not_held();
    due.insert(due.end(), drafts_.begin(), drafts_.end());
    step_.rows = std::ssize(due);
    step_.drafted = std::ssize(drafts_);
    if (due.size() == 1) {
        const std::span<const float> logits = session_.evaluate(due);
        logits_.assign(logits.begin(), logits.end());
    } else {
        const Tensor logits = session_.evaluate_apart(due, 1 + std::ssize(drafts_));
        logits_.assign(logits.f32(), logits.f32() + logits.count());
    }
    step_.seconds = seconds_since(start);
    return row(0);
}

// Goes back to the last token that was right, or to the last place before it that the layers can go back to.
void Ahead::drop_drafts() {
    if (step_.rows > 0) {
        step_.accepted = static_cast<int64_t>(accepted_);
        // A step that only evaluated tokens again is neither plain nor one with drafts.
        if (step_.drafted > 0 || step_.rows == 1) drafting_.gate->happened(step_);
        session_.set_last_logits(row(accepted_));
        session_.truncate(session_.reachable(length()));
    }
    step_ = {};
    drafts_.clear();
    accepted_ = 0;
}

void Ahead::settle() {
    drop_drafts();
    if (const std::vector<int32_t> again = not_held(); !again.empty()) session_.evaluate_apart(again, 1);
}

}  // namespace gremium::engine
