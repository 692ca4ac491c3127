#include "cli/drafting.h"

#include <algorithm>

namespace gremium::cli {

void add_drafting(Command command, DraftFlags& flags) {
    const Flag lookup = command
                            .flag("--draft-lookup", flags.lookup,
                                  "draft tokens by looking up where the text has been before; answers stay the same")
                            .group("Drafting");
    command
        .option("--model-draft", flags.model,
                "draft tokens with this smaller model of the same vocabulary; answers stay the same")
        .excludes(lookup)
        .group("Drafting");
    command.option("--draft-max", flags.most, "the longest draft, in tokens")
        .range(1, 16)
        .show_default()
        .group("Drafting");
}

Drafts::Drafts(const DraftFlags& flags, const Model& model, const Context& context, DType compute)
    : model_(model),
      options_{.context = context.size, .cache = context.cache, .compute = compute},
      lookup_(flags.lookup),
      gate_(flags.most) {
    if (flags.model.empty()) return;
    draft_ = open_model(flags.model);
    engine::require_same_vocabulary(*draft_, model);
    if (context.size == 0) options_.context = std::min<int64_t>(draft_->spec.context, model.spec.context);
}

std::shared_ptr<engine::Drafter> Drafts::drafter() const {
    if (draft_) return engine::make_model_drafter(draft_, model_, options_);
    if (lookup_) return engine::make_lookup_drafter();
    return nullptr;
}

std::string describe(const engine::DraftStats& stats) {
    const auto share = [](int64_t part, int64_t of) {
        return of > 0 ? 100 * static_cast<double>(part) / static_cast<double>(of) : 0.0;
    };
    return fmt::format(
        "{} of {} drafted tokens were right ({:.0f} %), in {} of {} steps; {} times drafts would not have paid",
        stats.accepted, stats.drafted, share(stats.accepted, stats.drafted), stats.steps, stats.steps + stats.plain,
        stats.declined);
}

nlohmann::ordered_json drafts_to_json(const engine::DraftStats& stats) {
    return {{"drafted", stats.drafted},
            {"accepted", stats.accepted},
            {"steps_with_drafts", stats.steps},
            {"steps_without", stats.plain},
            {"declined", stats.declined}};
}

}  // namespace gremium::cli
