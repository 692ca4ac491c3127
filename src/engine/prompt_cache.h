// A session that remembers which tokens it holds, so that a prompt's known beginning is not evaluated again.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/continuation.h"
#include "engine/prompt.h"
#include "engine/scheduler.h"
#include "engine/session.h"

namespace gremium::engine {

class PromptCache {
  public:
    // Throws Error as Session.
    explicit PromptCache(std::shared_ptr<const Model> model, const SessionOptions& options = {});

    struct Made {
        std::vector<int32_t> tokens;
        Finish finish;
        // Tokens of the prompt that were held already.
        size_t kept;
    };
    // The hook watches and steers this answer only; null: none. on_token gets each new token before the next is made,
    // and says whether to go on. Throws Error for an empty prompt and one that does not fit; the cache stays usable
    // then.
    Made answer(const Prompt& prompt, const GenerateOptions& options, moe::RoutingHook* hook,
                const std::function<bool(int32_t token)>& on_token);

    const Session& session() const { return session_; }

  private:
    size_t keep_prefix(std::span<const int32_t> tokens);

    Session session_;
    // What the cache holds are the first of these, as many as the session is long.
    std::vector<int32_t> tokens_;
};

}  // namespace gremium::engine
