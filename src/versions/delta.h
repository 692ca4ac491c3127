// One expert as a file that can be given away: its weights, its row of the router, and where both come from.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "versions/versions.h"

namespace gremium::versions {

// A safetensors file; what stands in its metadata: docs/versions.md.
void export_expert(const VersionStore& store, const std::string& version, moe::ExpertId id,
                   const std::filesystem::path& path);

// Such a file, read and checked against itself. Throws Error, naming it, where its hashes are not those of its bytes.
struct Delta {
    std::string base, version, router, message, provenance;
    moe::ExpertId id;
    Piece weights, row;
    ExpertState hashes;
};
Delta read_delta(const std::filesystem::path& path);

struct ImportOptions {
    std::optional<moe::ExpertId> to = {};  // otherwise where it was
    // Also where it was made for another base model or beside other router rows, if only its shapes fit; the new
    // version then says so. Without, such a file is refused.
    bool foreign = false;
    std::string message = {};  // otherwise that of the version it comes from
};
// Weights and row together, as HEAD's next version. Errors: damaged, not what its metadata say, of other shapes.
Committed import_expert(VersionStore& store, const std::filesystem::path& path, const ImportOptions& options);

}  // namespace gremium::versions
