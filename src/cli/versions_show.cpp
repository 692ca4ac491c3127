// gremium versions log, diff, fsck, gc: looking at versions of a model.
#include <cmath>

#include "base/error.h"
#include "base/printable.h"
#include "cli/commit.h"
#include "cli/texts.h"
#include "cli/versions.h"
#include "versions/check.h"
#include "versions/diff.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;

struct VersionsShowArguments {
    Common common;
    std::string store, from, to = "HEAD";
    int64_t most = 0;
    std::vector<std::string> evaluate;
    data::SampleOptions sample;
};

void print_indented(const std::string& text) {
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        fmt::print("    {}\n", printable(std::string_view(text).substr(at, end - at)));
        at = end + 1;
    }
}

// " (HEAD -> main, try)"
std::string names_of(const versions::VersionStore& store, const std::string& version) {
    const versions::VersionStore::Head head = store.head();
    std::vector<std::string> names;
    if (head.version == version) names.push_back(head.branch.empty() ? "HEAD" : "HEAD -> " + head.branch);
    for (const auto& [branch, at] : store.branches())
        if (at == version && branch != head.branch) names.push_back(branch);
    return names.empty() ? "" : fmt::format(" ({})", fmt::join(names, ", "));
}

void log(const VersionsShowArguments& options) {
    const versions::VersionStore store(options.store);
    Json report = Json::array();
    int64_t shown = 0;
    for (std::string version = store.resolve(options.to); !version.empty();) {
        const versions::Manifest m = store.manifest(version);
        if (options.common.json) {
            report.push_back({{"version", version},
                              {"parent", m.parent},
                              {"date", m.date},
                              {"message", m.message},
                              {"by", m.provenance}});
        } else {
            fmt::print("version {}{}\n", version, names_of(store, version));
            if (!m.parent.empty()) fmt::print("parent  {}\n", m.parent);
            fmt::print("date    {}\n\n", m.date);
            print_indented(m.message);
            for (const std::string& line : m.provenance) fmt::print("    by {}\n", printable(line));
            fmt::print("\n");
        }
        if (++shown == options.most) break;
        version = m.parent;
    }
    if (options.common.json) fmt::print("{}\n", to_text(report));
}

std::string percent(double share) { return share == 0 ? "" : fmt::format("{:.2f} %", 100 * share); }

std::string list_of(const std::vector<int>& experts) {
    return fmt::format("{}{}", experts.size(), experts.empty() ? "" : fmt::format(" ({})", fmt::join(experts, " ")));
}

void print(const versions::VersionDifference& d) {
    for (const versions::LayerDifference& l : d.layers) {
        fmt::print("layer {}: {} -> {} experts of width {} -> {}, {} -> {} a token\n", l.layer, l.before.experts,
                   l.after.experts, l.before.width, l.after.width, l.before.used, l.after.used);
        fmt::print("  gone: {}; new: {}\n", list_of(l.gone), list_of(l.added));
    }
    if (!d.experts.empty()) fmt::print("{:<10} {:>12} {:>12} {:>12}\n", "expert", "weights", "router row", "bias");
    for (const versions::ExpertDifference& e : d.experts)
        fmt::print("{:<10} {:>12} {:>12} {:>12}\n", versions::to_string(e.id),
                   e.weights == 0 && e.retyped ? "type only" : percent(e.weights), percent(e.row),
                   e.bias == 0 ? "" : fmt::format("{:+.4g}", e.bias));
    for (const versions::TensorDifference& t : d.tensors) fmt::print("{}: {:.2f} %\n", t.name, 100 * t.change);
}

Json difference_to_json(const versions::VersionDifference& d) {
    Json layers = Json::array(), experts = Json::array(), tensors = Json::array();
    const auto sizes = [](const versions::LayerState& l) {
        return Json{{"experts", l.experts}, {"width", l.width}, {"used", l.used}};
    };
    for (const versions::LayerDifference& l : d.layers)
        layers.push_back({{"layer", l.layer},
                          {"before", sizes(l.before)},
                          {"after", sizes(l.after)},
                          {"gone", l.gone},
                          {"new", l.added}});
    for (const versions::ExpertDifference& e : d.experts)
        experts.push_back(
            {{"expert", versions::to_string(e.id)}, {"weights", e.weights}, {"row", e.row}, {"bias", e.bias}});
    for (const versions::TensorDifference& t : d.tensors) tensors.push_back({{"tensor", t.name}, {"change", t.change}});
    return {{"layers", layers}, {"experts", experts}, {"tensors", tensors}};
}

void diff(const VersionsShowArguments& options) {
    apply(options.common);
    const versions::VersionStore store(options.store);
    const std::string b = store.resolve(options.to),
                      a = store.resolve(options.from.empty() ? options.to + "~" : options.from);
    const versions::VersionDifference difference = versions::difference(store, a, b);
    Json report = {{"from", a}, {"to", b}, {"difference", difference_to_json(difference)}};
    if (!options.common.json) {
        fmt::print("{} -> {}\n", short_hash(a), short_hash(b));
        print(difference);
    }
    if (!options.evaluate.empty()) {
        say_arithmetic(options.common);
        const auto before = versions::open_version(store, a), after = versions::open_version(store, b);
        const lab::MeasuredTexts texts(before, named_files(options.evaluate), options.sample,
                                       *options.common.arithmetic);
        const auto numbers_before = texts.measure(*before), numbers_after = texts.measure(*after);
        if (!options.common.json) print_measured(texts, numbers_before, numbers_after);
        report["texts"] = measured_to_json(texts, numbers_before, numbers_after);
    }
    if (options.common.json) fmt::print("{}\n", to_text(report));
}

void fsck(const VersionsShowArguments& options) {
    apply(options.common);
    versions::VersionStore store(options.store);
    const versions::StoreCheck check = versions::check_store(store);
    if (options.common.json)
        fmt::print("{}\n", to_text({{"problems", check.problems},
                                    {"versions", check.versions},
                                    {"objects", check.objects},
                                    {"bytes", check.bytes},
                                    {"unused", check.unused}}));
    else {
        for (const std::string& problem : check.problems) fmt::print("{}\n", problem);
        if (!options.common.quiet)
            fmt::print("{} versions, {} files of weights, {}; {} files unused\n", check.versions, check.objects,
                       human_bytes(static_cast<double>(check.bytes)), check.unused);
    }
    if (!check.problems.empty()) fail("{}: {} problems", store.name(), check.problems.size());
}

void gc(const VersionsShowArguments& options) {
    versions::VersionStore store(options.store);
    const versions::Collected c = versions::collect_garbage(store);
    if (options.common.json)
        fmt::print(
            "{}\n",
            to_text(
                {{"versions", c.versions}, {"objects", c.objects}, {"leftovers", c.leftovers}, {"bytes", c.bytes}}));
    else if (!options.common.quiet)
        fmt::print("freed {}: {} versions, {} files of weights, {} halves of files\n",
                   human_bytes(static_cast<double>(c.bytes)), c.versions, c.objects, c.leftovers);
}

Command add_command(Command parent, const char* name, const char* says, VersionsShowArguments& options) {
    Command command = parent.add(name, says);
    add_common(command, options.common, false);
    command.option("store", options.store, "directory of the versions").required();
    return command;
}

}  // namespace

void add_looking_verbs(Command parent) {
    auto options = std::make_shared<VersionsShowArguments>();
    Command command = add_command(parent, "log", "Show the history of a version", *options);
    command.option("reference", options->to, "a version: HEAD, a branch or the first digits of a version")
        .show_default();
    command.option("-n", options->most, "limit of versions to show").range(1, int64_t{1} << 40);
    command.examples({"gremium versions log store -n 5"});
    command.run([=] { log(*options); });

    command = add_command(parent, "diff",
                          "Show which experts, router rows and other tensors differ between two versions", *options);
    command.option("from", options->from, "a version (default: the one before TO)");
    command.option("to", options->to, "a version").show_default();
    command.option("--eval", options->evaluate, "text files to measure both versions on: NAME=FILE or FILE");
    add_sample(command, options->sample, "limit of tokens of each --eval text");
    add_arithmetic(command, options->common, engine::Arithmetic::exact);
    command.examples({"gremium versions diff store main~1 main --eval text.txt"});
    command.run([=] { diff(*options); });

    command = add_command(parent, "fsck", "Read the whole store, and show what is damaged", *options);
    command.examples({"gremium versions fsck store"});
    command.run([=] { fsck(*options); });

    command = add_command(parent, "gc", "Free the space of versions that no branch reaches", *options);
    command.examples({"gremium versions gc store"});
    command.run([=] { gc(*options); });
}

}  // namespace gremium::cli
