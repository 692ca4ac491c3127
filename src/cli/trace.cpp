// gremium trace: every routing decision of some texts, and what they say about the experts.
#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/common.h"
#include "cli/steering.h"
#include "data/documents.h"
#include "lab/trace/export.h"
#include "lab/trace/saturation.h"
#include "lab/trace/statistics.h"

namespace gremium::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Options {
    Common common;
    std::vector<std::string> data, compare;
    std::string out;
    bool jsonl = false, csv = false, speed = false;
    Steering steering;
    lab::TraceTextOptions text;
};

// NAME=FILE; a name given again adds to its domain.
std::vector<lab::Domain> domains_of(const std::vector<std::string>& data) {
    std::vector<lab::Domain> domains;
    for (const std::string& entry : data) {
        const size_t at = entry.find('=');
        if (at == std::string::npos || at + 1 == entry.size()) fail("--data {}: NAME=FILE expected", entry);
        const std::string name = entry.substr(0, at);
        lab::require_domain_name(name);
        auto domain = std::ranges::find(domains, name, &lab::Domain::name);
        if (domain == domains.end()) domain = domains.insert(domain, {name, {}});
        domain->files.push_back(entry.substr(at + 1));
    }
    return domains;
}

double rate(const lab::Fed& fed) { return fed.seconds > 0 ? static_cast<double>(fed.tokens) / fed.seconds : 0; }

class Tracer {
  public:
    explicit Tracer(const Options& options)
        : options_(options), says_(!options.common.json && !options.common.quiet), domains_(domains_of(options.data)) {}

    void run() {
        if (options_.speed) return compare_speed();
        if (!domains_.empty()) trace(options_.common.model, options_.out);
        const lab::TraceDirectory traces = lab::open_traces(options_.out);
        const lab::Statistics statistics = lab::statistics_of(traces);
        const Json json = to_json(statistics, traces);
        write_file_atomically(traces.path / "statistics.json", json.dump() + "\n");
        if (options_.common.json)
            fmt::print("{}\n", json.dump());
        else
            fmt::print("{}", to_table(statistics));
        for (const lab::DomainTrace& domain : traces.domains) export_all(domain, traces);
        if (!options_.compare.empty()) compare(traces);
    }

  private:
    void trace(const std::string& model, const fs::path& out) {
        Common common = options_.common;
        common.model = model;
        const auto loaded = open_model(common);
        const auto steering = make_steering(options_.steering, loaded->spec);
        if (says_) announce(steering.get());
        lab::TraceTextOptions text = options_.text;
        text.steering = steering.get();
        if (steering) {
            const std::string& name = steering->profile().name;
            text.steering_name = name.empty() ? steering->fingerprint().substr(0, 12) : name;
        }
        lab::trace_domains(loaded, domains_, out, text, [&](const lab::Domain& d, const lab::Fed& fed) {
            if (says_)
                fmt::print("{}: {} tokens of {} at {:.0f} tokens/s\n", loaded->spec.name, fed.tokens, d.name,
                           rate(fed));
        });
    }

    void export_all(const lab::DomainTrace& domain, const lab::TraceDirectory& traces) {
        const fs::path stem = traces.path / domain.name;
        if (options_.jsonl) lab::export_trace(domain, traces, stem.string() + ".jsonl", lab::TraceFormat::jsonl);
        if (options_.csv) lab::export_trace(domain, traces, stem.string() + ".csv", lab::TraceFormat::csv);
    }

    // Traces the same texts with other checkpoints, below the directory.
    void compare(const lab::TraceDirectory& final) {
        Json report = Json::array();
        if (says_) fmt::print("\nrouter saturation towards {}, a column a layer\n", final.model);
        for (const std::string& checkpoint : options_.compare) {
            const fs::path name = fs::path(checkpoint).lexically_normal();
            const fs::path out =
                final.path / "checkpoints" / (name.has_filename() ? name : name.parent_path()).filename();
            trace(checkpoint, out);
            const lab::Saturation s = lab::saturation(lab::open_traces(out), final);
            report.push_back({{"checkpoint", checkpoint},
                              {"tokens", s.tokens},
                              {"saturation", s.layers},
                              {"first_choice", s.first}});
            if (!says_) continue;
            std::string line;
            for (const double x : s.layers) line += fmt::format(" {:>4.0f}%", 100 * x);
            fmt::print("{:<24} {}\n", checkpoint, line);
        }
        write_file_atomically(final.path / "saturation.json", report.dump() + "\n");
    }

    // The same windows without and with a trace, in turn: medians of the rates and of their ratio.
    void compare_speed() {
        const auto model = open_model(options_.common);
        std::vector<std::string> files;
        for (const lab::Domain& domain : domains_) files.insert(files.end(), domain.files.begin(), domain.files.end());
        const data::Documents documents(files);
        const int64_t tokens = options_.text.max_tokens > 0 ? options_.text.max_tokens : 16384;
        std::vector<double> plain, traced, ratio;
        for (int round = 0; round < 7; ++round) {
            lab::FeedOptions feed{.window = options_.text.window, .max_tokens = tokens};
            plain.push_back(rate(lab::feed(model, documents.all(), feed)));
            lab::TraceWriter writer(
                options_.out,
                {.vocab = model->spec.vocab, .norms = options_.text.norms, .layers = hooks::trace_layers(model->spec)});
            hooks::TraceCollector collector(model->spec, {.norms = options_.text.norms},
                                            [&](const hooks::TraceBlock& block) { writer.write(block); });
            feed.hook = &collector;
            traced.push_back(rate(lab::feed(model, documents.all(), feed)));
            ratio.push_back(traced.back() / plain.back());
        }
        const auto median = [](std::vector<double> x) {
            std::ranges::sort(x);
            return x[x.size() / 2];
        };
        if (options_.common.json)
            fmt::print(
                "{}\n",
                Json{{"untraced_tps", median(plain)}, {"traced_tps", median(traced)}, {"ratio", median(ratio)}}.dump());
        else
            fmt::print("prefill {:.0f} tokens/s untraced, {:.0f} traced: {:.1f} %\n", median(plain), median(traced),
                       100 * median(ratio));
    }

    const Options& options_;
    bool says_;
    std::vector<lab::Domain> domains_;
};

}  // namespace

void add_trace(Command app) {
    auto options = std::make_shared<Options>();
    Command command = app.add("trace", "Which experts a model chooses for texts, and statistics of them");
    add_common(command, options->common);
    const Flag data = command.option("--data", options->data,
                                     "NAME=FILE: a domain and a text file or glob of it; none: only look at the "
                                     "traces in DIR again");
    command.option("-o,--out", options->out, "the directory of the traces").required();
    command.option("--tokens", options->text.max_tokens, "at most so many tokens of each domain (default: all)")
        .positive();
    command.option("--window", options->text.window, "tokens a window (default: the context, at most 2048)").positive();
    command.flag("--norms", options->text.norms, "also the norm of each expert's output");
    command.flag("--jsonl", options->jsonl, "also DIR/NAME.jsonl");
    command.flag("--csv", options->csv, "also DIR/NAME.csv");
    command
        .option("--compare", options->compare,
                "other checkpoints of the model, to be traced too: their router saturation")
        .needs(data);
    command.flag("--speed", options->speed, "instead: the speed of prefill without and with a trace, in turn")
        .needs(data);
    add_steering(command, options->steering);
    command.run([=] { Tracer(*options).run(); });
}

}  // namespace gremium::cli
