// Tiny models as files, which is what the door opens.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gremium/error.hpp>

#include "model/files/load.h"
#include "model/files/save.h"
#include "tests/model/tiny_model.h"
#include "tests/temporary_directory.h"

namespace gremium::api::test {

using gremium::test::random_tokens;

// Its files by the names that the door takes.
class Folder : public gremium::test::TemporaryDirectory {
  public:
    std::string operator/(const std::string& name) const { return (path() / name).string(); }
};

inline std::string write_model(const std::string& path, const std::string& architecture = "mixtral",
                               uint64_t seed = 1) {
    save_model(*gremium::test::tiny_model(architecture, {}, seed), path);
    return path;
}

// The same model with one expert changed.
inline std::string write_changed_model(const std::string& path) {
    const ModelSpec spec = gremium::test::tiny_spec("mixtral");
    const auto tensors = gremium::test::tiny_tensors(spec);
    const gremium::Tensor up = tensors->at("blk.1.ffn_up_exps.weight").get().at(3);
    for (int64_t i = 0; i < up.count(); ++i) up.f32()[i] *= 1.5f;
    save_model(*gremium::test::tiny_model(spec, tensors), path);
    return path;
}

// The model with a chat template.
inline std::string write_talking_model(const std::string& path) {
    const auto model = gremium::test::tiny_model("mixtral");
    Vocabulary vocabulary = gremium::test::tiny_vocabulary(model->spec.vocab);
    vocabulary.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}</s>{% endfor %}assistant:";
    model->tokenizer = make_tokenizer(vocabulary);
    save_model(*model, path);
    return path;
}

// Whole characters of UTF-8 text.
inline std::vector<std::string> characters(const std::string& text) {
    std::vector<std::string> all;
    for (const char c : text) {
        if (all.empty() || (static_cast<unsigned char>(c) & 0xC0) != 0x80) all.emplace_back();
        all.back() += c;
    }
    return all;
}

inline std::string error_of(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.what();
    }
    return "nothing was refused";
}

}  // namespace gremium::api::test
