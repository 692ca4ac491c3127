// gremium experts init, commit, checkout, branch, revert, export, import: versions of a model.
#include "cli/experts_versions.h"

#include <filesystem>

#include "base/error.h"
#include "cli/experts.h"
#include "cli/experts_texts.h"
#include "hooks/steering_profile.h"
#include "model/files/load.h"
#include "versions/delta.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;
using versions::VersionStore;

struct Options {
    Common common;
    std::string store, reference = "HEAD", name, message, out, file, expert, to;
    bool remove = false, foreign = false;
};

void report(const versions::Committed& done, const Common& common) {
    if (common.json)
        fmt::print("{}\n", to_json(done).dump());
    else if (!common.quiet)
        print_committed(done);
}

void init(const Options& options) {
    apply(options.common);
    const versions::VersionStore store = versions::create_versions(options.store, model_path(options.common));
    if (options.common.quiet) return;
    const versions::VersionState& state = store.base().state;
    fmt::print("{}: versions of {} ({}), {} experts in {} layers; its file stays as it is\n", store.name(),
               store.base_model().string(), short_hash(store.base().base), state.experts.size(), state.layers.size());
    fmt::print("version {} on main is that model\n", short_hash(store.head().version));
}

void commit_model(const Options& options) {
    apply(options.common);
    versions::VersionStore store(options.store);
    const auto model = open_model(options.common);
    report(versions::commit(store, *model, {.message = options.message}), options.common);
}

// What the container could not hold as it is: a stack of experts has one type, a layout its own order.
void compare_written(const std::string& out, const Model& version) {
    const versions::VersionState written = versions::state_of(*load_model(out)), state = versions::state_of(version);
    if (written == state) return;
    const versions::VersionState differs = versions::changes(state, written);
    fmt::print(stderr,
               "warning: {}: {} experts and {} other tensors are not bit for bit those of the version: this kind of "
               "file holds them in another type or order\n",
               out, differs.experts.size(), differs.tensors.size());
}

void check_out(const Options& options) {
    apply(options.common);
    versions::VersionStore store(options.store);
    const std::string version = store.resolve(options.reference);
    if (!options.out.empty()) {
        const auto model = versions::open_version(store, version);
        save_edited(*model, options.out, store.base_model());
        compare_written(options.out, *model);
    }
    if (!options.name.empty()) {
        const versions::VersionStore::Lock lock(store);
        if (store.branches().contains(options.name)) fail("{}: branch {} exists already", store.name(), options.name);
        store.set_branch(lock, options.name, version);
    }
    versions::check_out(store, options.name.empty() ? options.reference : options.name);
    if (options.common.quiet) return;
    const versions::VersionStore::Head head = store.head();
    fmt::print("{} is at version {}{}\n", store.name(), short_hash(version),
               head.branch.empty() ? ", on no branch: gc would take what is committed here once HEAD leaves it"
                                   : " on branch " + head.branch);
    if (!options.out.empty()) fmt::print("written: {}\n", options.out);
}

void branch(const Options& options) {
    versions::VersionStore store(options.store);
    if (options.name.empty()) {
        const versions::VersionStore::Head head = store.head();
        for (const auto& [name, version] : store.branches())
            fmt::print("{} {:<20} {} {}\n", name == head.branch ? '*' : ' ', name, short_hash(version),
                       store.manifest(version).message);
        return;
    }
    const versions::VersionStore::Lock lock(store);
    if (options.remove) return store.remove_branch(lock, options.name);
    if (store.branches().contains(options.name)) fail("{}: branch {} exists already", store.name(), options.name);
    store.set_branch(lock, options.name, store.resolve(options.reference));
}

void revert(const Options& options) {
    apply(options.common);
    versions::VersionStore store(options.store);
    const std::string version = store.resolve(options.reference);
    const std::string message = store.manifest(version).message;
    report(versions::revert(
               store, version,
               {.message = options.message.empty() ? fmt::format("Revert \"{}\"", message.substr(0, message.find('\n')))
                                                   : options.message}),
           options.common);
}

moe::ExpertId one_expert(const std::string& text, const std::string& where) {
    std::set<moe::ExpertId> experts;
    hooks::SteeringProfile::add_experts(experts, text, where);
    if (experts.size() != 1) fail("{}: one expert expected, as 3.17", where);
    return *experts.begin();
}

void export_one(const Options& options) {
    apply(options.common);
    const versions::VersionStore store(options.store);
    const std::string version = store.resolve(options.reference);
    const moe::ExpertId id = one_expert(options.expert, "export");
    versions::export_expert(store, version, id, options.out);
    if (options.common.quiet) return;
    fmt::print("expert {} of version {}, with its router row: {} ({})\n", versions::to_string(id), short_hash(version),
               options.out, human_bytes(static_cast<double>(std::filesystem::file_size(options.out))));
}

void import_one(const Options& options) {
    apply(options.common);
    versions::VersionStore store(options.store);
    versions::ImportOptions import{.foreign = options.foreign, .message = options.message};
    if (!options.to.empty()) import.to = one_expert(options.to, "--as");
    report(versions::import_expert(store, options.file, import), options.common);
}

// "3.17 4.1 … and 12 more"
template <typename Items, typename Name>
std::string listed(const Items& items, Name name) {
    constexpr size_t most = 8;
    std::string text;
    for (size_t i = 0; i < std::min(items.size(), most); ++i) text += " " + name(items[i]);
    if (items.size() > most) text += fmt::format(" and {} more", items.size() - most);
    return text;
}

Command add_command(Command experts, const char* name, const char* says, Options& options, bool with_model = false) {
    Command command = experts.add(name, says);
    add_common(command, options.common, with_model);
    command.option("store", options.store, "the store's directory").required();
    return command;
}

}  // namespace

std::string short_hash(const std::string& version) { return version.substr(0, 12); }

void print_committed(const versions::Committed& done) {
    fmt::print("version {} on {}\n", short_hash(done.version), done.branch.empty() ? "no branch" : done.branch);
    const auto id = [](moe::ExpertId e) { return versions::to_string(e); };
    if (!done.layers.empty())
        fmt::print("  layers of other sizes:{}\n", listed(done.layers, [](int l) { return std::to_string(l); }));
    if (!done.experts.empty())
        fmt::print("  weights of {} experts:{}\n", done.experts.size(), listed(done.experts, id));
    if (!done.rows.empty()) fmt::print("  {} router rows:{}\n", done.rows.size(), listed(done.rows, id));
    if (!done.tensors.empty())
        fmt::print("  {} other tensors:{}\n", done.tensors.size(),
                   listed(done.tensors, [](const std::string& name) { return name; }));
    fmt::print("  {} new in the store, {} files of weights\n", human_bytes(static_cast<double>(done.bytes)),
               done.objects);
    for (const std::string& note : done.notes) fmt::print("  note: {}\n", note);
}

Json to_json(const versions::Committed& done) {
    const auto names = [](const std::vector<moe::ExpertId>& ids) {
        Json list = Json::array();
        for (const moe::ExpertId id : ids) list.push_back(versions::to_string(id));
        return list;
    };
    return {{"version", done.version},        {"branch", done.branch},
            {"parent", done.parent},          {"layers", done.layers},
            {"experts", names(done.experts)}, {"rows", names(done.rows)},
            {"tensors", done.tensors},        {"notes", done.notes},
            {"objects", done.objects},        {"bytes", done.bytes}};
}

void add_commit_flags(Command command, CommitFlags& flags) {
    const Flag store = command.option("--commit", flags.store,
                                      "a store of versions whose HEAD is the opened model: the new one becomes its "
                                      "next version");
    command.option("--message", flags.message, "what the version is").needs(store);
}

CommitTarget::CommitTarget(const CommitFlags& flags, const Model& opened) : message_(flags.message) {
    if (flags.store.empty()) return;
    if (message_.empty()) fail("--commit: a --message is expected, which says what the version is");
    store_.emplace(flags.store);
    versions::require_head(*store_, opened);
}

void CommitTarget::commit(const Model& made, std::vector<std::string> provenance, bool says) {
    if (!store_) return;
    const versions::Committed done =
        versions::commit(*store_, made, {.message = message_, .provenance = std::move(provenance)});
    if (says) print_committed(done);
}

void add_experts_versions(Command experts) {
    auto options = std::make_shared<Options>();
    Command command = add_command(experts, "init", "Make a store of versions of a model", *options, true);
    command.run([=] { init(*options); });

    command = add_command(experts, "commit", "Put what a model has otherwise than HEAD into the store", *options, true);
    command.get("--model").required();
    command.option("--message", options->message, "what the version is").required();
    command.run([=] { commit_model(*options); });

    const char* reference = "HEAD, a branch or digits of a version, with ~N: N before it";
    command = add_command(experts, "checkout", "Make another version HEAD, and write it as a model", *options);
    command.option("reference", options->reference, reference).show_default();
    command.option("-o,--output", options->out, "NAME.gguf, otherwise a directory in Hugging Face layout");
    command.option("-b,--branch", options->name, "a new branch that begins there");
    command.run([=] { check_out(*options); });

    command = add_command(experts, "branch", "List branches, or begin or remove one", *options);
    command.option("name", options->name, "of a new branch");
    command.option("reference", options->reference, reference).show_default();
    command.flag("-d,--delete", options->remove, "remove it; gc then frees what no other has");
    command.run([=] { branch(*options); });

    command = add_command(experts, "revert", "A new version that undoes one", *options);
    command.option("reference", options->reference, reference).show_default();
    command.option("--message", options->message, "what the version is");
    command.run([=] { revert(*options); });

    command = add_command(experts, "export", "Write one expert, its router row and where they come from", *options);
    command.option("expert", options->expert, "LAYER.EXPERT").required();
    command.option("--from", options->reference, reference).show_default();
    command.option("-o,--output", options->out, "NAME.safetensors").required();
    command.run([=] { export_one(*options); });

    command = add_command(experts, "import", "Commit an expert that export has written", *options);
    command.option("file", options->file, "NAME.safetensors").required();
    command.option("--as", options->to, "LAYER.EXPERT (default: what it was)");
    command.flag("--foreign", options->foreign,
                 "also where it was made for another base model or beside other router rows");
    command.option("--message", options->message, "what the version is (default: as where it comes from)");
    command.run([=] { import_one(*options); });
}

}  // namespace gremium::cli
