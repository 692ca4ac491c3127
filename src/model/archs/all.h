// Every supported architecture; each is defined in the file of its name.
#pragma once

#include "base/error.h"
#include "model/archs/common.h"

namespace gremium::archs {

extern const Architecture llama, mixtral, qwen2, qwen3, qwen2moe, qwen3moe, olmoe, dots1, granitemoe, phimoe, gptoss,
    llama4, deepseek2, glm4moe, jamba, mamba, moe_mamba, switch_transformers, nllb_moe, lfm2, lfm2moe, qwen3next,
    qwen35, qwen35moe, granitehybrid, nemotron_h_moe, kimi_linear, bailingmoe3, minimax_m2, bailingmoe2, hy_v3,
    ernie4_5_moe, hunyuan_moe, mellum, qwen3vlmoe, exaone_moe, mimo2, smallthinker, cohere2moe, dbrx, arctic, grok,
    afmoe, laguna, step35, grovemoe;

}  // namespace gremium::archs
