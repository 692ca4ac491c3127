#include "bench/drafting.h"

#include <chrono>
#include <vector>

#include "base/error.h"
#include "base/median.h"
#include "base/random.h"
#include "engine/continuation.h"

namespace gremium::bench {
namespace {

using Clock = std::chrono::steady_clock;

// Knows the text, and gives other tokens now and then.
class KnownText final : public engine::Drafter {
  public:
    KnownText(std::vector<int32_t> text, double right, int vocabulary)
        : text_(std::move(text)), right_(right), vocabulary_(vocabulary) {}

    std::vector<int32_t> draft(std::span<const int32_t> tokens, int most) override {
        std::vector<int32_t> result;
        for (size_t i = tokens.size(); i < text_.size() && std::ssize(result) < most; ++i)
            result.push_back(random_.uniform() < right_ ? text_[i] : (text_[i] + 1) % vocabulary_);
        return result;
    }

  private:
    std::vector<int32_t> text_;
    double right_;
    int vocabulary_;
    Random random_{2};
};

class DraftedRuns {
  public:
    DraftedRuns(std::shared_ptr<const Model> model, const DraftingBench& options)
        : model_(std::move(model)),
          options_(options),
          session_(model_, {.context = options.prompt + options.predict,
                            .cache = options.cache,
                            .compute = engine::compute_of(options.arithmetic)}) {}

    // Tokens/s after the first token, and the answer.
    std::pair<double, std::vector<int32_t>> run(std::span<const int32_t> prompt, const engine::Drafting& drafting) {
        session_.truncate(0);
        Clock::time_point first;
        int64_t made = 0;
        const auto on_token = [&](int32_t) {
            if (made++ == 0) first = Clock::now();
            return true;
        };
        const engine::GenerateOptions generate{
            .max_tokens = options_.predict, .sampler = {.temperature = 0}, .ignore_end = true};
        auto answer = engine::generate(session_, prompt, generate, on_token, drafting);
        const double seconds = std::chrono::duration<double>(Clock::now() - first).count();
        return {static_cast<double>(made - 1) / seconds, std::move(answer)};
    }

    std::vector<int32_t> prompt(uint64_t number) const {
        Random random(1, number);
        std::vector<int32_t> tokens(static_cast<size_t>(options_.prompt));
        for (int32_t& t : tokens) t = static_cast<int32_t>(random.below(static_cast<uint64_t>(model_->spec.vocab)));
        return tokens;
    }

  private:
    std::shared_ptr<const Model> model_;
    DraftingBench options_;
    engine::Session session_;
};

}  // namespace

DraftingSpeed run_drafting_bench(const std::shared_ptr<const Model>& model, const DraftingBench& options) {
    if (options.predict < 2) fail("-n: at least 2 tokens expected, since the first is no decoding");
    DraftedRuns bench(model, options);
    engine::DraftGate gate(options.most);
    std::vector<double> drafted, plain, ratio;
    bench.run(bench.prompt(0), {});  // pages in, arenas grow
    for (int r = 0; r < options.repeats; ++r) {
        const std::vector<int32_t> prompt = bench.prompt(static_cast<uint64_t>(r) + 1);
        auto [speed, answer] = bench.run(prompt, {});
        std::vector<int32_t> text = prompt;
        text.insert(text.end(), answer.begin(), answer.end());
        KnownText drafter(std::move(text), options.right, model->spec.vocab);
        const auto [with_drafts, same] = bench.run(prompt, {&drafter, &gate});
        if (same != answer) fail("drafts changed an answer");
        plain.push_back(speed);
        drafted.push_back(with_drafts);
        ratio.push_back(with_drafts / speed);
    }
    return {median(drafted), median(plain), median(ratio), gate.stats()};
}

}  // namespace gremium::bench
