#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "base/error.h"
#include "formats/in_quotes.h"
#include "formats/safetensors/safetensors.h"

namespace gremium {
namespace {

std::string json_string(const std::string& text, const std::string& source) {
    try {
        return nlohmann::json(text).dump();
    } catch (const nlohmann::json::exception&) {
        fail("{}: {} is not valid UTF-8", source, in_quotes(text));
    }
}

bool is_bytes(const TensorDecl& tensor) { return info(tensor.dtype).safetensors.empty(); }

void check(const TensorDecl& tensor, std::set<std::string_view>& names, const std::string& source, BlockTypes blocks) {
    if (is_bytes(tensor) && blocks == BlockTypes::refuse)
        fail("{}: tensor {} is {}, which safetensors cannot hold", source, in_quotes(tensor.name),
             info(tensor.dtype).name);
    if (tensor.name == "__metadata__") fail("{}: no tensor can be named __metadata__", source);
    if (!names.insert(tensor.name).second) fail("{}: tensor {} is declared twice", source, in_quotes(tensor.name));
}

// "dtype":"F32","shape":[3,8]
std::string type_and_shape(const TensorDecl& tensor) {
    std::array<int64_t, Shape::max_rank> dim = tensor.shape.dim;
    const int rank = tensor.shape.rank;
    if (is_bytes(tensor)) dim.at(static_cast<size_t>(rank - 1)) = row_bytes(tensor.dtype, tensor.shape[rank - 1]);
    return fmt::format(R"("dtype":"{}","shape":[{}])", is_bytes(tensor) ? "U8" : info(tensor.dtype).safetensors,
                       fmt::join(dim.begin(), dim.begin() + rank, ","));
}

std::string header_of(const std::vector<TensorDecl>& tensors, SafetensorsMetadata metadata, const std::string& source,
                      BlockTypes blocks) {
    for (const TensorDecl& tensor : tensors)
        if (is_bytes(tensor)) metadata[tensor.name + ".type"] = info(tensor.dtype).name;
    std::string header = "{";
    std::string_view comma;
    if (!metadata.empty()) {
        header += "\"__metadata__\":{";
        for (const auto& [key, value] : metadata) {
            header += fmt::format("{}{}:{}", comma, json_string(key, source), json_string(value, source));
            comma = ",";
        }
        header += "}";
    }
    std::set<std::string_view> names;
    size_t offset = 0;
    for (const TensorDecl& tensor : tensors) {
        check(tensor, names, source, blocks);
        const size_t end = offset + checked_bytes(tensor, source);
        header += fmt::format(R"({}{}:{{{},"data_offsets":[{},{}]}})", comma, json_string(tensor.name, source),
                              type_and_shape(tensor), offset, end);
        comma = ",";
        offset = end;
    }
    header += "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const uint64_t size = header.size();
    return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + header;
}

}  // namespace

std::vector<TensorDecl> canonical_order(std::vector<TensorDecl> tensors) {
    std::ranges::sort(tensors, {},
                      [](const TensorDecl& t) { return std::tuple(-info(t.dtype).bytes, std::string_view(t.name)); });
    return tensors;
}

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorDecl> tensors,
                                     SafetensorsMetadata metadata, BlockTypes blocks)
    : TensorFileWriter(path, 1) {
    tensors = canonical_order(std::move(tensors));
    const std::string header = header_of(tensors, std::move(metadata), source_, blocks);
    start(std::move(tensors), header);
}

}  // namespace gremium
