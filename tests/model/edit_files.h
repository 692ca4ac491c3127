// Model files with something changed in them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/session.h"
#include "formats/gguf/gguf.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"

namespace gremium::test {

// The tensors of a GGUF file by the names they are to have; names may be added and removed.
using NamedViews = std::vector<std::pair<std::string, TensorView>>;
using EditGguf = std::function<void(Metadata& metadata, NamedViews& tensors)>;

inline void edit_gguf(const std::filesystem::path& from, const std::filesystem::path& to, const EditGguf& edit) {
    GgufFile file = open_gguf(from);
    NamedViews tensors;
    for (const TensorEntry& entry : file.tensors) tensors.emplace_back(entry.name, entry.view);
    edit(file.metadata, tensors);
    std::vector<TensorDecl> decls;
    for (const auto& [name, view] : tensors) decls.push_back({name, view.dtype, view.shape});
    GgufWriter writer(to, file.metadata, decls);
    for (const auto& [name, view] : tensors) writer.write(name, view);
    writer.finish();
}

inline std::string own_key(const Metadata& metadata, const std::string& name) {
    return metadata.require<std::string>("general.architecture") + "." + name;
}

using Rows = std::vector<std::vector<double>>;

inline Rows outputs_of(std::shared_ptr<const Model> model) {
    const auto tokens = random_tokens(model->spec.vocab, 12);
    return all_logprobs(std::move(model), tokens);
}

// Whether a line of them has the words.
inline bool says(const std::vector<std::string>& lines, const std::string& words) {
    return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(words) != std::string::npos; });
}

// What the error says that the call throws; "" without one.
inline std::string error_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "";
}

}  // namespace gremium::test
