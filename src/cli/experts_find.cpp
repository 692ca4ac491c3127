// gremium experts find: who does this kind of text, and what happens without them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "cli/experts.h"
#include "cli/interruption.h"
#include "cli/texts.h"
#include "engine/prompt.h"
#include "lab/find/causal.h"
#include "lab/find/find.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;
using lab::CausalCheck;
using lab::Effect;
using lab::Finding;

const std::map<std::string, lab::Score> scores{
    {"risk", lab::Score::risk}, {"gate", lab::Score::gate}, {"tokens", lab::Score::tokens}, {"npmi", lab::Score::npmi}};

struct FindArguments {
    Common common;
    std::vector<std::string> text_for, text_against;
    std::string by = "risk", out;
    double percent = 5;
    int draws = 20;
    bool no_check = false, quick = false;
    data::SampleOptions sample;
    lab::FindOptions find;
};

std::string name(const Finding& f) { return fmt::format("{}.{}", f.id.layer, f.id.expert); }

Json finding_to_json(const Finding& f) {
    return {{"expert", name(f)},
            {"accepted", f.accepted},
            {"chosen_for", f.chosen_for},
            {"chosen_against", f.chosen_against},
            {"share_for", f.share_for},
            {"share_against", f.share_against},
            {"risk", f.risk},
            {"risk_interval", {f.risk_low, f.risk_high}},
            {"p", f.p},
            {"q", f.q},
            {"gate_for", f.gate_for},
            {"gate_against", f.gate_against},
            {"token_ratio_for", f.tokens_for},
            {"token_ratio_against", f.tokens_against},
            {"npmi", f.npmi},
            {"again_risk", f.again_risk},
            {"again_p", f.again_p}};
}

Json finding_to_json(const Effect& e) {
    return {
        {"loss_for", e.loss_for}, {"loss_against", e.loss_against}, {"kl_for", e.kl_for}, {"kl_against", e.kl_against}};
}

Json finding_to_json(const CausalCheck& c) {
    Json muted = Json::array(), dropped = Json::array();
    for (const Effect& e : c.random_muted) muted.push_back(finding_to_json(e));
    for (const Effect& e : c.random_dropped) dropped.push_back(finding_to_json(e));
    return {{"loss_for", c.loss_for},
            {"loss_against", c.loss_against},
            {"muted", finding_to_json(c.muted)},
            {"dropped", finding_to_json(c.dropped)},
            {"random_muted", muted},
            {"random_dropped", dropped}};
}

void print_table(const std::vector<Finding>& findings, size_t rows) {
    fmt::print("{:>8} {:>8} {:>8} {:>24} {:>8} {:>8} {:>8} {:>6} {:>8}\n", "expert", "for", "against",
               "difference [95 %]", "q", "gate", "tokens", "nPMI", "again");
    for (const Finding& f : std::span(findings).first(std::min(rows, findings.size()))) {
        fmt::print("{:>8} {:>7.1f}% {:>7.1f}% {:>24} {:>8.1e} {:>+8.4f} {:>+8.4f} {:>+6.2f} {:>+7.1f}%{}\n", name(f),
                   100 * f.share_for, 100 * f.share_against,
                   fmt::format("{:+.1f} [{:+.1f}, {:+.1f}]", 100 * f.risk, 100 * f.risk_low, 100 * f.risk_high), f.q,
                   f.gate_for - f.gate_against, f.tokens_for - f.tokens_against, f.npmi, 100 * f.again_risk,
                   f.accepted ? "" : "  not accepted");
    }
}

void print_effect(const char* what, const Effect& e) {
    fmt::print("{:<34} {:>+9.4f} {:>+9.4f} {:>9.4f} {:>9.4f}\n", what, e.loss_for, e.loss_against, e.kl_for,
               e.kl_against);
}

void print_verdict(const char* how, const Effect& found, const std::vector<Effect>& random) {
    const Effect usual = mean(random);
    fmt::print(
        "{}: the text looked for loses {:.1f} times what the other text loses, and {:.1f} times what it "
        "loses by "
        "chance (p = {:.3f})\n",
        how, found.loss_for / found.loss_against, found.loss_for / usual.loss_for, lab::chance(found.loss_for, random));
}

void print_check(const CausalCheck& c) {
    fmt::print("\n{:<34} {:>9} {:>9} {:>9} {:>9}\n", "nats a token, other half of the texts", "for", "against",
               "KL for", "against");
    fmt::print("{:<34} {:>9.4f} {:>9.4f}\n", "whole model", c.loss_for, c.loss_against);
    print_effect("muted: the next best instead", c.muted);
    print_effect("dropped: the others share", c.dropped);
    if (c.random_muted.empty()) return;
    print_effect(fmt::format("muted at random, mean of {}", c.random_muted.size()).c_str(), mean(c.random_muted));
    print_effect(fmt::format("dropped at random, mean of {}", c.random_dropped.size()).c_str(), mean(c.random_dropped));
    print_verdict("muted", c.muted, c.random_muted);
    print_verdict("dropped", c.dropped, c.random_dropped);
}

void find(const FindArguments& options) {
    const auto model = open_model(options.common);
    data::SampleOptions sample = options.sample;
    sample.window = std::min(sample.window, model->spec.context * int64_t{1});
    if (options.quick) sample.tokens = std::min<int64_t>(sample.tokens, 4096);
    lab::FindOptions find = options.find;
    find.by = scores.at(options.by);
    find.arithmetic = *options.common.arithmetic;
    const data::Halves texts = data::sample_halves(options.text_for, engine::tokenizer_of(*model), sample),
                       others = data::sample_halves(options.text_against, engine::tokenizer_of(*model), sample);
    const std::vector<Finding> findings = find_experts(*model, texts, others, find);

    const std::set<moe::ExpertId> found = lab::first_accepted(findings, options.percent / 100);
    const auto accepted = std::ranges::count_if(findings, &Finding::accepted);
    const bool text = !options.common.json;
    if (text && !options.common.quiet)
        fmt::print(
            "{} of {} experts are used more (q <= {}, and again in the other half of the texts); the first "
            "{} "
            "by {} are taken\n",
            accepted, findings.size(), find.level, found.size(), options.by);
    if (text) print_table(findings, std::max<size_t>(found.size(), 10));
    if (!options.out.empty())
        write_file_atomically(options.out,
                              to_toml(hooks::SteeringProfile{.name = "without the experts found", .mute = found}));

    Json report;
    if (!text) {
        for (const Finding& f : findings) report["experts"].push_back(finding_to_json(f));
        for (const moe::ExpertId id : found) report["found"].push_back(fmt::format("{}.{}", id.layer, id.expert));
    }
    if (found.empty() && text) fmt::print("nothing to prove\n");
    std::fflush(stdout);
    stop_on_signals();
    std::optional<Interrupted> interrupted;
    if (!options.no_check && !found.empty()) {
        try {
            const CausalCheck check =
                check_causally(*model, found, findings, texts.second, others.second,
                               {.draws = options.quick ? std::min(options.draws, 5) : options.draws,
                                .seed = 1,
                                .arithmetic = find.arithmetic,
                                .between = throw_if_interrupted});
            if (text)
                print_check(check);
            else
                report["check"] = finding_to_json(check);
        } catch (const Interrupted& signal) {  // what was found stays found
            interrupted = signal;
        }
    }
    if (!text) fmt::print("{}\n", to_text(report));
    if (interrupted) throw Interrupted(*interrupted);
}

}  // namespace

void add_experts_find(Command experts) {
    auto options = std::make_shared<FindArguments>();
    Command command =
        experts.add("find",
                    "Find the experts that one kind of text uses more than another, and test what happens "
                    "without them");
    add_common(command, options->common);
    add_arithmetic(command, options->common, engine::Arithmetic::exact);
    command
        .option("--for", options->text_for, "text files of the kind to find experts for; a zero byte ends a document")
        .required();
    command.option("--against", options->text_against, "text files of other kinds").required();
    command
        .option("--by", options->by,
                "order of the experts: risk (difference of how often they are chosen), gate or tokens (difference of "
                "ESFT's "
                "scores), npmi")
        .one_of({"risk", "gate", "tokens", "npmi"})
        .show_default();
    command.option("--percent", options->percent, "limit of experts to take, in percent of all")
        .between(0, 100)
        .show_default();
    command.option("--least", options->find.least_chosen, "test only experts that were chosen this often")
        .range(1, int64_t{1} << 40)
        .show_default();
    add_sample(command, options->sample, "limit of tokens of each kind of text, in each half of it");
    command.option("--draws", options->draws, "number of random choices of experts to compare with")
        .range(1, 10000)
        .show_default();
    const Flag no_check = command.flag("--no-check", options->no_check, "skip the test without the experts");
    command.flag("--quick", options->quick, "use at most 4096 tokens and 5 draws").excludes(no_check);
    command.option("-o,--output", options->out, "write a steering profile (TOML) that mutes the experts found");
    command.examples({"gremium experts find --for german.txt --against english.txt -o mute.toml",
                      "gremium run -p \"Es war einmal\" --profile mute.toml"});
    command.run([=] { find(*options); });
}

}  // namespace gremium::cli
