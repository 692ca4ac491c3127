#include <set>

#include "base/error.h"
#include "formats/gguf/format.h"
#include "formats/gguf/gguf.h"
#include "formats/in_quotes.h"

namespace gremium {
namespace {

template <typename T>
void append(std::string& out, const T& value) {
    static_assert(std::is_arithmetic_v<T> && sizeof(bool) == 1);
    out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}
void append(std::string& out, const std::string& text) {
    append(out, uint64_t{text.size()});
    out += text;
}
template <typename T>
void append(std::string& out, const std::vector<T>& values) {
    append(out, uint64_t{values.size()});
    for (const T& value : values) append(out, value);
}
void append(std::string& out, std::monostate) { append(out, uint64_t{0}); }
void append(std::string& out, const MetaArray& array) {
    append(out, static_cast<uint32_t>(array.index()));
    std::visit([&](const auto& values) { append(out, values); }, array);
}
void append(std::string& out, const MetaValue& value) {
    append(out, static_cast<uint32_t>(value.index()));
    std::visit([&](const auto& v) { append(out, v); }, value);
}

void check(const TensorDecl& tensor, std::set<std::string_view>& names, const std::string& source) {
    if (tensor.name.empty() || tensor.name.size() > gguf::max_tensor_name)
        fail("{}: tensor name {} has {} bytes, GGUF allows 1 to {}", source, in_quotes(tensor.name), tensor.name.size(),
             gguf::max_tensor_name);
    if (!names.insert(tensor.name).second) fail("{}: tensor {} is declared twice", source, in_quotes(tensor.name));
    if (info(tensor.dtype).ggml_type < 0)
        fail("{}: tensor {} is {}, which GGUF cannot hold", source, in_quotes(tensor.name), info(tensor.dtype).name);
    if (checked_bytes(tensor, source) == 0)
        fail("{}: tensor {} is empty, which GGUF does not allow", source, in_quotes(tensor.name));
}

void append_tensor_info(std::string& out, const TensorDecl& tensor, uint64_t offset) {
    append(out, tensor.name);
    append(out, static_cast<uint32_t>(std::max(tensor.shape.rank, 1)));
    for (int i = tensor.shape.rank; i-- > 0;) append(out, tensor.shape[i]);  // the contiguous dimension first
    if (tensor.shape.rank == 0) append(out, int64_t{1});
    append(out, static_cast<uint32_t>(info(tensor.dtype).ggml_type));
    append(out, offset);
}

std::string header_of(const Metadata& metadata, const std::vector<TensorDecl>& tensors, const std::string& source) {
    std::string header(gguf::magic);
    append(header, gguf::version);
    append(header, uint64_t{tensors.size()});
    append(header, uint64_t{metadata.size()});
    for (const auto& [key, value] : metadata) {
        append(header, key);
        append(header, value);
    }
    const size_t alignment = gguf::alignment(metadata);
    std::set<std::string_view> names;
    uint64_t offset = 0;
    for (const TensorDecl& tensor : tensors) {
        check(tensor, names, source);
        append_tensor_info(header, tensor, offset);
        offset += gguf::align_up(checked_bytes(tensor, source), alignment);
    }
    return header;
}

}  // namespace

GgufWriter::GgufWriter(const std::filesystem::path& path, const Metadata& metadata, std::vector<TensorDecl> tensors)
    : TensorFileWriter(path, gguf::alignment(metadata)) {
    const std::string header = header_of(metadata, tensors, source_);
    start(std::move(tensors), header);
}

}  // namespace gremium
