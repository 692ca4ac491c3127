#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "base/git_lfs.h"
#include "base/mapped_file.h"
#include "formats/byte_reader.h"
#include "formats/in_quotes.h"
#include "formats/safetensors/safetensors.h"
#include "tensor/arena.h"

namespace gremium {
namespace {

using nlohmann::json;

constexpr uint64_t max_header = 100'000'000;
constexpr size_t longest_name = 65535;
constexpr int max_metadata = 10'000;  // strings; a parsed one takes many times its bytes in the file
constexpr int max_values = 64;        // in the description of a tensor: two words, two offsets, the dimensions

struct StoredType {
    std::string_view name;
    unsigned bits;
};
constexpr std::array<StoredType, 20> types{{{"BOOL", 8},    {"U8", 8},   {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8},
                                            {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},    {"BF16", 16},
                                            {"I32", 32},    {"U32", 32}, {"F32", 32}, {"I64", 64},    {"U64", 64},
                                            {"F64", 64},    {"C64", 64}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6}}};

// A tensor as the header describes it.
struct Described {
    std::string name;
    std::string dtype;
    std::vector<uint64_t> shape;
    uint64_t begin = 0, end = 0;
};

uint64_t bytes_of(const Described& tensor, const std::string& source) {
    const auto type = std::ranges::find(types, tensor.dtype, &StoredType::name);
    if (type == types.end())
        fail("{}: tensor {} has the unknown dtype {}", source, in_quotes(tensor.name), in_quotes(tensor.dtype));
    int64_t bits = type->bits;
    bool empty = false;
    for (const uint64_t dim : tensor.shape) {
        empty |= dim == 0;
        // Empty dimensions count as 1, so that no part of the product overflows either.
        if (__builtin_mul_overflow(bits, std::max<uint64_t>(dim, 1), &bits))
            fail("{}: tensor {} has a shape whose size overflows", source, in_quotes(tensor.name));
    }
    if (empty) return 0;
    if (bits % 8 != 0) fail("{}: tensor {} does not fill whole bytes", source, in_quotes(tensor.name));
    return static_cast<uint64_t>(bits) / 8;
}

// Turns parser events into tensors one by one, so that memory stays in proportion to what has been accepted.
class HeaderParser {
  public:
    HeaderParser(const std::string& source, SafetensorsMetadata& metadata) : source_(source), metadata_(metadata) {}

    std::vector<Described> parse(std::string_view text) {
        try {
            std::ignore = json::parse(text, [this](int depth, json::parse_event_t event, json& value) {
                return on_event(depth, event, value);
            });
        } catch (const json::parse_error& error) {
            fail("{}: the header is not valid JSON at byte {}", source_, 7 + error.byte);
        } catch (const json::exception&) {
            fail("{}: the header of tensor {} has a number that is out of range", source_, in_quotes(name_));
        }
        return std::move(tensors_);
    }

  private:
    using Event = json::parse_event_t;

    // Depth 1 are the members of the root, 2 those of a tensor, 3 the elements of its arrays. False discards a value.
    bool on_event(int depth, Event event, json& value) {
        const bool opens = event == Event::object_start || event == Event::array_start;
        if (opens && depth > (event == Event::object_start ? 1 : 2))
            fail("{}: the header is nested too deep at {}", source_, in_quotes(name_));
        if (depth == 0) return true;
        if (depth == 1 && event == Event::key) {
            name_ = value.get<std::string>();
            if (name_.size() > longest_name) fail("{}: tensor name {} is too long", source_, in_quotes(name_));
            values_ = 0;
            return true;
        }
        if (depth == 1 && (event == Event::value || event == Event::array_start))
            fail("{}: {} is not described by a JSON object", source_, in_quotes(name_));
        if (depth == 1 && event == Event::object_end) {
            if (name_ == "__metadata__")
                add_metadata(value);
            else
                tensors_.push_back(described(value));
            return false;
        }
        const int limit = name_ == "__metadata__" ? max_metadata : max_values;
        if (event == Event::value && ++values_ > limit)
            fail("{}: {} has more than {} values in the header", source_, in_quotes(name_), limit);
        return true;
    }

    void add_metadata(const json& object) {
        for (const auto& [key, value] : object.items()) {
            if (!value.is_string()) fail("{}: __metadata__ {} is not a string", source_, in_quotes(key));
            metadata_[key] = value.get<std::string>();
        }
    }

    Described described(const json& object) const {
        const auto dtype = object.find("dtype");
        const auto shape = object.find("shape"), offsets = object.find("data_offsets");
        if (dtype == object.end() || !dtype->is_string()) expected("a string", "dtype");
        if (shape == object.end() || !shape->is_array()) expected("an array", "shape");
        if (offsets == object.end() || !offsets->is_array() || offsets->size() != 2)
            expected("an array of two numbers", "data_offsets");
        for (const json& number : *shape) {
            if (!number.is_number_unsigned()) expected("an array of whole numbers", "shape");
        }
        for (const json& number : *offsets) {
            if (!number.is_number_unsigned()) expected("an array of whole numbers", "data_offsets");
        }
        return {name_, dtype->get<std::string>(), shape->get<std::vector<uint64_t>>(), (*offsets)[0].get<uint64_t>(),
                (*offsets)[1].get<uint64_t>()};
    }

    [[noreturn]] void expected(std::string_view type, std::string_view field) const {
        fail("{}: tensor {} was expected to have {} as its {}", source_, in_quotes(name_), type, field);
    }

    const std::string& source_;
    SafetensorsMetadata& metadata_;
    std::vector<Described> tensors_;
    std::string name_;
    int values_ = 0;
};

// Sorted by offset, the tensors must fill the data without gap or overlap.
void check_tiling(std::vector<Described>& tensors, size_t data_bytes, const std::string& source) {
    std::ranges::sort(tensors, {}, [](const Described& t) { return std::tie(t.begin, t.end, t.name); });
    uint64_t position = 0;
    for (const Described& tensor : tensors) {
        if (tensor.begin != position || tensor.end < tensor.begin || tensor.end > data_bytes)
            fail("{}: tensor {} has data_offsets [{}, {}], expected to begin at {} and end by {}", source,
                 in_quotes(tensor.name), tensor.begin, tensor.end, position, data_bytes);
        const uint64_t bytes = bytes_of(tensor, source);
        if (tensor.end - tensor.begin != bytes)
            fail("{}: tensor {} has {} bytes of data, expected {} from its dtype and shape", source,
                 in_quotes(tensor.name), tensor.end - tensor.begin, bytes);
        position = tensor.end;
    }
    if (position != data_bytes)
        fail("{}: the tensors end at byte {} of the data, expected {}", source, position, data_bytes);
}

// The data of a tensor whose file position does not suit its element type are copied to memory of the index.
const std::byte* aligned(std::span<const std::byte> bytes, const TensorDecl& tensor, TensorIndex& index) {
    if (reinterpret_cast<uintptr_t>(bytes.data()) % static_cast<unsigned>(info(tensor.dtype).bytes) == 0 ||
        bytes.empty())
        return bytes.data();
    auto copy = std::make_shared<const OwnedTensor>(tensor.dtype, tensor.shape);
    const Tensor target = copy->get();
    std::memcpy(target.data, bytes.data(), bytes.size());
    index.keep_alive(std::move(copy));
    return target.data;
}

void add_tensor(TensorIndex& index, Described tensor, std::span<const std::byte> data) {
    const auto bytes = data.subspan(tensor.begin, tensor.end - tensor.begin);
    const auto dtype = dtype_from_safetensors(tensor.dtype);
    if (!dtype || tensor.shape.size() > Shape::max_rank) {
        index.add_opaque({std::move(tensor.name), std::move(tensor.dtype), std::move(tensor.shape), bytes});
        return;
    }
    TensorDecl decl{std::move(tensor.name), *dtype, {}};
    for (const uint64_t dim : tensor.shape)
        decl.shape.dim[static_cast<size_t>(decl.shape.rank++)] = static_cast<int64_t>(dim);
    const std::byte* at = aligned(bytes, decl, index);
    index.add({std::move(decl.name), {at, decl.dtype, decl.shape}});
}

}  // namespace

SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, const std::string& source) {
    refuse_git_lfs_pointer({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, source);
    ByteReader in(bytes, source);
    const auto size = in.number<uint64_t>("the header's length");
    if (size > max_header) fail("{}: the header has {} bytes, at most {} are allowed", source, size, max_header);
    const std::span<const std::byte> header = in.take(size, "the header");
    const std::string_view text(reinterpret_cast<const char*>(header.data()), header.size());
    if (!text.starts_with('{')) fail("{}: not a safetensors file: no JSON object at byte 8", source);

    SafetensorsFile file{{}, TensorIndex(source)};
    std::vector<Described> tensors = HeaderParser(source, file.metadata).parse(text);
    const auto data = bytes.subspan(in.position());
    check_tiling(tensors, data.size(), source);
    for (Described& tensor : tensors) add_tensor(file.tensors, std::move(tensor), data);
    return file;
}

TensorView stored_tensor(const SafetensorsFile& file, const std::string& name) {
    const OpaqueEntry* bytes = file.tensors.find_opaque(name);
    const auto type = file.metadata.find(name + ".type");
    if (!bytes || type == file.metadata.end()) return file.tensors.require(name);
    const auto dtype = dtype_from_name(type->second);
    const auto rank = static_cast<int>(std::min<size_t>(bytes->shape.size(), Shape::max_rank + 1));
    if (!dtype || !is_quantised(*dtype) || bytes->dtype != "U8" || rank < 1 || rank > Shape::max_rank ||
        bytes->shape.back() % static_cast<uint64_t>(info(*dtype).bytes) != 0)
        fail("{}: tensor {} is said to be {}, but does not consist of rows of its blocks", file.tensors.source(),
             in_quotes(name), in_quotes(type->second));
    TensorView view{bytes->bytes.data(), *dtype, {}};
    for (const uint64_t dim : bytes->shape)
        view.shape.dim[static_cast<size_t>(view.shape.rank++)] = static_cast<int64_t>(dim);
    int64_t& columns = view.shape.dim[static_cast<size_t>(rank - 1)];
    columns = columns / info(*dtype).bytes * info(*dtype).block;
    return view;
}

SafetensorsFile open_safetensors(const std::filesystem::path& path) {
    auto map = std::make_shared<const MappedFile>(path);
    SafetensorsFile file = parse_safetensors(map->bytes(), path.string());
    file.tensors.keep_alive(std::move(map));
    return file;
}

}  // namespace gremium
