// The small model that ships with Gremium.
#pragma once

#include <filesystem>

namespace gremium::engine {

// Looked for beside the installed program (../share/gremium/models), then where the source tree has it.
// Throws Error naming both places when it is in neither.
std::filesystem::path default_model_path();

}  // namespace gremium::engine
