// Models and stores for tests of versions.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "base/error.h"
#include "lab/edit/draft.h"
#include "lab/edit/edits.h"
#include "model/files/save.h"
#include "tests/model/tiny_model.h"
#include "tests/temporary_directory.h"
#include "versions/versions.h"

namespace gremium::versions {

using Folder = test::TemporaryDirectory;

inline std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_file(const std::filesystem::path& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
}

inline std::string error_of(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.what();
    }
    return "nothing was refused";
}

// A tiny model's file.
inline std::filesystem::path write_model(const std::filesystem::path& path, const std::string& architecture,
                                         uint64_t seed = 1) {
    save_model(*test::tiny_model(architecture, {}, seed), path);
    return path;
}

using namespace lab;
using Edits = std::function<void(Draft&)>;
// What a version is with edits applied.
inline std::shared_ptr<const Model> edited(std::shared_ptr<const Model> model, const Edits& edits) {
    Draft draft(std::move(model));
    edits(draft);
    return draft.model();
}
inline std::shared_ptr<const Model> head_of(const VersionStore& store) {
    return open_version(store, store.head().version);
}
inline Committed commit_edits(VersionStore& store, const std::string& message, const Edits& edits) {
    return commit(store, *edited(head_of(store), edits), {.message = message});
}

}  // namespace gremium::versions
