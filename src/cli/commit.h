// Commits by the commands that make new models.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "cli/common.h"
#include "versions/versions.h"

namespace gremium::cli {

struct CommitFlags {
    std::string store, message;
};
void add_commit_flags(Command command, CommitFlags& flags);  // --commit, --message

// Where a new model is to be committed, if anywhere.
class CommitTarget {
  public:
    // Before the work. Error where the opened model is not what the store has checked out, where another program goes
    // on writing to the store, and for what else would only fail afterwards.
    CommitTarget(const CommitFlags& flags, const Model& opened);
    // Nothing where there is no store to commit to.
    std::optional<versions::Committed> commit(const Model& made, std::vector<std::string> provenance, bool says);

  private:
    std::optional<versions::VersionStore> store_;
    std::string message_, onto_;
};

void print_committed(const versions::Committed& done);
nlohmann::ordered_json to_json(const versions::Committed& done);
std::string short_hash(const std::string& version);

}  // namespace gremium::cli
