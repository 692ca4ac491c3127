// What a version is, and the small text that says so (docs/versions.md).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/spec/spec.h"
#include "moe/store/contract.h"

namespace gremium::versions {

// Of a layer with experts.
struct LayerState {
    int experts = 0, used = 0, width = 0;
    std::string router;  // the fingerprint of the rows of all its experts: an expert was made beside these
    friend bool operator==(const LayerState&, const LayerState&) = default;
};
struct ExpertState {
    std::string weights, row;  // hashes of pieces (version_piece.h), which belong together
    friend bool operator==(const ExpertState&, const ExpertState&) = default;
};
// A whole model by the hashes of its pieces, or what of it is otherwise than in the base model.
struct VersionState {
    std::map<int, LayerState> layers;
    std::map<moe::ExpertId, ExpertState> experts;
    std::map<std::string, std::string> tensors;
    friend bool operator==(const VersionState&, const VersionState&) = default;
};

std::string router_fingerprint(const VersionState& state, int layer);
// The same without an expert's own row: what an expert that is exchanged meets.
std::string router_around(const VersionState& state, moe::ExpertId id);

VersionState changes(const VersionState& base, const VersionState& whole);
// The inverse. Throws Error, naming `source`, where an expert is missing or a layer's rows are not those that its
// experts were made beside.
VersionState complete(const VersionState& base, const VersionState& changes, const std::string& source);

// The model's specification with so many experts. Throws Error for layers that have none.
ModelSpec with_layers(ModelSpec spec, const VersionState& state, const std::string& source);

struct Manifest {
    std::string base;                          // model_hash of the base model
    std::string parent = {};                   // a version, or empty for the first
    std::string date = {};                     // 2026-01-31T23:59:59Z
    std::string message = {};                  // lines
    std::vector<std::string> provenance = {};  // how it was made, a line each
    VersionState state = {};                   // changes; of a base model, the whole
};
std::string to_text(const Manifest& manifest);
// Accepts exactly what to_text writes; throws Error naming `source` and the line.
Manifest parse_manifest(std::string_view text, const std::string& source);

bool is_content_hash(std::string_view text);  // 32 lower-case hexadecimal digits
// Text without control characters and other than spaces between words, for one line of a manifest.
std::string one_line(std::string_view text);
std::string to_string(moe::ExpertId id);  // "3.17"

}  // namespace gremium::versions
