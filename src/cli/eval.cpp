// gremium eval: perplexity and bits per byte of files, or the log-probabilities of given tokens.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/printable.h"
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

struct EvalArguments {
    Common common;
    std::vector<std::string> files;
    std::string tokens, logprobs, importance;
    int64_t window = 0, stride = 0, chunk = 512;
    DType cache = DType::f32;
    Steering steering;
    std::string count = "all";

    bool as_llama() const { return count == "llama.cpp"; }
};

// Whole rows of natural-log probabilities, one a position: what interoperability tests compare.
void write_logprobs(const Model& model, const std::vector<int32_t>& ids, const EvalArguments& options,
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
        fmt::print("{}\n", to_text(report));
    } else if (!options.common.quiet) {
        fmt::print("{} tokens on {}: {:.4f} nats per token, perplexity {:.3f}\n", ids.size(), model.spec.name,
                   evaluation.mean(), std::exp(evaluation.mean()));
    }
}

void evaluate_tokens(const EvalArguments& options) {
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

// As llama-perplexity does: without the last line end, in windows that begin with the token that begins texts.
std::vector<int32_t> encode_for_llama(const Tokenizer& tokenizer, std::string_view text, int64_t window) {
    const Vocabulary& vocabulary = tokenizer.vocabulary();
    if (vocabulary.add_eos)
        fail("--count llama.cpp: this vocabulary ends texts with a token, which llama-perplexity refuses");
    if (text.ends_with('\n')) text.remove_suffix(1);
    std::vector<int32_t> ids = tokenizer.encode(text, {.parse_special = false});
    if (vocabulary.add_bos)
        for (size_t i = 0; i < ids.size(); i += static_cast<size_t>(window)) ids[i] = vocabulary.bos;
    return ids;
}

class FileEvaluator {
  public:
    explicit FileEvaluator(const EvalArguments& options)
        : options_(options),
          model_(open_model(options.common)),
          window_(engine::window_length(*model_,
                                        options.window == 0 && options.as_llama() ? llama_window : options.window)),
          batch_(engine::windows_at_once(window_)),
          steering_(make_steering(options.steering, model_->spec)) {
        engine::tokenizer_of(*model_);
        if (!options.importance.empty()) recorder_.emplace(*model_);
        engine::require_memory(
            *model_,
            {.chunk = batch_ * window_, .logit_rows = std::min<int64_t>(batch_ * window_, 512), .compute = compute()},
            available_memory());
    }

    // A file that is at fault keeps none of the others back.
    void run() {
        if (prints()) {
            announce(steering_.get());
            fmt::print("{:<32} {:>10} {:>9} {:>10} {:>11} {:>9}\n", "file", "bytes", "tokens", "nats/token",
                       "perplexity", "bits/byte");
        }
        Json report = Json::array();
        std::vector<std::string> faults, evaluated;
        for (const std::string& file : options_.files) {
            try {
                report.push_back(evaluate(file));
                evaluated.push_back(file);
            } catch (const Error& error) {
                faults.emplace_back(error.what());
                report.push_back({{"file", file}, {"error", error.what()}});
            }
        }
        if (recorder_ && !evaluated.empty()) {
            recorder_->save(options_.importance, evaluated, window_);
            open_importance(options_.importance, model_->spec);
        }
        if (options_.common.json) fmt::print("{}\n", to_text(report));
        fail_for(faults);
    }

  private:
    using Json = nlohmann::ordered_json;
    static constexpr int64_t llama_window = 512;

    bool prints() const { return !options_.common.json && !options_.common.quiet; }
    DType compute() const { return engine::compute_of(*options_.common.arithmetic); }

    Json evaluate(const std::string& file) {
        // llama-perplexity reads line ends as they are.
        const TextForm form = options_.as_llama() ? TextForm::exact : TextForm::whole;
        const std::string text = read_text(file, {.form = form, .nul = true, .note = say_note});
        const Tokenizer& tokenizer = *model_->tokenizer;
        const auto ids =
            options_.as_llama() ? encode_for_llama(tokenizer, text, window_) : encode_text(tokenizer, text);
        const auto least = static_cast<size_t>(options_.as_llama() ? 2 * window_ : 2);
        if (ids.size() < least)
            fail("{}: too short to evaluate, {} tokens, at least {} expected", file, ids.size(), least);
        const engine::Evaluation e = engine::evaluate(*model_, ids,
                                                      {.window = window_,
                                                       .stride = options_.stride,
                                                       .last_halves = options_.as_llama(),
                                                       .batch = batch_,
                                                       .compute = compute(),
                                                       .hook = steering_.get(),
                                                       .observer = recorder_ ? &*recorder_ : nullptr});
        Json row = {{"file", file},
                    {"bytes", text.size()},
                    {"tokens", e.tokens},
                    {"nats_per_token", e.mean()},
                    {"perplexity", std::exp(e.mean())}};
        std::string bits = "-";  // where not all tokens count, there are none
        if (options_.as_llama()) {
            row["count"] = options_.count;
        } else {
            row["bits_per_byte"] = e.bits_per_byte(static_cast<int64_t>(text.size()));
            bits = fmt::format("{:.4f}", row["bits_per_byte"].get<double>());
        }
        add_to_report(row, steering_.get());
        if (!options_.common.json)
            fmt::print("{:<32} {:>10} {:>9} {:>10.4f} {:>11.3f} {:>9}\n", printable(file), text.size(), e.tokens,
                       e.mean(), std::exp(e.mean()), bits);
        return row;
    }

    const EvalArguments& options_;
    std::shared_ptr<const Model> model_;
    int64_t window_, batch_;
    std::unique_ptr<hooks::SteeringHook> steering_;
    std::optional<ImportanceRecorder> recorder_;
};

}  // namespace

void add_eval(Command app) {
    auto options = std::make_shared<EvalArguments>();
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
        .option("--count", options->count,
                "all: every token but the first counts; llama.cpp: as llama-perplexity counts, in windows of 512 "
                "(--window) of which the first half is only context, without the last line end")
        .one_of({"all", "llama.cpp"})
        .show_default()
        .needs(files);
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
        if (options->as_llama() && options->stride > 0) fail("--stride: not with --count llama.cpp");
        if (options->files.empty())
            evaluate_tokens(*options);
        else
            FileEvaluator(*options).run();
    });
}

}  // namespace gremium::cli
