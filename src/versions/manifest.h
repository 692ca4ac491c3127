// The contents of a version, and its manifest, the small text that lists them (docs/versions.md).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/spec/spec.h"
#include "moe/store/contract.h"

namespace gremium::versions {

// A layer with experts.
struct LayerState {
    int experts = 0, used = 0, width = 0;
    std::string router;  // router_fingerprint: the router rows beside which its experts were made
    friend bool operator==(const LayerState&, const LayerState&) = default;
};
struct ExpertState {
    std::string weights, row;  // hashes of pieces (pieces.h), which belong together
    friend bool operator==(const ExpertState&, const ExpertState&) = default;
};
// A whole model as the hashes of its pieces; or only those that differ from the base model.
struct VersionState {
    std::map<int, LayerState> layers;
    std::map<moe::ExpertId, ExpertState> experts;
    std::map<std::string, std::string> tensors;
    friend bool operator==(const VersionState&, const VersionState&) = default;
};

// The hash of the router rows of all experts of a layer.
std::string router_fingerprint(const VersionState& state, int layer);
// The same without one expert's own row: the rows that a replacement of this expert would stand beside.
std::string router_around(const VersionState& state, moe::ExpertId id);

VersionState changes(const VersionState& base, const VersionState& whole);
// The inverse. Throws Error naming `source` if an expert is missing, or if a layer's router rows are not those beside
// which its experts were made.
VersionState complete(const VersionState& base, const VersionState& changes, const std::string& source);

// The model's specification with the numbers of experts of `state`. Throws Error for layers that have no experts.
ModelSpec with_layers(ModelSpec spec, const VersionState& state, const std::string& source);

struct Manifest {
    std::string base;                          // model_hash of the base model
    std::string parent = {};                   // the version before it; empty for the first
    std::string date = {};                     // 2026-01-31T23:59:59Z
    std::string message = {};                  // may have several lines
    std::vector<std::string> provenance = {};  // how it was made, in lines
    VersionState state = {};                   // the changes; for a base model, everything
};
std::string to_text(const Manifest& manifest);
// Accepts exactly what to_text writes; throws Error naming `source` and the line.
Manifest parse_manifest(std::string_view text, const std::string& source);

// 32 lower-case hexadecimal digits.
bool is_content_hash(std::string_view text);
// The text without control characters, with single spaces between words, for one line of a manifest.
std::string one_line(std::string_view text);
// "3.17".
std::string to_string(moe::ExpertId id);

}  // namespace gremium::versions
