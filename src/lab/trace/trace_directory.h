// A directory of traces of one model, one trace per domain (a named text):
//   trace.json        {"format": "gremium-trace-1", "model", "hash", "architecture", "domains":[{"name", "tokens"}…]}
//   NAME.trace        the trace of each domain (trace_file.h)
//   pieces.json       [[token, piece]…] of all tokens that occur; a piece is a string, or a list of bytes if they are
//                     not UTF-8
// and what is computed from them: statistics.json (statistics.h), saturation.json (saturation.h).
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "lab/trace/feed.h"
#include "lab/trace/trace_file.h"
#include "text/text_file.h"

namespace gremium::lab {

struct Domain {
    std::string name;                // letters, digits, '-', '_', '.', because it becomes a file name
    std::vector<std::string> files;  // paths or globs; a zero byte ends a document
};

struct TraceTextOptions {
    int64_t window = 0, max_tokens = 0;  // for each domain, as FeedOptions
    bool norms = false;
    engine::Arithmetic arithmetic = engine::Arithmetic::exact;
    moe::RoutingHook* steering = nullptr;  // applied while the texts are read; null: none
    TextNote note = {};
    std::string steering_name = {};  // added to the model's name: "default, steered (NAME)"
};

struct DomainTrace {
    std::string name;
    std::filesystem::path path;
    int64_t tokens = 0;
};

struct TraceDirectory {
    std::filesystem::path path;
    std::string model, architecture, hash;
    std::vector<DomainTrace> domains;
    std::vector<hooks::TraceLayer> layers;
    std::vector<std::string> pieces;  // by token; empty for those that do not occur
};

// Traces every domain. `on_domain` (may be null) hears of each when it is done. A domain whose text is at fault is left
// out: why is returned. Throws Error, and leaves nothing, where that is so of all.
std::vector<std::string> trace_domains(const Model& model, const std::vector<Domain>& domains,
                                       const std::filesystem::path& directory, const TraceTextOptions& options,
                                       const std::function<void(const Domain&, const Fed&)>& on_domain);

// Throws Error if the directory has no traces, or traces that do not belong together.
TraceDirectory open_traces(const std::filesystem::path& directory);

// Throws Error if a name is empty or has characters that are not allowed in it.
void require_domain_name(const std::string& name);

}  // namespace gremium::lab
