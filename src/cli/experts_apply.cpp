// gremium experts apply: edits to experts, each with what it does to texts, and a new model of them.
#include <algorithm>
#include <iterator>
#include <map>
#include <numbers>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/experts.h"
#include "lab/compare.h"
#include "lab/edit_recipe.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
    Common common;
    std::vector<std::string> edits, recipes, calibrate, evaluate;
    std::string out;
    lab::SampleOptions sample;
};

struct Text {
    std::string name;
    lab::Windows windows;
    double bytes_a_token;
};

// Of one model on one text.
struct Measured {
    double loss = 0, bits_per_byte = 0, kl = 0, max_violation = 0;
};

// The largest MaxVio of all layers.
class LoadCounter : public moe::RoutingHook {
  public:
    void after_selection(const moe::AfterSelection& s) override {
        auto& load = loads_[s.layer];
        load.resize(static_cast<size_t>(s.experts));
        for (const int32_t e : s.ids_Tk)
            if (e >= 0) ++load[static_cast<size_t>(e)];
    }
    double max_violation() const {
        double worst = 0;
        for (const auto& [layer, load] : loads_) worst = std::max(worst, moe::max_violation(load));
        return worst;
    }

  private:
    std::map<int, std::vector<int64_t>> loads_;
};

std::vector<Text> read_texts(const Options& options, const Tokenizer& tokenizer) {
    std::vector<Text> texts;
    for (const std::string& named : options.evaluate) {
        const size_t equals = named.find('=');
        const std::string file = equals == std::string::npos ? named : named.substr(equals + 1);
        lab::Windows windows = lab::sample_file(file, tokenizer, options.sample);
        const auto tokens =
            static_cast<double>(windows.size()) * static_cast<double>(windows.front().size() - 1);
        const auto bytes = static_cast<double>(lab::predicted_bytes(windows, tokenizer));
        texts.push_back({named.substr(0, equals), std::move(windows), bytes / tokens});
    }
    return texts;
}

class Editor {
  public:
    explicit Editor(const Options& options)
        : options_(options), base_(open_model(options.common)), draft_(base_) {
        lab::SampleOptions& sample = options_.sample;
        sample.window = std::min<int64_t>(sample.window, base_->spec.context);
        for (const std::string& file : options.recipes)
            for (lab::Edit& edit : lab::read_edits(file)) edits_.push_back(std::move(edit));
        for (const std::string& text : options.edits) edits_.push_back(lab::parse_edit(text, "--edit"));
        if (edits_.empty()) fail("nothing to do: --edit or --recipe expected");
        if (!base_->tokenizer && !(options.evaluate.empty() && options.calibrate.empty()))
            fail("{}: holds no tokenizer", base_->source);
        if (!options.evaluate.empty()) texts_ = read_texts(options_, *base_->tokenizer);
        for (const std::string& file : options.calibrate) {
            lab::SampleOptions each = sample;
            each.tokens /= std::ssize(options.calibrate);
            std::ranges::move(lab::sample_file(file, *base_->tokenizer, each),
                              std::back_inserter(calibration_));
        }
    }

    void run() {
        std::vector<Measured> before = measure(*base_);
        std::shared_ptr<const Model> model = base_;
        Json report = Json::array();
        for (const lab::Edit& edit : edits_) {
            lab::apply_edit(draft_, edit, calibration_);
            const ModelSize old_size = size_of(model->spec);
            model = draft_.model();
            const std::vector<Measured> after = measure(*model);
            if (options_.common.json)
                report.push_back(to_json(edit, *model, before, after));
            else if (!options_.common.quiet)
                print(edit, old_size, size_of(model->spec), before, after);
            before = after;
        }
        if (options_.common.json) fmt::print("{}\n", report.dump());
        if (!options_.out.empty()) save(*model);
    }

  private:
    std::vector<Measured> measure(const Model& model) const {
        std::vector<Measured> all;
        for (const Text& text : texts_) {
            LoadCounter loads;
            const lab::Variant variant{&model, &loads};
            const lab::Comparison c = lab::compare({base_.get()}, std::span(&variant, 1), text.windows);
            const lab::Prediction& p = c.variants[0];
            all.push_back(
                {p.loss, p.loss / std::numbers::ln2 / text.bytes_a_token, p.kl, loads.max_violation()});
        }
        return all;
    }

    void print(const lab::Edit& edit, const ModelSize& old_size, const ModelSize& size,
               const std::vector<Measured>& before, const std::vector<Measured>& after) const {
        const auto count = [](int64_t n) { return human_count(static_cast<double>(n)); };
        fmt::print("{}: {} -> {} parameters, {} -> {} active\n", edit.text(),
                   count(old_size.total_parameters), count(size.total_parameters),
                   count(old_size.active_parameters), count(size.active_parameters));
        if (!texts_.empty())
            fmt::print("  {:<20} {:>22} {:>22} {:>16} {:>18}\n", "text", "nats/token", "bits/byte",
                       "KL to original", "MaxVio");
        for (size_t i = 0; i < texts_.size(); ++i) {
            const Measured &b = before[i], &a = after[i];
            fmt::print("  {:<20} {:>22} {:>22} {:>16.5f} {:>18}\n", texts_[i].name,
                       fmt::format("{:.4f} -> {:.4f}", b.loss, a.loss),
                       fmt::format("{:.4f} -> {:.4f}", b.bits_per_byte, a.bits_per_byte), a.kl,
                       fmt::format("{:.2f} -> {:.2f}", b.max_violation, a.max_violation));
        }
    }

    Json to_json(const lab::Edit& edit, const Model& model, const std::vector<Measured>& before,
                 const std::vector<Measured>& after) const {
        const auto numbers = [](const Measured& m) {
            return Json{{"loss", m.loss},
                        {"bits_per_byte", m.bits_per_byte},
                        {"kl", m.kl},
                        {"max_violation", m.max_violation}};
        };
        Json texts = Json::object();
        for (size_t i = 0; i < texts_.size(); ++i)
            texts[texts_[i].name] = {{"before", numbers(before[i])}, {"after", numbers(after[i])}};
        return {
            {"edit", edit.text()}, {"parameters", size_of(model.spec).total_parameters}, {"texts", texts}};
    }

    void save(const Model& model) const {
        std::error_code ignored;
        if (std::filesystem::equivalent(options_.out, model_path(options_.common), ignored))
            fail("{}: is the model that is edited; it is never changed", options_.out);
        const bool gguf = std::filesystem::path(options_.out).extension() == ".gguf";
        save_model(model, options_.out,
                   lab::stored_types(model, gguf ? Container::gguf : Container::hugging_face));
        if (!options_.common.quiet && !options_.common.json) fmt::print("written: {}\n", options_.out);
    }

    Options options_;
    std::shared_ptr<const Model> base_;
    lab::Draft draft_;
    std::vector<lab::Edit> edits_;
    std::vector<Text> texts_;
    lab::Windows calibration_;
};

}  // namespace

void add_experts_apply(CLI::App& experts) {
    auto options = std::make_shared<Options>();
    CLI::App* command = experts.add_subcommand("apply",
                                               "Change experts, measure what each change does, and write a "
                                               "new model; the opened one stays as it is");
    add_common(*command, options->common);
    const auto list = [&](const char* flag, std::vector<std::string>& values, const char* help) {
        command->add_option(flag, values, help)->allow_extra_args(false);
    };
    list("--edit", options->edits,
         "one edit, as 'prune share=25% by=reap'; also merge, replace, copy, reset, add, split, retype, "
         "shrink-k; "
         "several are done in turn");
    list("--recipe", options->recipes,
         "a TOML file with such edits, [[edit]] do = \"prune\" …; done before --edit");
    list("--calibrate", options->calibrate, "a text that tells how much experts matter, for prune and merge");
    list("--eval", options->evaluate, "a text to measure each edit on: NAME=FILE or FILE");
    command
        ->add_option("--tokens", options->sample.tokens,
                     "tokens of each text, and of all calibration, at most")
        ->check(CLI::Range(int64_t{512}, int64_t{1} << 32))
        ->capture_default_str();
    command->add_option("--window", options->sample.window, "tokens a window")
        ->check(CLI::Range(int64_t{8}, int64_t{1} << 20))
        ->capture_default_str();
    command->add_option("-o,--output", options->out,
                        "the new model: NAME.gguf, otherwise a directory in Hugging Face layout");
    command->callback([=] { Editor(*options).run(); });
}

}  // namespace gremium::cli
