// gremium eval: perplexity and bits per byte of files, or the log-probabilities of given tokens.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/memory.h"
#include "cli/common.h"
#include "cli/prompt_text.h"
#include "cli/steering.h"
#include "data/documents.h"
#include "data/token_file.h"
#include "engine/evaluate.h"
#include "engine/memory.h"
#include "engine/prompt.h"
#include "engine/reader.h"
#include "text/text_file.h"

namespace gremium::cli {
namespace {

struct Options {
    Common common;
    std::vector<std::string> files;
    std::string tokens, logprobs, importance;
    int64_t window = 0, stride = 0, chunk = 512;
    DType cache = DType::f32;
    Steering steering;
};

// Whole rows of natural-log probabilities, one a position: what interoperability tests compare.
void write_logprobs(const Model& model, const std::vector<int32_t>& ids, const Options& options,
                    hooks::SteeringHook* steering) {
    std::string out = fmt::format("{{\"tokens\":{},\"logprobs\":{{", nlohmann::json(ids).dump());
    engine::Evaluation evaluation;
    const auto add = [&](int64_t position, std::span<const float> logits) {
        const float top = *std::max_element(logits.begin(), logits.end());
        double sum = 0;
        for (const float x : logits) sum += std::exp(static_cast<double>(x - top));
        const double log_sum = static_cast<double>(top) + std::log(sum);
        const auto next = static_cast<size_t>(position) + 1;
        if (next < ids.size()) {
            evaluation.nats += log_sum - static_cast<double>(logits[static_cast<size_t>(ids[next])]);
            ++evaluation.tokens;
        }
        if (options.logprobs.empty()) return;
        out += fmt::format("{}\"{}\":[", position ? "," : "", position);
        for (size_t i = 0; i < logits.size(); ++i) {
            out += fmt::format("{}{:.7g}", i ? "," : "", static_cast<double>(logits[i]) - log_sum);
        }
        out += "]";
    };
    Arena arena;
    engine::Reader reader(arena, model,
                          {.compute = engine::compute_of(*options.common.arithmetic),
                           .hook = steering,
                           .context = std::ssize(ids),
                           .chunk = options.chunk,
                           .cache = options.cache});
    const engine::Window text = ids;
    reader.read(std::span(&text, 1), [&](engine::Passage& passage) {
        passage.each_logits([&](int64_t t, std::span<const float> logits) { add(passage.position() + t, logits); });
    });
    out += "}}\n";
    if (!options.logprobs.empty()) write_file_atomically(options.logprobs, out);
    if (options.common.json) {
        nlohmann::ordered_json report = {
            {"tokens", ids.size()}, {"nats_per_token", evaluation.mean()}, {"perplexity", std::exp(evaluation.mean())}};
        add_to_report(report, steering);
        fmt::print("{}\n", report.dump());
    } else if (!options.common.quiet) {
        fmt::print("{} tokens on {}: {:.4f} nats per token, perplexity {:.3f}\n", ids.size(), model.spec.name,
                   evaluation.mean(), std::exp(evaluation.mean()));
    }
}

void evaluate_tokens(const Options& options) {
    const auto model = open_model(options.common);
    const auto ids = parse_ids(options.tokens);
    if (ids.empty()) fail("--tokens: at least one token id expected");
    const auto steering = make_steering(options.steering, model->spec);
    if (!options.common.quiet && !options.common.json) announce(steering.get());
    write_logprobs(*model, ids, options, steering.get());
}

// As the trainer reads text: a NUL byte ends a document. After the last one nothing needs to be predicted.
std::vector<int32_t> encode_text(const Tokenizer& tokenizer, std::string_view text) {
    std::vector<int32_t> ids;
    for (const std::string_view document : data::documents_of(text)) {
        std::ranges::copy(data::encode_document(tokenizer, document), std::back_inserter(ids));
    }
    if (!ids.empty() && ids.back() == tokenizer.vocabulary().eos) ids.pop_back();
    return ids;
}

void evaluate_files(const Options& options) {
    const auto model = open_model(options.common);
    const Tokenizer& tokenizer = engine::tokenizer_of(*model);
    const int64_t window = engine::window_length(*model, options.window), batch = engine::windows_at_once(window);
    const DType compute = engine::compute_of(*options.common.arithmetic);
    std::optional<ImportanceRecorder> recorder;
    if (!options.importance.empty()) recorder.emplace(*model);
    const auto steering = make_steering(options.steering, model->spec);
    engine::require_memory(
        *model, {.chunk = batch * window, .logit_rows = std::min<int64_t>(batch * window, 512), .compute = compute},
        available_memory());
    nlohmann::ordered_json report = nlohmann::ordered_json::array();
    if (!options.common.json && !options.common.quiet) {
        announce(steering.get());
        fmt::print("{:<32} {:>10} {:>9} {:>10} {:>11} {:>9}\n", "file", "bytes", "tokens", "nats/token", "perplexity",
                   "bits/byte");
    }
    for (const std::string& file : options.files) {
        const std::string text = read_text(file, {.nul = true, .note = say_note});
        const auto ids = encode_text(tokenizer, text);
        if (ids.size() < 2) fail("{}: too short to evaluate, {} tokens", file, ids.size());
        const engine::Evaluation e = engine::evaluate(*model, ids,
                                                      {.window = window,
                                                       .stride = options.stride,
                                                       .batch = batch,
                                                       .compute = compute,
                                                       .hook = steering.get(),
                                                       .observer = recorder ? &*recorder : nullptr});
        const double bits = e.bits_per_byte(static_cast<int64_t>(text.size()));
        if (options.common.json) {
            report.push_back({{"file", file},
                              {"bytes", text.size()},
                              {"tokens", e.tokens},
                              {"nats_per_token", e.mean()},
                              {"perplexity", std::exp(e.mean())},
                              {"bits_per_byte", bits}});
            add_to_report(report.back(), steering.get());
        } else {
            fmt::print("{:<32} {:>10} {:>9} {:>10.4f} {:>11.3f} {:>9.4f}\n", file, text.size(), e.tokens, e.mean(),
                       std::exp(e.mean()), bits);
        }
    }
    if (recorder) {
        recorder->save(options.importance, options.files, window);
        open_importance(options.importance, model->spec);
    }
    if (options.common.json) fmt::print("{}\n", report.dump());
}

}  // namespace

void add_eval(Command app) {
    auto options = std::make_shared<Options>();
    Command command = app.add("eval", "Measure how well a model predicts texts: perplexity and bits per byte");
    add_common(command, options->common);
    add_arithmetic(command, options->common, engine::Arithmetic::exact);
    const Flag files =
        command.option("--file", options->files, "text files (-: standard input); a zero byte ends a document");
    const Flag tokens =
        command.option("--tokens", options->tokens, "token ids to predict instead: 1,2,3").excludes(files);
    command
        .option("--logprobs", options->logprobs,
                "with --tokens: write the log-probabilities of the whole vocabulary to this JSON file")
        .needs(tokens);
    command
        .option("--importance", options->importance,
                "write what matters in each matrix to this file, for 'gremium convert --importance': GGUF, or "
                "llama-imatrix's older layout for a name in .dat")
        .needs(files);
    command
        .option("--window", options->window,
                fmt::format("tokens in a window (default: the context length, at most {})", engine::longest_window))
        .range(2, 1 << 20);
    command
        .option(
            "--stride", options->stride,
            "begin a new window after this many tokens; a smaller number gives each token more context (default: the "
            "window)")
        .range(1, 1 << 20);
    command.option("--chunk", options->chunk, "with --tokens: tokens evaluated together")
        .range(1, 1 << 20)
        .show_default();
    add_cache_type(command, options->cache);
    add_steering(command, options->steering);
    command.examples(
        {"gremium eval -m model.gguf --file text.txt", "gremium eval --tokens 1,70,71 --logprobs out.json"});
    command.run([=] {
        if (options->files.empty() == options->tokens.empty()) require_flag("--file or --tokens");
        if (options->files.empty())
            evaluate_tokens(*options);
        else
            evaluate_files(*options);
    });
}

}  // namespace gremium::cli
