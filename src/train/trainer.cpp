#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/file_lock.h"
#include "base/parallel.h"
#include "model/files/load.h"
#include "model/spec/size.h"
#include "train/checkpoint.h"
#include "train/corpus.h"
#include "train/full_model.h"
#include "train/heldout.h"
#include "train/learner.h"
#include "train/loads.h"
#include "train/metrics.h"
#include "train/report.h"
#include "train/sampler.h"
#include "train/schedule.h"

namespace gremium::train {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Row = nlohmann::ordered_json;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::vector<Source> sources(const Corpus& corpus) {
    std::vector<Source> list;
    for (const Domain& domain : corpus.domains) list.push_back({&domain.tokens, domain.weight});
    return list;
}

// One run in one process.
class Run {
  public:
    Run(const TrainConfig& config, const TrainOptions& options, TrainObserver& observer);
    TrainSummary loop();

  private:
    std::optional<Begun> begun() const;
    void resume();
    void announce(const std::string& resumed_from);
    void say_what_is_not_held_out() const;
    StepResult learn();
    void report(const StepResult& result, double step_seconds);
    void watch_loads(const StepResult& result);
    void evaluate();
    void save();
    void write_report() const;
    fs::path report_path() const { return output_ / "report.html"; }
    double elapsed() const { return earlier_seconds_ + seconds_since(start_); }
    bool due(int64_t every) const { return every > 0 && step_ % every == 0; }
    nlohmann::json state() const;

    const TrainConfig& config_;
    const TrainingConfig& train_;
    TrainObserver& observer_;
    fs::path output_;
    FileLock lock_;  // before anything is written, until the end
    std::optional<Checkpoint> newest_;
    nlohmann::json saved_state_;  // the newest checkpoint's
    Corpus corpus_;
    SequenceSampler sampler_;
    FullModel model_;
    Learner learner_;
    std::optional<MetricsLog> metrics_;
    LoadWindow window_;
    std::vector<DomainScore> scores_;
    std::vector<int32_t> inputs_, targets_;
    std::deque<double> recent_;  // seconds of the last steps
    fs::path saved_;
    int64_t step_ = 0, first_step_ = 0, saved_step_ = -1;
    double earlier_seconds_ = 0;
    Clock::time_point start_ = Clock::now();
};

FileLock lock_of(const fs::path& output) {
    std::error_code error;
    fs::create_directories(output, error);
    if (error) fail("{}: cannot create: {}", output.string(), error.message());
    return FileLock(output / "lock", FileLock::Kind::exclusive, std::chrono::seconds(0),
                    fmt::format("{}: another program is training in this directory", output.string()));
}

std::optional<Checkpoint> find_checkpoint(const fs::path& output, bool resume) {
    std::optional<Checkpoint> newest = newest_checkpoint(output);
    if (newest && !resume)
        fail("{}: holds the checkpoints of an earlier run; resume it, or choose another output.dir", output.string());
    return newest;
}

Run::Run(const TrainConfig& config, const TrainOptions& options, TrainObserver& observer)
    : config_(config),
      train_(config.train),
      observer_(observer),
      output_(config.output.dir),
      lock_(lock_of(output_)),
      newest_(find_checkpoint(output_, options.resume)),
      saved_state_(newest_ ? read_state(*newest_) : nlohmann::json()),
      corpus_(prepare_corpus(config, begun(), [&](std::string_view note) { observer.on_note(note); })),
      sampler_(sources(corpus_), config.train.sequence, static_cast<uint64_t>(config.train.seed)),
      model_(model_spec(config.model, corpus_.tokenizer->vocabulary().size()), config.train),
      learner_(model_, config.train),
      inputs_(static_cast<size_t>(config.train.batch_tokens)),
      targets_(inputs_.size()) {
    model_.set_tokenizer(corpus_.tokenizer);
    if (newest_) resume();
    metrics_.emplace(output_ / "metrics.jsonl", step_);
    first_step_ = step_;
    announce(newest_ ? newest_->path.string() : "");
}

// What a run that goes on was begun with. Error where the recipe is another.
std::optional<Begun> Run::begun() const {
    if (!newest_) return std::nullopt;
    Begun begun{.checkpoint = newest_->path.string(), .origin = {}};
    try {
        const nlohmann::json now = to_json(config_);
        const std::string conflict = first_conflict(saved_state_.at("config"), now);
        if (!conflict.empty()) fail("{}: {} is not what the run was started with", begun.checkpoint, conflict);
        for (const std::string& change : replanned(saved_state_.at("config"), now))
            observer_.on_note(fmt::format("from here on {}", change));
        if (saved_state_.contains("origin"))
            begun.origin = origin_from(saved_state_.at("origin"));
        else if (config_.tokenizer.path.empty())
            begun.trained = load_tokenizer(newest_->path)->vocabulary().tokens;
    } catch (const nlohmann::json::exception& error) {
        fail("{}: {}", (newest_->path / "state.json").string(), error.what());
    }
    return begun;
}

void Run::resume() {
    try {
        step_ = saved_state_.at("step");
        earlier_seconds_ = saved_state_.at("seconds");
        window_.restore(saved_state_.at("loads"));
    } catch (const nlohmann::json::exception& error) {
        fail("{}: {}", (newest_->path / "state.json").string(), error.what());
    }
    restore(*newest_, model_);
    saved_ = newest_->path;
    saved_step_ = step_;
}

void Run::announce(const std::string& resumed_from) {
    const ModelSize size = size_of(model_.model().spec);
    RunInfo info{.parameters = size.total_parameters,
                 .active_parameters = size.active_parameters,
                 .first_step = first_step_,
                 .steps = train_.steps,
                 .tokens_a_step = train_.batch_tokens,
                 .domains = {},
                 .resumed_from = resumed_from};
    double weights = 0;
    for (const Domain& domain : corpus_.domains) weights += domain.weight;
    for (const Domain& domain : corpus_.domains) {
        const double share = domain.weight / weights;
        const double drawn = share * static_cast<double>(train_.steps * train_.batch_tokens);
        info.domains.push_back({domain.name, share, domain.tokens.tokens(), domain.heldout.tokens(),
                                drawn / static_cast<double>(domain.tokens.tokens())});
    }
    observer_.on_start(info);
    say_what_is_not_held_out();
}

void Run::say_what_is_not_held_out() const {
    constexpr int64_t least = 2;  // tokens: one to predict
    for (size_t d = 0; d < corpus_.domains.size(); ++d) {
        const Domain& domain = corpus_.domains[d];
        if (domain.heldout.tokens() >= least) continue;
        const std::string text =
            fmt::format("nothing of \"{}\" is held out: there will be no held-out bits per byte of it", domain.name);
        if (config_.data[d].heldout_share > 0)
            observer_.on_warning(text + ", since its text cannot be cut");
        else
            observer_.on_note(text);
    }
}

StepResult Run::learn() {
    const int64_t count = config_.sequences_a_step();
    const auto length = static_cast<size_t>(train_.sequence);
    for (int64_t i = 0; i < count; ++i) {
        const size_t begin = static_cast<size_t>(i) * length;
        sampler_.sequence(step_ * count + i, std::span(inputs_).subspan(begin, length),
                          std::span(targets_).subspan(begin, length));
    }
    return learner_.step(inputs_, targets_, step_, learning_rate(train_, step_));
}

void Run::report(const StepResult& result, double step_seconds) {
    constexpr size_t averaged = 20;
    recent_.push_back(step_seconds);
    if (recent_.size() > averaged) recent_.pop_front();
    double sum = 0;
    for (const double seconds : recent_) sum += seconds;
    const Balance balance = balance_of(result.loads);
    const auto done = static_cast<double>(step_ - first_step_);
    const StepReport report{
        .step = step_,
        .steps = train_.steps,
        .tokens = step_ * train_.batch_tokens,
        .loss = result.losses.cross_entropy,
        .balance = result.losses.balance,
        .z = result.losses.z,
        .lr = learning_rate(train_, step_ - 1),
        .gradient_norm = result.gradient_norm,
        .tokens_per_second = static_cast<double>(recent_.size()) * static_cast<double>(train_.batch_tokens) / sum,
        .seconds = elapsed(),
        .seconds_left = seconds_since(start_) / done * static_cast<double>(train_.steps - step_),
        .max_violation = balance.max_violation,
        .dead_experts = balance.dead,
        .scores = scores_.empty() ? nullptr : &scores_};
    observer_.on_step(report);
    if (!due(train_.log_every) && step_ != train_.steps) return;
    metrics_->write({{"kind", "train"},
                     {"step", step_},
                     {"tokens", report.tokens},
                     {"loss", report.loss},
                     {"balance", report.balance},
                     {"z", report.z},
                     {"lr", report.lr},
                     {"gradient_norm", report.gradient_norm},
                     {"tokens_per_second", report.tokens_per_second},
                     {"max_violation", report.max_violation},
                     {"dead_experts", report.dead_experts},
                     {"seconds", report.seconds}});
}

void Run::watch_loads(const StepResult& result) {
    if (result.loads.empty() || !window_.add(result.loads, train_.load_window)) return;
    Row layers = Row::array();
    for (const LayerLoad& load : window_.loads()) layers.push_back({{"layer", load.layer}, {"load", load.load_E}});
    metrics_->write({{"kind", "experts"}, {"step", step_}, {"layers", layers}});
    const std::string warning = window_.warning();
    if (warning.empty()) return;
    metrics_->write({{"kind", "warning"}, {"step", step_}, {"text", warning}});
    observer_.on_warning(warning);
}

void Run::evaluate() {
    scores_ = evaluate_domains(model_.model(), corpus_, train_);
    if (scores_.empty()) return;
    Row domains = Row::object();
    for (const DomainScore& score : scores_) {
        domains[score.name] = {{"loss", score.loss},
                               {"bits_per_byte", score.bits_per_byte},
                               {"tokens", score.tokens},
                               {"bytes", score.bytes}};
    }
    metrics_->write({{"kind", "evaluation"}, {"step", step_}, {"domains", domains}});
    observer_.on_evaluation(step_, scores_);
    write_report();
}

// Written during the run too, so that the page can be watched.
void Run::write_report() const {
    write_file_atomically(report_path(), html_report(to_json(config_), read_metrics(output_ / "metrics.jsonl")));
}

nlohmann::json Run::state() const {
    return {{"format", 1},
            {"step", step_},
            {"tokens", step_ * train_.batch_tokens},
            {"sequences", step_ * config_.sequences_a_step()},
            {"seconds", elapsed()},
            {"loads", window_.state()},
            {"origin", to_json(corpus_.origin)},
            {"config", to_json(config_)}};
}

void Run::save() {
    if (saved_step_ == step_) return;
    saved_ = write_checkpoint(output_, step_, model_, state(), train_.keep).path;
    saved_step_ = step_;
    observer_.on_checkpoint(saved_);
}

TrainSummary Run::loop() {
    start_ = Clock::now();
    bool stopped = false;
    while (step_ < train_.steps && !stopped) {
        const auto begin = Clock::now();
        const StepResult result = learn();
        if (step_ == first_step_ && learner_.recomputes()) {
            observer_.on_note("activations are computed again in the backward pass, to save memory");
        }
        ++step_;
        report(result, seconds_since(begin));
        watch_loads(result);
        const bool last = step_ == train_.steps;
        if (due(train_.eval_every) || last) evaluate();
        stopped = !observer_.keep_going();
        if (due(train_.checkpoint_every) || last || stopped) save();
    }
    write_report();
    return {.steps = step_,
            .tokens = step_ * train_.batch_tokens,
            .seconds = elapsed(),
            .finished = step_ == train_.steps,
            .checkpoint = saved_,
            .report = report_path()};
}

}  // namespace

TrainSummary train(const TrainConfig& config, const TrainOptions& options, TrainObserver& observer) {
    if (config.train.threads > 0) allow_threads(config.train.threads);
    return Run(config, options, observer).loop();
}

}  // namespace gremium::train
