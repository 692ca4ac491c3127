// Sampling: what the user says counts, then what the model's files do.
#include "cli/common.h"

namespace gremium::cli {

engine::GenerateOptions generate_options(const Generation& generation, const Model& model) {
    engine::GenerateOptions options = generation.generate;
    engine::SamplerOptions& sampler = options.sampler;
    const auto adopt = [&](const char* flag, const auto& said, auto& value) {
        if (said && !(generation.said && generation.said(flag))) value = *said;
    };
    const SamplingDefaults& files = model.sampling;
    adopt("--temp", files.temperature, sampler.temperature);
    adopt("--top-k", files.top_k, sampler.top_k);
    adopt("--top-p", files.top_p, sampler.top_p);
    adopt("--min-p", files.min_p, sampler.min_p);
    adopt("--repeat-penalty", files.repetition_penalty, sampler.repetition_penalty);
    adopt("--repeat-last-n", files.repetition_window, sampler.repetition_window);
    return options;
}

}  // namespace gremium::cli
