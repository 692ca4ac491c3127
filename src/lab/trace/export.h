// Export of traces for other programs.
#pragma once

#include <filesystem>

#include "lab/trace/trace_directory.h"

namespace gremium::lab {

// jsonl: one line per token and layer, as `run --trace` writes them (recorder.h). csv: one line per choice:
//   position,token,layer,choice,expert,weight,margin,norm
// with expert −1 for a dropped choice, an empty margin if it is infinite, and norm only if the trace has norms.
enum class TraceFormat : uint8_t { jsonl, csv };
void export_trace(const DomainTrace& domain, const TraceDirectory& traces, const std::filesystem::path& to,
                  TraceFormat format);

}  // namespace gremium::lab
