// How many tokens to draft: as many as pay, by what steps have cost and how often drafts were right.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

namespace gremium::engine {

// The clock by which steps are judged.
using DraftClock = std::chrono::steady_clock;
inline double seconds_since(DraftClock::time_point start) {
    return std::chrono::duration<double>(DraftClock::now() - start).count();
}

// What drafting came to.
struct DraftStats {
    int64_t steps = 0;     // that checked drafts
    int64_t drafted = 0;   // tokens in them
    int64_t accepted = 0;  // of these
    int64_t plain = 0;     // steps without drafts
    int64_t declined = 0;  // of these because drafts would not have paid
};

// More rows a step cost more: the more so in a mixture, where each row brings experts of its own. The gate keeps an
// account of the time that drafts have won over plain decoding, and declines as soon as it has lost a hundredth of all
// time, or the time of one step at the beginning.
class DraftGate {
  public:
    // Drafts are at most `most` tokens long.
    explicit DraftGate(int most);

    // How many tokens to draft for each of so many sequences in the next step; 0: none pay, or it is time to see again
    // what a plain step takes.
    int wanted(int64_t sequences);

    struct Outcome {
        int64_t sequences = 1, rows = 0;    // of the step: rows = sequences if nothing was drafted
        int64_t drafted = 0, accepted = 0;  // tokens
        double seconds = 0;                 // of the step, and of drafting for it
        double draft_seconds = 0;           // of the latter alone
    };
    void happened(const Outcome& step);

    const DraftStats& stats() const { return stats_; }
    // Of drafted tokens that were looked at, those that were right.
    double acceptance() const { return right_ / seen_; }

  private:
    int best(int64_t sequences, double plain) const;
    void forget();

    int most_;
    DraftStats stats_;
    std::map<int64_t, double> plain_;  // seconds of a plain step, by sequences
    double row_;                       // share of a plain step's seconds that another row a sequence takes
    double draft_ = 0;                 // seconds to draft a token
    double right_, seen_;              // recent tokens; what came long ago counts less
    double won_ = 0, spent_ = 0;       // seconds
    int64_t since_plain_ = 0;
};

}  // namespace gremium::engine
