#include "formats/tensor_writer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "formats/in_quotes.h"

namespace gremium {

void TensorWriter::expect(std::string_view name) const {
    if (current_ < tensors_.size() && current().name == name) return;
    fail("{}: tensor {} was to be written where {} was expected", source_, in_quotes(name),
         current_ < tensors_.size() ? in_quotes(current().name) : "none");
}

void TensorWriter::write(std::string_view name, std::span<const std::byte> bytes) {
    expect(name);
    const size_t size = checked_bytes(current(), source_);
    if (bytes.size() > size - written_)
        fail("{}: tensor {} has {} bytes, {} were to be written", source_, in_quotes(name), size,
             written_ + bytes.size());
    put(bytes);
    written_ += bytes.size();
    if (written_ < size) return;
    end_tensor();
    ++current_;
    written_ = 0;
}

void TensorWriter::write(std::string_view name, TensorView tensor) {
    expect(name);
    if (current().dtype != tensor.dtype || current().shape != tensor.shape)
        fail("{}: tensor {} was declared as {} {}, but {} {} was to be written", source_, in_quotes(name),
             info(current().dtype).name, to_string(current().shape), info(tensor.dtype).name, to_string(tensor.shape));
    write(name, std::span(tensor.data, static_cast<size_t>(tensor.bytes())));
}

void TensorWriter::finish() {
    if (current_ < tensors_.size()) fail("{}: tensor {} was not written", source_, in_quotes(current().name));
    commit();
}

TensorFileWriter::TensorFileWriter(const std::filesystem::path& path, size_t alignment)
    : TensorWriter(path.string()), file_(path), alignment_(alignment) {}

void TensorFileWriter::start(std::vector<TensorDecl> tensors, std::string_view header) {
    tensors_ = std::move(tensors);
    file_.write(header);
    if (!tensors_.empty()) pad();
}

void TensorFileWriter::pad() {
    static constexpr std::array<std::byte, 256> zeros{};
    while (const size_t over = file_.size() % alignment_)
        file_.write(std::span(zeros).first(std::min(zeros.size(), alignment_ - over)));
}

}  // namespace gremium
