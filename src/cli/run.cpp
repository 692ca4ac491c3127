// gremium run: continue a prompt, and show which experts decided.
#include <chrono>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/common.h"
#include "cli/explain.h"
#include "cli/run_batch.h"
#include "cli/steering.h"
#include "cli/terminal.h"
#include "engine/footprint.h"
#include "engine/session.h"
#include "hooks/audit.h"
#include "hooks/recorder.h"
#include "kernels/simd/variant.h"
#include "model/spec/size.h"
#include "versions/hash.h"

namespace gremium::cli {
namespace {

struct Options {
    Common common;
    std::vector<std::string> prompts;
    std::string file, batch, trace, audit;
    std::string source_language, target_language;  // of a translator: codes that its vocabulary has as tokens
    Context context;
    int64_t sequences = 8;
    int colour_layer = -1;
    bool stats = false, explain = false;
    Steering steering;
    engine::GenerateOptions generate;
};

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Everything about one answer that --json prints and the statistics sum up.
struct Answer {
    std::string text;
    std::vector<int32_t> prompt, tokens;
    double prefill_seconds = 0, decode_seconds = 0;
};

struct Totals {
    int64_t prefill_tokens = 0, decode_tokens = 0;
    double prefill_seconds = 0, decode_seconds = 0;
    void add(const Answer& a) {
        prefill_tokens += static_cast<int64_t>(a.prompt.size());
        // The first token comes out of the prefill; the others each cost one step.
        decode_tokens += std::max<int64_t>(0, static_cast<int64_t>(a.tokens.size()) - 1);
        prefill_seconds += a.prefill_seconds;
        decode_seconds += a.decode_seconds;
    }
};

double rate(int64_t tokens, double seconds) { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }

class Runner {
  public:
    explicit Runner(const Options& options)
        : options_(options),
          model_(open_model(options.common)),
          steering_(make_steering(options.steering, model_->spec)),
          recorder_(model_->spec),
          explainer_(model_),
          live_(!options.common.json),
          colour_(live_ && wants_colour(stdout)) {
        tokenizer_of(*model_);
        const auto& layers = recorder_.layers();
        layer_ = options.colour_layer >= 0 ? options.colour_layer : layers.empty() ? -1 : layers[layers.size() / 2];
        if (options.colour_layer >= 0 && std::find(layers.begin(), layers.end(), layer_) == layers.end()) {
            fail("--colour-layer {}: no experts there; {} has experts in {} of its {} layers", layer_, model_->source,
                 layers.size(), model_->spec.layers.size());
        }
    }

    void run_all() {
        if (!options_.common.quiet && !options_.common.json) announce(steering_.get());
        std::string trace;
        nlohmann::ordered_json report = nlohmann::ordered_json::array();
        for (const std::string& prompt : options_.prompts) {
            const Answer answer = run(prompt);
            totals_.add(answer);
            if (!options_.trace.empty()) {
                for (size_t i = 0; i < recorder_.size(); ++i) {
                    trace += to_json_line(recorder_.event(i), model_->tokenizer.get()) + "\n";
                }
            }
            recorder_.clear_events();
            if (options_.explain && live_) explainer_.print();
            if (options_.common.json) report.push_back(to_json(prompt, answer));
            explainer_.clear();
        }
        if (!options_.trace.empty()) write_file_atomically(options_.trace, trace);
        if (!options_.audit.empty()) write_file_atomically(options_.audit, audit_);
        if (options_.common.json) {
            fmt::print("{}\n", (report.size() == 1 ? report[0] : report)
                                   .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
        } else if (options_.stats) {
            print_stats();
        }
    }

  private:
    Answer run(const std::string& prompt) {
        if (prompt.empty()) fail("the prompt is empty");
        Answer answer;
        answer.prompt = model_->tokenizer->encode(prompt);
        if (answer.prompt.empty()) fail("the prompt is empty: it has no token to start from");
        const bool reads_source = model_->encoder != nullptr;
        std::vector<moe::RoutingHook*> hooks;
        if (steering_) hooks.push_back(steering_.get());
        if (!options_.trace.empty() || options_.stats || colour_) hooks.push_back(&recorder_);
        if (options_.explain) hooks.push_back(explainer_.hook());
        hooks::AuditRecorder audit(*model_, [&](const std::string& line) { audit_ += line + "\n"; });
        if (!options_.audit.empty()) hooks.push_back(&audit);
        moe::HookChain chain(hooks);
        engine::Session session(model_, {.context = options_.context.size,
                                         .cache = options_.context.cache,
                                         .hook = hooks.empty() ? nullptr : &chain});
        if (live_ && !reads_source) {
            fmt::print("{}", prompt);
            std::fflush(stdout);
        }
        // What fills gaps is told apart by special tokens.
        StreamingDecoder decoder(*model_->tokenizer, {.specials = reads_source, .at_start = reads_source});
        const auto start = Clock::now();
        const std::vector<int32_t> source = reads_source ? source_of(prompt) : std::vector<int32_t>();
        if (reads_source) session.encode(source);
        const std::vector<int32_t> beginning = reads_source ? beginning_of_target() : answer.prompt;
        if (!options_.audit.empty()) audit_ += setup_line(prompt, source, beginning, session) + "\n";
        Clock::time_point first;
        answer.tokens = engine::generate(session, beginning, options_.generate, [&](int32_t token) {
            if (answer.text.empty() && first == Clock::time_point{}) {
                first = Clock::now();
                answer.prefill_seconds = std::chrono::duration<double>(first - start).count();
            }
            if (options_.explain) explainer_.chose(token, session.last_logits());
            if (!options_.audit.empty()) audit.chose(token, session.last_logits());
            const std::string text = decoder.push(token);
            answer.text += text;
            // A token was decided at the position before it.
            if (live_) show(text, static_cast<int32_t>(session.length()) - 1);
            return true;
        });
        if (first != Clock::time_point{}) answer.decode_seconds = seconds_since(first);
        if (!options_.audit.empty()) audit.finish();
        const std::string rest = decoder.flush();
        answer.text += rest;
        if (live_) fmt::print("{}\n", rest);
        return answer;
    }

    int32_t language(const std::string& code) const {
        const std::vector<int32_t> ids = model_->tokenizer->encode(code, {.add_bos_eos = false});
        if (ids.size() != 1) fail("{}: \"{}\" is no language of this model", model_->source, code);
        return ids.front();
    }

    // What an encoder reads, and what the decoder then begins with.
    std::vector<int32_t> source_of(const std::string& prompt) const {
        const int32_t eos = model_->tokenizer->vocabulary().eos;
        std::vector<int32_t> source = model_->tokenizer->encode(prompt, {.add_bos_eos = false});
        if (!options_.source_language.empty()) source.insert(source.begin(), language(options_.source_language));
        if (eos >= 0) source.push_back(eos);
        return source;
    }
    std::vector<int32_t> beginning_of_target() const {
        std::vector<int32_t> beginning{model_->spec.decoder_start};
        if (!options_.target_language.empty()) beginning.push_back(language(options_.target_language));
        return beginning;
    }

    std::string setup_line(const std::string& prompt, const std::vector<int32_t>& source,
                           const std::vector<int32_t>& tokens, const engine::Session& session) {
        if (hash_.empty()) hash_ = versions::model_hash(*model_);
        return hooks::to_line({.version = GREMIUM_VERSION,
                               .model = model_path(options_.common),
                               .model_name = model_->spec.name,
                               .model_hash = hash_,
                               .kernels = std::string(kernels::name(kernels::active())),
                               .steering = steering_ ? hooks::to_toml(steering_->profile()) : "",
                               .steering_hash = steering_ ? steering_->fingerprint() : "",
                               .prompt = prompt,
                               .source_tokens = source,
                               .prompt_tokens = tokens,
                               .context = session.capacity(),
                               .cache = options_.context.cache,
                               .generate = options_.generate});
    }

    void show(const std::string& text, int32_t position) {
        if (text.empty()) return;
        fmt::print("{}", coloured(text, colour_ ? recorder_.dominant(layer_, position) : -1, colour_));
        std::fflush(stdout);
    }

    nlohmann::ordered_json to_json(const std::string& prompt, const Answer& a) const {
        nlohmann::ordered_json report = {
            {"prompt", prompt},
            {"text", a.text},
            {"prompt_tokens", a.prompt.size()},
            {"tokens", a.tokens},
            {"seed", options_.generate.sampler.seed},
            {"prefill_tps", rate(static_cast<int64_t>(a.prompt.size()), a.prefill_seconds)},
            {"decode_tps", rate(static_cast<int64_t>(a.tokens.size()) - 1, a.decode_seconds)}};
        add_to_report(report, steering_.get());
        if (options_.explain) report["explain"] = explainer_.to_json();
        return report;
    }

    void print_stats() const {
        const ModelSpec& spec = model_->spec;
        const ModelSize size = size_of(spec);
        if (!recorder_.layers().empty()) {
            fmt::print("\nShare of tokens each expert received ({}), layers down, experts across:\n",
                       colour_ ? "dark: none, bright: the layer's maximum" : "' ' none to '@' the layer's maximum");
            fmt::print("{}",
                       heat_map({.rows = recorder_.layers().size(),
                                 .columns = static_cast<size_t>(recorder_.experts()),
                                 .value = [&](size_t r, size_t c) { return share_of_maximum(r, static_cast<int>(c)); },
                                 .row_label = [&](size_t r) { return fmt::format("layer {}", recorder_.layers()[r]); }},
                                colour_));
            if (colour_) fmt::print("Colour of a token: the expert with the largest weight in layer {}.\n", layer_);
        }
        const double share = static_cast<double>(size.active_parameters) / static_cast<double>(size.total_parameters);
        fmt::print("\n{:<28} {:>14} {:>26}\n", "", "this model", "dense model of equal size");
        fmt::print("{:<28} {:>14} {:>26}\n", "parameters", human_count(static_cast<double>(size.total_parameters)),
                   human_count(static_cast<double>(size.total_parameters)));
        fmt::print("{:<28} {:>14} {:>26}\n", "active per token",
                   fmt::format("{} ({:.0f} %)", human_count(static_cast<double>(size.active_parameters)), 100 * share),
                   fmt::format("{} (100 %)", human_count(static_cast<double>(size.total_parameters))));
        fmt::print("{:<28} {:>14} {:>26}\n", "weight bytes per token",
                   human_bytes(static_cast<double>(engine::footprint(*model_).per_token)),
                   human_bytes(static_cast<double>(engine::footprint(*model_).total)));
        fmt::print("{:<28} {:>14} {:>26}\n", "FLOPs per token", human_count(static_cast<double>(size.flops_per_token)),
                   human_count(2.0 * static_cast<double>(size.total_parameters)));
        fmt::print("{:<28} {:>14}\n", "prefill, tokens/s",
                   fmt::format("{:.0f}", rate(totals_.prefill_tokens, totals_.prefill_seconds)));
        fmt::print("{:<28} {:>14}\n", "decode, tokens/s",
                   fmt::format("{:.0f}", rate(totals_.decode_tokens, totals_.decode_seconds)));
    }

    double share_of_maximum(size_t row, int expert) const {
        int64_t maximum = 1;
        for (int e = 0; e < recorder_.experts(); ++e) maximum = std::max(maximum, recorder_.load(row, e));
        return static_cast<double>(recorder_.load(row, expert)) / static_cast<double>(maximum);
    }

    const Options& options_;
    std::shared_ptr<const Model> model_;
    std::unique_ptr<hooks::SteeringHook> steering_;
    hooks::RouteRecorder recorder_;
    Explainer explainer_;
    std::string audit_, hash_;  // lines of the record; the model's
    bool live_, colour_;
    int layer_ = -1;
    Totals totals_;
};

}  // namespace

void add_run(Command app) {
    auto options = std::make_shared<Options>();
    Command command = app.add("run", "Continue a prompt");
    add_common(command, options->common);
    const Flag prompt =
        command.option("-p,--prompt", options->prompts, "the prompt; several are answered one after the other")
            .one_value();
    command.option("-f,--file", options->file, "read the prompt from a file").excludes(prompt);
    Flag batch = command
                     .option("--batch", options->batch,
                             "answer every line of this file, several at a time; a JSON object a line "
                             "comes out as each ends")
                     .existing_file();
    command.option("--sequences", options->sequences, "with --batch: prompts answered at a time")
        .needs(batch)
        .range(1, 1024)
        .show_default();
    command.option("--source-lang", options->source_language, "language of the prompt, for translators: eng_Latn, …");
    command.option("--target-lang", options->target_language, "language to translate into: deu_Latn, …");
    add_generation(command, options->generate, options->context);
    add_steering(command, options->steering);
    command.option("--trace", options->trace, "write every routing decision to this JSON Lines file");
    command.flag("--explain", options->explain, "close with the experts that decided each token");
    command.option("--audit", options->audit, "write a record to this JSON Lines file that 'gremium replay' can check");
    command.flag("--stats", options->stats, "close with expert loads, sizes and speed");
    command
        .option("--colour-layer", options->colour_layer,
                "colour tokens by this layer's dominant expert (default: the middle one)")
        .not_negative();
    for (const char* other : {"--prompt", "--file", "--trace", "--explain", "--audit", "--stats", "--colour-layer",
                              "--source-lang", "--target-lang"})
        batch.excludes(command.get(other));
    command.run([=] {
        if (!options->batch.empty())
            return run_batch({.common = options->common,
                              .file = options->batch,
                              .sequences = options->sequences,
                              .context = options->context,
                              .generate = options->generate,
                              .steering = options->steering});
        if (!options->file.empty()) options->prompts = {text_or_file("", options->file)};
        if (options->prompts.empty()) require_flag("--prompt or --file");
        Runner(*options).run_all();
    });
}

}  // namespace gremium::cli
