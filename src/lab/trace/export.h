// Traces for other programs.
#pragma once

#include <filesystem>

#include "lab/trace/trace_directory.h"

namespace gremium::lab {

// jsonl: a line for each token and layer, as `run --trace` writes them (recorder.h). csv: a line for each choice:
//   position,token,layer,choice,expert,weight,margin,norm
// with expert −1 for a dropped choice, margin empty where it is infinite, norm only where the trace has norms.
enum class TraceFormat : uint8_t { jsonl, csv };
void export_trace(const DomainTrace& domain, const TraceDirectory& traces, const std::filesystem::path& to,
                  TraceFormat format);

}  // namespace gremium::lab
