// The small model that ships with Gremium.
#pragma once

#include <filesystem>

namespace gremium::engine {

// Looked for in the folder that the environment variable GREMIUM_MODELS names, if it is set. Otherwise in
// share/gremium/models and models of each folder above the program, or above the shared library where this is in one.
// Throws Error that says so when it is nowhere.
std::filesystem::path default_model_path();

}  // namespace gremium::engine
