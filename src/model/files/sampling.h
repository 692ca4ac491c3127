// Sampling defaults as files say them: GGUF's general.sampling keys, generation_config.json.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

#include "formats/hugging_face/hf.h"
#include "formats/metadata.h"
#include "model/sampling.h"

namespace gremium {

// What is out of range is not used; a warning says so.
SamplingDefaults read_sampling(const Metadata& metadata, std::vector<std::string>& warnings);
SamplingDefaults read_sampling(const HfConfig& generation, std::vector<std::string>& warnings);
void write_sampling(const SamplingDefaults& sampling, Metadata& metadata);
void write_sampling(const SamplingDefaults& sampling, nlohmann::ordered_json& generation);

}  // namespace gremium
