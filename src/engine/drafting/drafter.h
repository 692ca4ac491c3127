// Speculative decoding (Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", 2023): something
// cheap proposes the next tokens, and the model computes the logits after all of them in one step, which reads its
// weights once. Each token is still chosen from the model's own logits by the answer's own sampler, and these logits
// have the bits they have without drafts (Due::apart). So answers are the same, token by token, greedy and drawn.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/session.h"

namespace gremium::engine {

class Drafter {
  public:
    virtual ~Drafter() = default;
    // At most `most` tokens that may come after `tokens`, a prompt with the answer so far; fewer or none where it has
    // no idea. Between calls for one answer `tokens` only grows.
    virtual std::vector<int32_t> draft(std::span<const int32_t> tokens, int most) = 0;
};

// Prompt look-up (Saxena, "Prompt Lookup Decoding", 2023): what came after the last time that the text's last tokens
// occurred in it. Costs next to nothing, and finds drafts where a text repeats itself or its prompt.
std::unique_ptr<Drafter> make_lookup_drafter();

// A smaller model of the same vocabulary, decoding greedily for as long as it gives its choice at least half of the
// probability. Throws Error for another vocabulary or no vocabulary at all, and as Session.
std::unique_ptr<Drafter> make_model_drafter(std::shared_ptr<const Model> draft, const Model& model,
                                            const SessionOptions& options);
// Throws what make_model_drafter would throw about the vocabulary.
void require_same_vocabulary(const Model& draft, const Model& model);

}  // namespace gremium::engine
