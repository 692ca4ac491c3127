// Export and import of one expert as a file: its weights, its router row, and where both come from.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "versions/versions.h"

namespace gremium::versions {

// Writes a safetensors file; docs/versions.md describes its metadata.
void export_expert(const VersionStore& store, const std::string& version, moe::ExpertId id,
                   const std::filesystem::path& path);

// Reads such a file and checks its hashes. Throws Error naming the file if they do not match its bytes.
struct Delta {
    std::string base, version, router, message, provenance;
    moe::ExpertId id;
    Piece weights, row;
    ExpertState hashes;
};
Delta read_delta(const std::filesystem::path& path);

struct ImportOptions {
    // Where to put it; none: where it was.
    std::optional<moe::ExpertId> to = {};
    // Accept an expert that was made for another base model or beside other router rows, if its shapes fit; the new
    // version notes it. Otherwise such a file is refused.
    bool foreign = false;
    // Empty: the message of the version it comes from.
    std::string message = {};
};
// Commits weights and router row as HEAD's next version. Throws Error: the file is damaged, contradicts its metadata,
// or has other shapes.
Committed import_expert(VersionStore& store, const std::filesystem::path& path, const ImportOptions& options);

}  // namespace gremium::versions
