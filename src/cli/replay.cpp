// gremium replay: runs an audit record again and says whether the same happens, bit for bit.
#include <sstream>

#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/common.h"
#include "hooks/replay.h"
#include "kernels/simd/variant.h"
#include "versions/hash.h"

namespace gremium::cli {
namespace {

struct ReplayArguments {
    Common common;
    std::string file;
};

// The lines of each run of a record; a run begins where a setup stands.
std::vector<std::vector<std::string>> runs_of(const std::string& file) {
    std::vector<std::vector<std::string>> runs;
    std::istringstream text(read_text_file(file));
    for (std::string line; std::getline(text, line);) {
        if (line.starts_with("{\"audit\":") || runs.empty()) runs.emplace_back();
        runs.back().push_back(std::move(line));
    }
    if (runs.empty()) fail("{}: is empty", file);
    return runs;
}

hooks::Replay replay(const ReplayArguments& options, const std::vector<std::string>& lines) {
    const hooks::AuditSetup setup = hooks::parse_setup(lines[0], options.file);
    Common common = options.common;
    if (common.model.empty()) common.model = setup.model;
    common.arithmetic = setup.arithmetic;
    if (common.kernels.empty()) common.kernels = setup.kernels;
    const auto model = open_model(common);
    const std::string hash = versions::model_hash(*model);
    if (hash != setup.model_hash)
        fail("{}: was recorded with a model of the hash {}; {} has {}", options.file, setup.model_hash, common.model,
             hash);
    return hooks::replay(model, setup, lines);
}

void replay_all(const ReplayArguments& options) {
    const auto runs = runs_of(options.file);
    size_t line = 0;
    std::string report = "[";
    for (size_t i = 0; i < runs.size(); ++i) {
        const hooks::Replay result = replay(options, runs[i]);
        if (!result.difference.empty())
            fail("{}: run {} of {}, which begins at line {}: after {} equal positions and {} equal tokens, {}",
                 options.file, i + 1, runs.size(), line + 1, result.positions, result.tokens, result.difference);
        if (!options.common.json && !options.common.quiet)
            fmt::print("run {}: {} tokens and the routing of {} positions, equal bit for bit\n", i + 1, result.tokens,
                       result.positions);
        report += fmt::format("{}{{\"tokens\":{},\"positions\":{}}}", i ? "," : "", result.tokens, result.positions);
        line += runs[i].size();
    }
    if (options.common.json) fmt::print("{}]\n", report);
}

}  // namespace

void add_replay(Command app) {
    auto options = std::make_shared<ReplayArguments>();
    Command command = app.add("replay", "Run again what 'gremium run --audit' recorded, and show where it differs");
    add_common(command, options->common);
    command.option("FILE", options->file, "the record").required();
    command.examples({"gremium run -p \"Once upon a time\" --audit record.jsonl", "gremium replay record.jsonl"});
    command.run([=] { replay_all(*options); });
}

}  // namespace gremium::cli
