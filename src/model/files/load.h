// Model files → model.
#pragma once

#include <filesystem>
#include <memory>

#include "model/model.h"

namespace gremium {

struct LoadOptions {
    moe::Residency experts = moe::Residency::mapped;
};

// A GGUF file (also the first of a split set) or a directory in Hugging Face layout. Throws Error:
// unreadable, unknown architecture (with those supported), tensors missing or of the wrong shape.
//
// Weights are views of the mapped files. Only tensors that files hold in another layout than kernels want are copied:
// matrices in another order (transposed or interleaved experts) in the file's own type, FP8 with its scales as bf16,
// MXFP4 pairs as 4.25 bits a weight, vectors and block-quantised matrices that lie transposed as f32.
std::shared_ptr<const Model> load_model(const std::filesystem::path& path, LoadOptions options = {});

// Tokenizer alone: also from a vocabulary-only GGUF or a directory that holds only tokenizer files.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::filesystem::path& path);

}  // namespace gremium
