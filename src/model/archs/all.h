// Every supported architecture; each is defined in the file of its name.
#pragma once

#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

extern const Architecture llama, mixtral, qwen2, qwen3, qwen2moe, qwen3moe, olmoe, dots1, granitemoe, phimoe, gptoss,
    llama4, deepseek2, glm4moe, jamba, mamba, moe_mamba, switch_transformers, nllb_moe, lfm2, lfm2moe, qwen3next,
    qwen35, qwen35moe, granitehybrid, nemotron_h_moe, kimi_linear, bailingmoe3;

}  // namespace gremium::archs
