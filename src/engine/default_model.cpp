#include "engine/default_model.h"

#include <dlfcn.h>
#include <link.h>

#include <cstdlib>
#include <system_error>

#include "base/error.h"

namespace gremium::engine {
namespace {

namespace fs = std::filesystem;

constexpr const char* file = "default.gguf";

bool is_there(const fs::path& path) {
    std::error_code error;
    return fs::exists(path, error);
}

// The file that this function was loaded from: the shared library, or the program.
fs::path code_file() {
    static const char here = 0;
    Dl_info info;
    link_map* map = nullptr;
    std::error_code error;
    if (dladdr1(&here, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP) && map && map->l_name[0] != '\0')
        return fs::absolute(map->l_name, error);
    return fs::read_symlink("/proc/self/exe", error);
}

}  // namespace

fs::path default_model_path() {
    if (const char* folder = std::getenv("GREMIUM_MODELS"); folder && *folder) {
        if (is_there(fs::path(folder) / file)) return fs::path(folder) / file;
        fail("GREMIUM_MODELS={}: there is no {}", folder, file);
    }
    const fs::path code = code_file();
    for (fs::path folder = code.parent_path();; folder = folder.parent_path()) {
        for (const char* models : {"share/gremium/models", "models"})
            if (is_there(folder / models / file)) return folder / models / file;
        if (!folder.has_relative_path()) break;
    }
    fail(
        "the default model is not there: no folder above {} has models/{} or share/gremium/models/{}; name a model, or "
        "the folder that holds {} with GREMIUM_MODELS",
        code.string(), file, file, file);
}

}  // namespace gremium::engine
