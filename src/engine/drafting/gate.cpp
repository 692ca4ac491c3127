#include "engine/drafting/gate.h"

#include <algorithm>
#include <cmath>

namespace gremium::engine {
namespace {

// Plain steps before the first drafts, and drafted ones before the next plain one: times drift.
constexpr int64_t plain_first = 3, plain_again = 64;
// Of earlier observations when another arrives.
constexpr double memory = 0.8, memory_of_tokens = 0.97;
// Before it is known.
constexpr double guessed_row = 0.3, guessed_right = 0.7, guesses = 2;
// What is beyond is no row's: another program had the processor meanwhile.
constexpr double least_row = 0.02, most_row = 3;
// What may be lost; and of what was won, how many steps count.
constexpr double share_to_lose = 0.01, most_won = 16;

void mix(double& average, double value) { average = memory * average + (1 - memory) * value; }

}  // namespace

DraftGate::DraftGate(int most) : most_(most), row_(guessed_row), right_(guessed_right * guesses), seen_(guesses) {}

int DraftGate::best(int64_t sequences, double plain) const {
    const double right = acceptance(), row = row_ * plain;
    double most = 1 / plain, tokens = 1;
    int best = 0;
    for (int k = 1; k <= most_; ++k) {
        tokens += std::pow(right, k);
        const double seconds = plain + k * (row + draft_ * static_cast<double>(sequences));
        if (tokens / seconds <= most) continue;
        most = tokens / seconds;
        best = k;
    }
    return best;
}

int DraftGate::wanted(int64_t sequences) {
    const auto plain = plain_.find(sequences);
    if (plain == plain_.end() || stats_.plain < plain_first || since_plain_ >= plain_again) return 0;
    const double to_lose = won_ + std::max(plain->second, share_to_lose * spent_);
    const double affordable = std::floor(to_lose / (row_ * plain->second));
    const int k = static_cast<int>(std::min<double>(best(sequences, plain->second), affordable));
    if (k > 0) return k;
    ++stats_.declined;
    forget();
    return 0;
}

// What was seen long ago says little of a text that has gone on since, or of the machine: drafts get another chance.
void DraftGate::forget() {
    right_ = guessed_right * guesses + memory_of_tokens * (right_ - guessed_right * guesses);
    seen_ = guesses + memory_of_tokens * (seen_ - guesses);
    row_ = guessed_row + memory_of_tokens * (row_ - guessed_row);
}

void DraftGate::happened(const Outcome& step) {
    spent_ += step.seconds;
    if (step.drafted == 0) {
        ++stats_.plain;
        since_plain_ = 0;
        const auto [plain, first] = plain_.try_emplace(step.sequences, step.seconds);
        if (!first) mix(plain->second, step.seconds);
        return;
    }
    ++since_plain_;
    ++stats_.steps;
    stats_.drafted += step.drafted;
    stats_.accepted += step.accepted;
    // Behind the first wrong token of a sequence none was looked at.
    const double looked_at = static_cast<double>(std::min(step.drafted, step.accepted + step.sequences));
    const double forget = std::pow(memory_of_tokens, looked_at);
    right_ = right_ * forget + static_cast<double>(step.accepted);
    seen_ = seen_ * forget + looked_at;
    const auto sequences = static_cast<double>(step.sequences);
    const double plain = plain_.at(step.sequences), more = static_cast<double>(step.rows) / sequences - 1;
    mix(row_, std::clamp(((step.seconds - step.draft_seconds) / plain - 1) / more, least_row, most_row));
    mix(draft_, step.draft_seconds / static_cast<double>(step.drafted));
    won_ += plain * (1 + static_cast<double>(step.accepted) / sequences) - step.seconds;
    won_ = std::min(won_, most_won * plain);
}

}  // namespace gremium::engine
