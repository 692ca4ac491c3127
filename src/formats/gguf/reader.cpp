#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/git_lfs.h"
#include "base/mapped_file.h"
#include "formats/byte_reader.h"
#include "formats/gguf/format.h"
#include "formats/gguf/gguf.h"
#include "formats/in_quotes.h"

namespace gremium {
namespace {

constexpr size_t max_name = 65535;               // of keys, by the specification; tensor names are shorter yet
constexpr size_t min_key_value = 8 + 1 + 4 + 1;  // name length and one byte of it, type, one byte of value
constexpr size_t min_tensor_info = 8 + 1 + 4 + 8 + 4 + 8;  // name, rank, one dimension, type, offset

// Reads one value of a type of MetaValue or MetaArray. `what` is the key, for messages.
template <typename T>
struct Value {
    static constexpr size_t min_bytes = sizeof(T);
    static T read(ByteReader& in, const std::string& what) { return in.number<T>(what); }
};

template <>
struct Value<std::string> {
    static constexpr size_t min_bytes = sizeof(uint64_t);
    static std::string read(ByteReader& in, const std::string& what) { return in.string(what); }
};

template <>
struct Value<bool> {
    static constexpr size_t min_bytes = 1;
    static bool read(ByteReader& in, const std::string& what) {
        const size_t at = in.position();
        const auto byte = in.number<uint8_t>(what);
        if (byte > 1) fail("{}: at byte {}: {} is a bool of value {}, expected 0 or 1", in.source(), at, what, byte);
        return byte == 1;
    }
};

template <typename T>
struct Value<std::vector<T>> {
    static std::vector<T> read(ByteReader& in, const std::string& what) {
        const uint64_t n = in.count(Value<T>::min_bytes, what);
        std::vector<T> values;
        values.reserve(n);
        for (uint64_t i = 0; i < n; ++i) values.push_back(Value<T>::read(in, what));
        return values;
    }
};

// Reads the alternative of the variant that has this index.
template <typename Variant>
std::optional<Variant> read_alternative(ByteReader& in, size_t index, const std::string& what) {
    std::optional<Variant> out;
    const auto try_one = [&]<size_t i>(std::integral_constant<size_t, i>) {
        using T = std::variant_alternative_t<i, Variant>;
        if constexpr (!std::is_same_v<T, std::monostate>) {
            if (i == index) out.emplace(std::in_place_index<i>, Value<T>::read(in, what));
        }
    };
    [&]<size_t... i>(std::index_sequence<i...>) { (try_one(std::integral_constant<size_t, i>{}), ...); }
    (std::make_index_sequence<std::variant_size_v<Variant>>{});
    return out;
}

template <>
struct Value<MetaArray> {
    static MetaArray read(ByteReader& in, const std::string& what) {
        const size_t at = in.position();
        const auto type = in.number<uint32_t>(what);
        auto array = read_alternative<MetaArray>(in, type, what);
        if (!array) fail("{}: at byte {}: {} is an array of the unknown element type {}", in.source(), at, what, type);
        return std::move(*array);
    }
};

std::string read_name(ByteReader& in, std::string_view what) {
    const size_t at = in.position();
    const auto size = in.number<uint64_t>(what);
    if (size == 0 || size > max_name)
        fail("{}: at byte {}: {} of {} bytes, expected 1 to {}", in.source(), at, what, size, max_name);
    return in.text(size, what);
}

void read_key_value(ByteReader& in, Metadata& metadata) {
    const size_t at = in.position();
    const std::string key = read_name(in, "a metadata key");
    if (metadata.contains(key)) fail("{}: at byte {}: key {} appears twice", in.source(), at, in_quotes(key));
    const std::string what = "key " + in_quotes(key);
    const auto type = in.number<uint32_t>(what);
    auto value = read_alternative<MetaValue>(in, type, what);
    if (!value) fail("{}: at byte {}: {} has the unknown value type {}", in.source(), at, what, type);
    metadata.set(key, std::move(*value));
}

struct TensorInfo {
    TensorDecl tensor;
    size_t bytes;
    uint64_t offset;
};

Shape read_shape(ByteReader& in, const std::string& what) {
    const size_t at = in.position();
    const auto rank = in.number<uint32_t>(what);
    if (rank < 1 || rank > Shape::max_rank)
        fail("{}: at byte {}: {} has {} dimensions, expected 1 to {}", in.source(), at, what, rank, Shape::max_rank);
    Shape shape;
    shape.rank = static_cast<int>(rank);
    for (uint32_t i = rank; i-- > 0;) {  // the file has the contiguous dimension first
        shape.dim[i] = in.number<int64_t>(what);
        if (shape.dim[i] < 1)
            fail("{}: at byte {}: {} has a dimension of {}, expected at least 1", in.source(), at, what, shape.dim[i]);
    }
    return shape;
}

TensorInfo read_tensor_info(ByteReader& in, size_t alignment) {
    TensorInfo info;
    info.tensor.name = read_name(in, "a tensor name");
    const std::string what = "tensor " + in_quotes(info.tensor.name);
    info.tensor.shape = read_shape(in, what);
    const auto type = in.number<uint32_t>(what);
    const auto dtype =
        type <= std::numeric_limits<int32_t>::max() ? dtype_from_ggml(static_cast<int32_t>(type)) : std::nullopt;
    if (!dtype)
        fail("{}: {} has {}, supported are {}", in.source(), what, gguf::type_label(type), gguf::supported_types());
    info.tensor.dtype = *dtype;
    info.bytes = checked_bytes(info.tensor, in.source());
    info.offset = in.number<uint64_t>(what);
    if (info.offset % alignment != 0)
        fail("{}: {} has the offset {}, expected a multiple of {}", in.source(), what, info.offset, alignment);
    return info;
}

void add_tensors(TensorIndex& index, const std::vector<TensorInfo>& infos, std::span<const std::byte> data) {
    size_t left = data.size();  // tensors do not share bytes: together they are no larger than the file
    for (const TensorInfo& info : infos) {
        if (info.offset > data.size() || info.bytes > data.size() - info.offset || info.bytes > left)
            fail("{}: tensor {} needs {} bytes at offset {}, but the file has {} bytes of tensor data", index.source(),
                 in_quotes(info.tensor.name), info.bytes, info.offset, data.size());
        left -= info.bytes;
        index.add({info.tensor.name, {data.data() + info.offset, info.tensor.dtype, info.tensor.shape}});
    }
}

}  // namespace

GgufFile parse_gguf(std::span<const std::byte> bytes, const std::string& source) {
    refuse_git_lfs_pointer({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, source);
    ByteReader in(bytes, source);
    if (in.left() < gguf::magic.size() || in.text(gguf::magic.size(), "magic") != gguf::magic)
        fail("{}: not a GGUF file: it does not begin with \"GGUF\"", source);
    const auto version = in.number<uint32_t>("the version");
    if (version != 0 && (version & 0xFFFF) == 0) fail("{}: big-endian GGUF, which is not supported", source);
    if (version < 2 || version > gguf::version) fail("{}: GGUF version {}, supported are 2 and 3", source, version);
    const uint64_t tensors = in.count(min_tensor_info, "the number of tensors");
    const uint64_t key_values = in.count(min_key_value, "the number of metadata keys");

    GgufFile file{Metadata(source), TensorIndex(source)};
    for (uint64_t i = 0; i < key_values; ++i) read_key_value(in, file.metadata);
    const size_t alignment = gguf::alignment(file.metadata);
    std::vector<TensorInfo> infos;
    infos.reserve(tensors);
    for (uint64_t i = 0; i < tensors; ++i) infos.push_back(read_tensor_info(in, alignment));
    if (infos.empty()) return file;  // a vocabulary needs no data section

    const size_t data_start = gguf::align_up(in.position(), alignment);
    if (data_start > bytes.size())
        fail("{}: cut off before the tensor data, which begin at byte {}", source, data_start);
    add_tensors(file.tensors, infos, bytes.subspan(data_start));
    return file;
}

}  // namespace gremium
