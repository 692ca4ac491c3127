// --draft-lookup and --model-draft: who drafts the tokens that the model checks (engine/drafting/drafter.h).
#pragma once

#include <memory>
#include <string>

#include "cli/common.h"
#include "engine/drafting/drafter.h"
#include "engine/drafting/gate.h"

namespace gremium::cli {

struct DraftFlags {
    bool lookup = false;
    std::string model;
    int most = 8;

    bool any() const { return lookup || !model.empty(); }
};
void add_drafting(Command command, DraftFlags& flags);

// The drafts of one command's answers.
class Drafts {
  public:
    // Throws Error as opening the draft model, and where its vocabulary is another one.
    Drafts(const DraftFlags& flags, const Model& model, const Context& context, DType compute);
    // Of one answer; null: none is wanted.
    std::shared_ptr<engine::Drafter> drafter() const;
    engine::DraftGate& gate() { return gate_; }

  private:
    const Model& model_;
    engine::SessionOptions options_;
    bool lookup_;
    std::shared_ptr<const Model> draft_;
    engine::DraftGate gate_;
};

// One line: how often drafts were made, right and worth it.
std::string describe(const engine::DraftStats& stats);
nlohmann::ordered_json drafts_to_json(const engine::DraftStats& stats);

}  // namespace gremium::cli
