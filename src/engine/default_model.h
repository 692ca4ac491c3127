// Finds the small default model that ships with Gremium.
#pragma once

#include <filesystem>

namespace gremium::engine {

// If the environment variable GREMIUM_MODELS is set, only the directory that it names is searched. Otherwise
// share/gremium/models and models are searched in each directory above the file that holds this code, which is the
// shared library or the program. Throws Error naming these places if there is no default model.
std::filesystem::path default_model_path();

}  // namespace gremium::engine
