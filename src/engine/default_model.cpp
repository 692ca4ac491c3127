#include "engine/default_model.h"

#include <system_error>

#include "base/error.h"

namespace gremium::engine {

std::filesystem::path default_model_path() {
    static constexpr const char* file = "default.gguf";
    std::error_code error;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
    const std::filesystem::path installed = program.parent_path().parent_path() / "share/gremium/models" / file;
    if (!program.empty() && std::filesystem::exists(installed, error)) return installed;
    const std::filesystem::path in_source = std::filesystem::path(GREMIUM_MODELS_DIR) / file;
    if (std::filesystem::exists(in_source, error)) return in_source;
    fail("the default model is neither {} nor {}; name a model with -m", installed.string(), in_source.string());
}

}  // namespace gremium::engine
