// Opening GGUF files, one or several that are one model.
#include <filesystem>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "formats/gguf/gguf.h"

namespace gremium {
namespace {

GgufFile open_one(const std::filesystem::path& path) {
    auto map = std::make_shared<const MappedFile>(path);
    GgufFile file = parse_gguf(map->bytes(), path.string());
    file.tensors.keep_alive(std::move(map));
    return file;
}

// "PREFIX-00002-of-00003.gguf" → "PREFIX"; Error when the path does not end so.
std::string split_prefix(const std::string& path, uint32_t part, uint32_t parts) {
    const std::string suffix = fmt::format("-{:05}-of-{:05}.gguf", part, parts);
    if (!path.ends_with(suffix))
        fail("{}: is part {} of a model split into {} files, so its name was expected to end in {}", path, part, parts,
             suffix);
    return path.substr(0, path.size() - suffix.size());
}

void check_part(const GgufFile& file, uint32_t part, uint32_t parts) {
    const auto number = file.metadata.require<uint32_t>("split.no");
    const auto count = file.metadata.require<uint32_t>("split.count");
    if (number != part || count != parts)
        fail("{}: split.no is {} and split.count {}, expected {} and {}", file.metadata.source(), number, count, part,
             parts);
}

}  // namespace

GgufFile open_gguf(const std::filesystem::path& path) {
    GgufFile opened = open_one(path);
    const auto parts = opened.metadata.get<uint32_t>("split.count", 1);
    if (parts <= 1) return opened;
    const auto opened_part = opened.metadata.require<uint32_t>("split.no");
    if (opened_part >= parts)
        fail("{}: split.no is {}, expected less than split.count, {}", path.string(), opened_part, parts);
    const std::string prefix = split_prefix(path.string(), opened_part + 1, parts);

    const auto part = [&](uint32_t i) {
        if (i == opened_part) return std::move(opened);
        return open_one(fmt::format("{}-{:05}-of-{:05}.gguf", prefix, i + 1, parts));
    };
    GgufFile model = part(0);  // has the metadata of all
    check_part(model, 0, parts);
    for (uint32_t i = 1; i < parts; ++i) {
        GgufFile next = part(i);
        check_part(next, i, parts);
        model.tensors.merge(std::move(next.tensors));
    }
    const auto expected = model.metadata.get<uint64_t>("split.tensors.count", model.tensors.size());
    if (model.tensors.size() != expected)
        fail("{}: the parts hold {} tensors, expected {}", path.string(), model.tensors.size(), expected);
    for (const char* key : {"split.no", "split.count", "split.tensors.count"}) model.metadata.erase(key);
    return model;
}

}  // namespace gremium
