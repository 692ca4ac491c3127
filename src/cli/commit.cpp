#include "cli/commit.h"

#include <fmt/format.h>

#include "base/error.h"

namespace gremium::cli {
namespace {

// "3.17 4.1 … and 12 more"
template <typename Items, typename Name>
std::string listed(const Items& items, Name name) {
    constexpr size_t most = 8;
    std::string text;
    for (size_t i = 0; i < std::min(items.size(), most); ++i) text += " " + name(items[i]);
    if (items.size() > most) text += fmt::format(" and {} more", items.size() - most);
    return text;
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

nlohmann::ordered_json to_json(const versions::Committed& done) {
    const auto names = [](const std::vector<moe::ExpertId>& ids) {
        nlohmann::ordered_json list = nlohmann::ordered_json::array();
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
                                      "add the new model to this directory of versions; its HEAD must be the opened "
                                      "model, also when the work is done");
    command.option("--message", flags.message, "with --commit: description of the version").needs(store);
}

CommitTarget::CommitTarget(const CommitFlags& flags, const Model& opened) : message_(flags.message) {
    if (flags.store.empty()) return;
    if (message_.empty()) fail("--commit: a --message is expected, which says what the version is");
    versions::checked_message(message_);
    store_.emplace(flags.store);
    { const versions::VersionStore::Lock free_and_writable(*store_); }
    onto_ = versions::require_head(*store_, opened);
}

std::optional<versions::Committed> CommitTarget::commit(const Model& made, std::vector<std::string> provenance,
                                                        bool says) {
    if (!store_) return std::nullopt;
    versions::Committed done =
        versions::commit(*store_, made, {.message = message_, .provenance = std::move(provenance), .onto = onto_});
    if (says) print_committed(done);
    return done;
}

}  // namespace gremium::cli
