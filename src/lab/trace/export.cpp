#include "lab/trace/export.h"

#include <fmt/format.h>

#include <cmath>
#include <span>

#include "base/atomic_file.h"
#include "hooks/recorder.h"

namespace gremium::lab {
namespace {

template <typename T>
std::span<const T> of_token(const std::vector<T>& all_Tk, size_t t, size_t k) {
    return all_Tk.empty() ? std::span<const T>() : std::span(all_Tk).subspan(t * k, k);
}

std::string csv_lines(const hooks::RouteEvent& e) {
    const std::string margin = std::isfinite(e.margin) ? fmt::format("{}", e.margin) : "";
    std::string lines;
    for (size_t j = 0; j < e.experts.size(); ++j) {
        lines +=
            fmt::format("{},{},{},{},{},{},{}", e.position, e.token, e.layer, j, e.experts[j], e.weights[j], margin);
        lines += e.norms.empty() ? "\n" : fmt::format(",{}\n", e.norms[j]);
    }
    return lines;
}

}  // namespace

void export_trace(const DomainTrace& domain, const TraceDirectory& traces, const std::filesystem::path& to,
                  TraceFormat format) {
    TraceReader reader(domain.path);
    AtomicFile file(to);
    const bool norms = reader.header().norms;
    if (format == TraceFormat::csv)
        file.write(fmt::format("position,token,layer,choice,expert,weight,margin{}\n", norms ? ",norm" : ""));
    hooks::TraceBlock block;
    while (reader.next(block)) {
        for (size_t t = 0; t < block.size(); ++t) {
            for (size_t r = 0; r < block.layers.size(); ++r) {
                const hooks::TraceBlock::Layer& layer = block.layers[r];
                const auto k = static_cast<size_t>(layer.top_k);
                const hooks::RouteEvent event{traces.layers[r].layer,
                                              block.positions[t],
                                              block.tokens[t],
                                              of_token(layer.ids_Tk, t, k),
                                              of_token(layer.weights_Tk, t, k),
                                              layer.margin_T[t],
                                              of_token(layer.norms_Tk, t, k)};
                const std::string& piece = traces.pieces[static_cast<size_t>(event.token)];
                file.write(format == TraceFormat::csv ? csv_lines(event) : to_json_line(event, piece) + "\n");
            }
        }
    }
    file.commit();
}

}  // namespace gremium::lab
