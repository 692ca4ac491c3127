// gremium versions init, commit, checkout, branch, revert, export, import: versions of a model.
#include "cli/versions.h"

#include <filesystem>

#include "base/error.h"
#include "base/printable.h"
#include "cli/commit.h"
#include "cli/common.h"
#include "hooks/steering_profile.h"
#include "lab/edit/draft.h"
#include "model/files/load.h"
#include "versions/delta.h"

namespace gremium::cli {
namespace {

using Json = nlohmann::ordered_json;

struct VersionsArguments {
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

void print_json(const Json& json) { fmt::print("{}\n", to_text(json)); }

void init(const VersionsArguments& options) {
    apply(options.common);
    const versions::VersionStore store = versions::create_versions(options.store, model_path(options.common));
    const versions::VersionState& state = store.base().state;
    if (options.common.json)
        return print_json({{"store", store.name()},
                           {"base", store.base_model().string()},
                           {"hash", store.base().base},
                           {"experts", state.experts.size()},
                           {"layers", state.layers.size()},
                           {"version", store.head().version},
                           {"branch", store.head().branch}});
    if (options.common.quiet) return;
    fmt::print("{}: versions of {} ({}), {} experts in {} layers; its file stays as it is\n", store.name(),
               store.base_model().string(), short_hash(store.base().base), state.experts.size(), state.layers.size());
    fmt::print("version {} on main is that model\n", short_hash(store.head().version));
}

void commit_model(const VersionsArguments& options) {
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

void check_out(const VersionsArguments& options) {
    apply(options.common);
    versions::VersionStore store(options.store);
    const std::string version = store.resolve(options.reference);
    if (!options.out.empty()) {
        const auto model = versions::open_version(store, version);
        lab::save_edited(*model, options.out, store.base_model());
        compare_written(options.out, *model);
    }
    if (!options.name.empty()) {
        const versions::VersionStore::Lock lock(store);
        if (store.branches().contains(options.name)) fail("{}: branch {} exists already", store.name(), options.name);
        store.set_branch(lock, options.name, version);
    }
    versions::check_out(store, options.name.empty() ? options.reference : options.name);
    const versions::VersionStore::Head head = store.head();
    if (options.common.json)
        return print_json({{"version", version}, {"branch", head.branch}, {"written", options.out}});
    if (options.common.quiet) return;
    fmt::print("{} is at version {}{}\n", store.name(), short_hash(version),
               head.branch.empty() ? ", on no branch: gc would take what is committed here once HEAD leaves it"
                                   : " on branch " + head.branch);
    if (!options.out.empty()) fmt::print("written: {}\n", options.out);
}

void list_branches(const versions::VersionStore& store, bool json) {
    const versions::VersionStore::Head head = store.head();
    Json list = Json::array();
    for (const auto& [name, version] : store.branches()) {
        const std::string message = store.manifest(version).message;
        list.push_back({{"branch", name}, {"version", version}, {"message", message}, {"head", name == head.branch}});
        if (!json)
            fmt::print("{} {:<20} {} {}\n", name == head.branch ? '*' : ' ', name, short_hash(version),
                       first_line(message));
    }
    if (json) print_json(list);
}

void branch(const VersionsArguments& options) {
    versions::VersionStore store(options.store);
    if (options.name.empty()) return list_branches(store, options.common.json);
    const versions::VersionStore::Lock lock(store);
    std::string version;
    if (options.remove) {
        version = store.resolve(options.name);
        store.remove_branch(lock, options.name);
    } else {
        if (store.branches().contains(options.name)) fail("{}: branch {} exists already", store.name(), options.name);
        version = store.resolve(options.reference);
        store.set_branch(lock, options.name, version);
    }
    if (options.common.json) print_json({{"branch", options.name}, {"version", version}, {"deleted", options.remove}});
}

void revert(const VersionsArguments& options) {
    apply(options.common);
    versions::VersionStore store(options.store);
    const std::string version = store.resolve(options.reference);
    std::string message = options.message;
    if (message.empty()) message = fmt::format("Revert \"{}\"", first_line(store.manifest(version).message));
    report(versions::revert(store, version, {.message = message}), options.common);
}

moe::ExpertId one_expert(const std::string& text, const std::string& where) {
    std::set<moe::ExpertId> experts;
    hooks::SteeringProfile::add_experts(experts, text, where);
    if (experts.size() != 1) fail("{}: one expert expected, as 3.17", where);
    return *experts.begin();
}

void export_one(const VersionsArguments& options) {
    apply(options.common);
    const versions::VersionStore store(options.store);
    const std::string version = store.resolve(options.reference);
    const moe::ExpertId id = one_expert(options.expert, "export");
    versions::export_expert(store, version, id, options.out);
    if (options.common.json)
        return print_json({{"expert", versions::to_string(id)}, {"version", version}, {"written", options.out}});
    if (options.common.quiet) return;
    fmt::print("expert {} of version {}, with its router row: {} ({})\n", versions::to_string(id), short_hash(version),
               options.out, human_bytes(static_cast<double>(std::filesystem::file_size(options.out))));
}

void import_one(const VersionsArguments& options) {
    apply(options.common);
    versions::VersionStore store(options.store);
    versions::ImportOptions import{.foreign = options.foreign, .message = options.message};
    if (!options.to.empty()) import.to = one_expert(options.to, "--as");
    report(versions::import_expert(store, options.file, import), options.common);
}

Command add_command(Command parent, const char* name, const char* says, VersionsArguments& options,
                    bool with_model = false) {
    Command command = parent.add(name, says);
    add_common(command, options.common, with_model);
    command.option("store", options.store, "directory of the versions").required();
    return command;
}

}  // namespace

void add_versions(Command app) {
    Command command =
        app.add("versions", "Keep versions of a model: commit, compare, go back, branch, and exchange single experts");
    command.needs_subcommand();
    add_version_verbs(command);
    command.examples(
        {"gremium versions init -m model.gguf store",
         "gremium experts apply -m store --edit 'reset expert=3.17' --commit store --message \"Without 3.17\"",
         "gremium versions log store"});
}

void add_version_verbs(Command parent) {
    add_changing_verbs(parent);
    add_looking_verbs(parent);
}

void add_changing_verbs(Command parent) {
    auto options = std::make_shared<VersionsArguments>();
    Command command = add_command(parent, "init", "Make a store of versions of a model", *options, true);
    command.examples({"gremium versions init -m model.gguf store"});
    command.run([=] { init(*options); });

    command = add_command(parent, "commit", "Add a changed model as the next version", *options, true);
    command.get("--model").required();
    command.option("--message", options->message, "description of the version").required();
    command.examples({"gremium versions commit store -m changed.gguf --message \"Fine-tuned on letters\""});
    command.run([=] { commit_model(*options); });

    const char* reference = "a version: HEAD, a branch or the first digits of a version; ~N: N versions before it";
    command = add_command(parent, "checkout", "Go to another version, and write it as a model", *options);
    command.option("reference", options->reference, reference).show_default();
    command.option("-o,--output", options->out,
                   "the model to write: NAME.gguf, otherwise a directory in Hugging Face layout");
    command.option("-b,--branch", options->name, "begin a new branch there");
    command.examples({"gremium versions checkout store main~1 -o before.gguf"});
    command.run([=] { check_out(*options); });

    command = add_command(parent, "branch", "List branches; with a name: begin one, or delete it", *options);
    command.option("name", options->name, "name of the branch");
    command.option("reference", options->reference, reference).show_default();
    command.flag("-d,--delete", options->remove, "delete the branch; 'gc' then frees what no other branch needs");
    command.examples({"gremium versions branch store", "gremium versions branch store trial main~1"});
    command.run([=] { branch(*options); });

    command = add_command(parent, "revert", "Add a version that undoes another one", *options);
    command.option("reference", options->reference, reference).show_default();
    command.option("--message", options->message, "description of the new version");
    command.examples({"gremium versions revert store HEAD"});
    command.run([=] { revert(*options); });

    command = add_command(parent, "export", "Write one expert with its router row to a file", *options);
    command.option("expert", options->expert, "LAYER.EXPERT").required();
    command.option("--from", options->reference, reference).show_default();
    command.option("-o,--output", options->out, "NAME.safetensors").required();
    command.examples({"gremium versions export store 3.17 -o expert.safetensors"});
    command.run([=] { export_one(*options); });

    command = add_command(parent, "import", "Add a version with an expert that 'export' wrote", *options);
    command.option("file", options->file, "NAME.safetensors").required();
    command.option("--as", options->to, "LAYER.EXPERT to replace (default: the one it was)");
    command.flag("--foreign", options->foreign,
                 "also if the expert comes from another base model, or from beside other router rows");
    command.option("--message", options->message, "description of the version (default: that of where it comes from)");
    command.examples({"gremium versions import store expert.safetensors"});
    command.run([=] { import_one(*options); });
}

}  // namespace gremium::cli
