// gremium trace: every routing decision of some texts, and what they say about the experts.
#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/common.h"
#include "cli/prompt_text.h"
#include "cli/steering.h"
#include "engine/reader.h"
#include "lab/trace/export.h"
#include "lab/trace/saturation.h"
#include "lab/trace/speed.h"
#include "lab/trace/statistics.h"

namespace gremium::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct TraceArguments {
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
    explicit Tracer(const TraceArguments& options)
        : options_(options), says_(!options.common.json && !options.common.quiet), domains_(domains_of(options.data)) {}

    void run() {
        if (options_.speed) return compare_speed();
        if (!domains_.empty()) trace(options_.common.model, options_.out);
        const lab::TraceDirectory traces = lab::open_traces(options_.out);
        const lab::Statistics statistics = lab::statistics_of(traces);
        const Json json = to_json(statistics, traces);
        write_statistics(traces, json);
        if (options_.common.json)
            fmt::print("{}\n", to_text(json));
        else
            fmt::print("{}", to_table(statistics));
        for (const lab::DomainTrace& domain : traces.domains) export_all(domain, traces);
        if (!options_.compare.empty()) compare(traces);
        fail_for(faults_);
    }

  private:
    // Who only looks at traces needs no right to write beside them.
    void write_statistics(const lab::TraceDirectory& traces, const Json& statistics) const {
        try {
            write_file_atomically(traces.path / "statistics.json", to_text(statistics) + "\n");
        } catch (const Error& error) {
            if (!domains_.empty()) throw;
            if (!options_.common.quiet) fmt::print(stderr, "warning: {}\n", error.what());
        }
    }

    void trace(const std::string& model, const fs::path& out) {
        Common common = options_.common;
        common.model = model;
        const auto loaded = open_model(common);
        const auto steering = make_steering(options_.steering, loaded->spec);
        if (says_) announce(steering.get());
        lab::TraceTextOptions text = options_.text;
        text.arithmetic = *options_.common.arithmetic;
        text.steering = steering.get();
        text.note = say_note;
        if (steering) {
            const std::string& name = steering->profile().name;
            text.steering_name = name.empty() ? steering->fingerprint().substr(0, 12) : name;
        }
        const std::vector<std::string> faults =
            lab::trace_domains(*loaded, domains_, out, text, [&](const lab::Domain& d, const lab::Fed& fed) {
                if (says_)
                    fmt::print("{}: {} tokens of {} at {:.0f} tokens/s\n", loaded->spec.name, fed.tokens, d.name,
                               rate(fed));
            });
        faults_.insert(faults_.end(), faults.begin(), faults.end());
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
        write_file_atomically(final.path / "saturation.json", to_text(report) + "\n");
    }

    void compare_speed() {
        const auto model = open_model(options_.common);
        std::vector<std::string> files;
        for (const lab::Domain& domain : domains_) files.insert(files.end(), domain.files.begin(), domain.files.end());
        lab::TraceSpeedOptions speed{.window = options_.text.window,
                                     .norms = options_.text.norms,
                                     .arithmetic = *options_.common.arithmetic,
                                     .note = say_note};
        if (options_.text.max_tokens > 0) speed.tokens = options_.text.max_tokens;
        const lab::TraceSpeed s = lab::measure_trace_speed(*model, files, options_.out, speed);
        if (options_.common.json)
            fmt::print("{}\n", to_text({{"untraced_tps", s.untraced}, {"traced_tps", s.traced}, {"ratio", s.ratio}}));
        else
            fmt::print("prefill {:.0f} tokens/s untraced, {:.0f} traced: {:.1f} %\n", s.untraced, s.traced,
                       100 * s.ratio);
    }

    const TraceArguments& options_;
    bool says_;
    std::vector<lab::Domain> domains_;
    std::vector<std::string> faults_;
};

}  // namespace

void add_trace(Command app) {
    auto options = std::make_shared<TraceArguments>();
    Command command = app.add("trace", "Record which experts a model chooses for texts, and show statistics");
    add_common(command, options->common);
    add_arithmetic(command, options->common, engine::Arithmetic::exact);
    const Flag data = command.option(
        "--data", options->data,
        "NAME=FILE: a kind of text and a file of it, or a pattern such as 'texts/*.txt' or 'texts/**/*.txt' (without "
        "--data: statistics of the traces that are in DIR)");
    command.option("-o,--out", options->out, "directory for the traces").required();
    command.option("--tokens", options->text.max_tokens, "limit of tokens of each kind of text (default: all)")
        .range(1, int64_t{1} << 40);
    command
        .option("--window", options->text.window,
                fmt::format("tokens in a window (default: the context length, at most {})", engine::longest_window))
        .range(1, 1 << 20);
    command.flag("--norms", options->text.norms, "record the norm of each expert's output too");
    command.flag("--jsonl", options->jsonl, "write DIR/NAME.jsonl too");
    command.flag("--csv", options->csv, "write DIR/NAME.csv too");
    command
        .option("--compare", options->compare,
                "trace other checkpoints of the model too, and show how far their routing is already the model's")
        .needs(data);
    command.flag("--speed", options->speed, "measure the speed with and without a trace instead").needs(data);
    add_steering(command, options->steering);
    command.examples({"gremium trace --data prose=prose.txt --data code='src/*.cpp' -o traces --tokens 20000",
                      "gremium trace -o traces --json"});
    command.run([=] { Tracer(*options).run(); });
}

}  // namespace gremium::cli
