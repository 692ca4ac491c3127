#include "hooks/replay.h"

#include <optional>
#include <utility>

#include "hooks/answer.h"

namespace gremium::hooks {

Replay replay(std::shared_ptr<const Model> model, const AuditSetup& setup, std::span<const std::string> lines) {
    std::optional<SteeringHook> steering;
    if (!setup.steering.empty()) steering.emplace(parse_profile(setup.steering, "the record's steering"), model->spec);
    Replay result;
    size_t next = 0;
    const auto compare = [&](const std::string& now) {
        const size_t at = next++;
        // The first line describes the setup of this run.
        if (at == 0 || !result.difference.empty()) return;
        if (at >= lines.size())
            result.difference = "more happened than was recorded";
        else if (now != lines[at])
            result.difference = fmt::format("line {}: {}", at + 1, first_difference(lines[at], now));
        else
            ++result.positions;
    };
    const auto count = [&](int32_t) {
        if (result.difference.empty()) ++result.tokens;
        return result.difference.empty();
    };
    Answer answer(model, {.tokens = setup.prompt_tokens, .source = setup.source_tokens},
                  {.generate = setup.generate,
                   .stop = setup.stop,
                   .steering = steering ? &*steering : nullptr,
                   .on_audit = compare,
                   .audit = setup,
                   .on_token = count});
    engine::PromptCache cache(
        model, {.context = setup.context, .cache = setup.cache, .compute = engine::compute_of(setup.arithmetic)});
    answer.run(cache);
    if (result.difference.empty() && next != lines.size())
        result.difference = fmt::format("line {}: more was recorded than happened", next + 1);
    // The last line is not a position.
    if (result.difference.empty()) --result.positions;
    return result;
}

}  // namespace gremium::hooks
