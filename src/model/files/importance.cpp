#include "model/files/importance.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/git_lfs.h"
#include "base/mapped_file.h"
#include "base/parallel.h"
#include "formats/byte_reader.h"
#include "formats/gguf/gguf.h"
#include "kernels/simd/rows.h"
#include "model/named_weights.h"
#include "tensor/quantised/blocks.h"

namespace gremium {
namespace {

const std::string squares_suffix = ".in_sum2", rows_suffix = ".counts";

int64_t matrices_of(const TensorSlot& slot) { return slot.shape.rank == 3 ? slot.shape[0] : 1; }

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

bool is_dat(const std::filesystem::path& path) { return path.extension() == ".dat"; }

bool begins_as_gguf(const std::filesystem::path& path) {
    const MappedFile map(path);
    return std::ranges::equal(map.bytes().first(std::min<size_t>(4, map.bytes().size())),
                              std::as_bytes(std::span("GGUF", 4)));
}

bool is_sum_of_squares(float value) { return std::isfinite(value) && value >= 0; }

}  // namespace

ImportanceRecorder::ImportanceRecorder(const Model& model) {
    const std::map<std::string, TensorView> values = weights_by_name(model);
    for (const TensorSlot& slot : tensor_slots(model.spec)) {
        const bool tied_head = slot.role == TensorRole::embedding && model.spec.tied_head;
        const bool experts = slot.role == TensorRole::expert;
        if (slot.role != TensorRole::matrix && slot.role != TensorRole::head && !tied_head && !experts) continue;
        Sums& sums = sums_[slot.name];
        const auto matrices = static_cast<size_t>(matrices_of(slot));
        sums.cols = slot.shape[slot.shape.rank - 1];
        sums.of_experts = experts;
        sums.squares.resize(matrices * static_cast<size_t>(sums.cols));
        sums.rows.resize(matrices);
        for (int m = 0; m < static_cast<int>(matrices); ++m) {
            const TensorView stack = experts ? TensorView{} : values.at(slot.name);
            const TensorView matrix =
                experts ? weight_of_expert(model, slot, m).value : (slot.shape.rank == 3 ? stack.at(m) : stack);
            places_[matrix.data] = {&sums, static_cast<size_t>(m)};
        }
    }
}

void ImportanceRecorder::on_matmul(TensorView x_TK, std::span<const int32_t> x_rows, std::span<const TensorView> w_NK,
                                   kernels::GroupOffsets offsets) {
    parallel_for(std::ssize(w_NK), [&](int64_t g) {
        const auto place = places_.find(w_NK[static_cast<size_t>(g)].data);
        if (place == places_.end()) return;
        const auto& [sums, matrix] = place->second;
        double* const squares = sums->squares.data() + matrix * static_cast<size_t>(sums->cols);
        const int32_t first = offsets[static_cast<size_t>(g)], end = offsets[static_cast<size_t>(g) + 1];
        kernels::RowReader rows(x_TK);
        for (int32_t r = first; r < end; ++r) {
            const float* const x = rows[x_rows.empty() ? r : x_rows[static_cast<size_t>(r)]];
            for (int64_t k = 0; k < sums->cols; ++k) squares[k] += double{x[k]} * double{x[k]};
        }
        sums->rows[matrix] += end - first;
    });
}

int64_t ImportanceRecorder::windows_read(int64_t window) const {
    int64_t tokens = 0;
    for (const auto& [name, sums] : sums_) tokens = std::max(tokens, std::ranges::max(sums.rows));
    return (tokens + window - 1) / window;
}

void ImportanceRecorder::save(const std::filesystem::path& path, const std::vector<std::string>& texts,
                              int64_t window) const {
    for (const auto& [name, sums] : sums_)
        for (size_t i = 0; i < sums.squares.size(); ++i)
            if (!std::isfinite(static_cast<float>(sums.squares[i])))
                fail("{}: the squares that meet column {} of {} add up to {}", path.string(),
                     i % static_cast<size_t>(sums.cols), name, sums.squares[i]);
    std::vector<std::string> names;  // of files, without the folders of this machine
    for (const std::string& text : texts) names.push_back(file_name(text));
    if (is_dat(path))
        save_dat(path, names, window);
    else
        save_gguf(path, names, window);
}

void ImportanceRecorder::save_gguf(const std::filesystem::path& path, const std::vector<std::string>& texts,
                                   int64_t window) const {
    struct Entry {
        std::string name;
        std::vector<float> values;
    };
    std::vector<Entry> entries;
    std::vector<TensorDecl> decls;
    for (const auto& [name, sums] : sums_) {
        const size_t counts = sums.of_experts ? sums.rows.size() : 1;
        const auto put = [&](const std::string& suffix, const auto& values, size_t count) {
            const auto rows = static_cast<int64_t>(counts);
            decls.push_back({name + suffix, DType::f32, {rows, static_cast<int64_t>(count) / rows}});
            entries.push_back({name + suffix, {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count)}});
        };
        put(squares_suffix, sums.squares, sums.squares.size());
        put(rows_suffix, sums.rows, counts);
    }
    Metadata metadata(path.string());
    metadata.set("general.type", std::string("imatrix"));
    metadata.set("imatrix.datasets", MetaArray(texts));
    metadata.set("imatrix.chunk_count", static_cast<uint32_t>(windows_read(window)));
    metadata.set("imatrix.chunk_size", static_cast<uint32_t>(window));
    GgufWriter writer(path, metadata, decls);
    for (const Entry& entry : entries) writer.write(entry.name, std::as_bytes(std::span(entry.values)));
    writer.finish();
}

// An expert that met no token has zeros.
void ImportanceRecorder::save_dat(const std::filesystem::path& path, const std::vector<std::string>& texts,
                                  int64_t window) const {
    AtomicFile file(path);
    const auto calls = static_cast<int32_t>(std::max<int64_t>(1, windows_read(window)));
    const auto number = [&](int64_t value) {
        const auto narrow = static_cast<int32_t>(value);
        file.write(std::as_bytes(std::span(&narrow, 1)));
    };
    const auto text = [&](const std::string& value) {
        number(std::ssize(value));
        file.write(std::as_bytes(std::span(value)));
    };
    number(std::ssize(sums_));
    for (const auto& [name, sums] : sums_) {
        text(name);
        number(calls);
        number(std::ssize(sums.squares));
        std::vector<float> values;
        for (size_t i = 0; i < sums.squares.size(); ++i) {
            const int64_t rows = std::max<int64_t>(1, sums.rows[i / static_cast<size_t>(sums.cols)]);
            values.push_back(static_cast<float>(sums.squares[i] / static_cast<double>(rows) * calls));
        }
        file.write(std::as_bytes(std::span(values)));
    }
    number(calls);
    text(texts.empty() ? "" : texts.front());
    file.commit();
}

Importance::Importance(const std::filesystem::path& path) : source_(path.string()) {
    if (begins_as_gguf(path))
        read_gguf(path);
    else
        read_dat(path);
}

void Importance::read_gguf(const std::filesystem::path& path) {
    const GgufFile file = open_gguf(path);
    if (file.metadata.get<std::string>("general.type", "") != "imatrix")
        fail("{}: is no importance matrix; gremium eval --importance and llama-imatrix write such files", source_);
    windows_ = file.metadata.get<int64_t>("imatrix.chunk_count", 0);
    const auto texts = file.metadata.get<std::vector<std::string>>("imatrix.datasets", {});
    if (!texts.empty()) text_ = file_name(texts.front());
    for (const TensorEntry& entry : file.tensors) {
        if (!entry.name.ends_with(squares_suffix)) continue;
        const std::string name = entry.name.substr(0, entry.name.size() - squares_suffix.size());
        const auto sums = [&](TensorView view) {
            const bool numbers = view.dtype == DType::f32;
            std::vector<float> values = numbers ? to_floats(view) : std::vector<float>{};
            if (values.empty() || !std::ranges::all_of(values, is_sum_of_squares))
                fail("{}: {} and its counts are no sums of squares", source_, entry.name);
            return values;
        };
        Means means{sums(entry.view), {}};
        const std::vector<float> rows = sums(file.tensors.require(name + rows_suffix));
        if (means.squares.size() % rows.size() != 0 || std::ranges::max(rows) > 0x1p53f)
            fail("{}: {} has {} numbers and {} counts", source_, entry.name, means.squares.size(), rows.size());
        const size_t cols = means.squares.size() / rows.size();
        for (size_t i = 0; i < means.squares.size(); ++i) means.squares[i] /= std::max(1.0f, rows[i / cols]);
        for (const float n : rows) means.rows.push_back(static_cast<int64_t>(n));
        tensors_.emplace(name, std::move(means));
    }
}

void Importance::read_dat(const std::filesystem::path& path) {
    constexpr int32_t most_tensors = 1 << 20, longest_name = 1 << 12;
    const MappedFile map(path);
    refuse_git_lfs_pointer({reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size()}, source_);
    ByteReader in(map.bytes(), source_);
    const auto number = [&](std::string_view what, int32_t least, int32_t most) {
        const size_t at = in.position();
        const auto value = in.number<int32_t>(std::string(what));
        if (value < least || value > most)
            fail("{}: at byte {}: {} is {}, expected {} to {}: no importance matrix of llama-imatrix or gremium",
                 source_, at, what, value, least, most);
        return value;
    };
    const int32_t tensors = number("the number of tensors", 1, most_tensors);
    for (int32_t i = 0; i < tensors; ++i) {
        const std::string name = in.text(static_cast<size_t>(number("a name's length", 1, longest_name)), "a name");
        const auto calls = static_cast<float>(std::max(1, number("the number of calls", 0, INT32_MAX)));
        const auto count = static_cast<size_t>(number("the number of columns", 1, INT32_MAX));
        Means means{std::vector<float>(), {}};
        const auto bytes = in.take(count * sizeof(float), "the sums of " + name);
        means.squares.resize(count);
        std::memcpy(means.squares.data(), bytes.data(), bytes.size());
        if (!std::ranges::all_of(means.squares, is_sum_of_squares))
            fail("{}: the numbers of {} are no sums of squares", source_, name);
        for (float& square : means.squares) square /= calls;
        if (!tensors_.emplace(name, std::move(means)).second) fail("{}: tensor {} appears twice", source_, name);
    }
    if (in.left() == 0) return;  // older files end here
    windows_ = number("the number of windows", 0, INT32_MAX);
    text_ = file_name(in.text(static_cast<size_t>(number("a name's length", 0, longest_name)), "the text's name"));
}

Importance::Origin Importance::origin() const { return {file_name(source_), text_, std::ssize(tensors_), windows_}; }

void Importance::require_same_shapes(const ModelSpec& spec) const {
    bool any = false;
    for (const TensorSlot& slot : tensor_slots(spec)) {
        const auto found = tensors_.find(slot.name);
        if (found == tensors_.end()) continue;
        any = true;
        const int64_t matrices = matrices_of(slot), cols = slot.shape[slot.shape.rank - 1];
        const int64_t counts = std::ssize(found->second.rows);
        if (std::ssize(found->second.squares) != matrices * cols || (counts > 1 && counts != matrices))
            fail("{}: {} has {} numbers{}, the model has {} matrices of {} columns", source_, slot.name,
                 found->second.squares.size(), counts > 0 ? fmt::format(" of {} matrices", counts) : "", matrices,
                 cols);
    }
    if (!any) fail("{}: is of another model: it knows none of the matrices", source_);
}

std::span<const float> Importance::of(const TensorSlot& slot, int matrix) const {
    const auto found = tensors_.find(slot.name);
    if (found == tensors_.end()) return {};
    const auto& [squares, rows] = found->second;
    const auto cols = static_cast<size_t>(slot.shape[slot.shape.rank - 1]), m = static_cast<size_t>(matrix);
    if ((m + 1) * cols > squares.size()) return {};
    const auto own = std::span(squares).subspan(m * cols, cols);
    // Where the file does not say what a matrix met, one of zeros met nothing.
    const auto is_zero = [](float square) { return square == 0; };
    const bool unseen = rows.empty() ? std::ranges::all_of(own, is_zero) : rows[m % rows.size()] == 0;
    return unseen ? std::span<const float>() : own;
}

std::vector<Importance::Scarce> Importance::scarce(const ModelSpec& spec, int64_t tokens) const {
    std::map<std::pair<int, int>, int64_t> least;
    for (const TensorSlot& slot : tensor_slots(spec)) {
        const auto found = tensors_.find(slot.name);
        if (slot.role != TensorRole::expert || slot.of_encoder || found == tensors_.end()) continue;
        const std::vector<int64_t>& rows = found->second.rows;
        for (size_t e = 0; e < rows.size(); ++e) {
            const auto [known, is_new] = least.try_emplace({slot.layer, static_cast<int>(e)}, rows[e]);
            known->second = std::min(known->second, rows[e]);
        }
    }
    std::vector<Scarce> found;
    for (const auto& [expert, met] : least)
        if (met < tokens) found.push_back({expert.first, expert.second, met});
    return found;
}

}  // namespace gremium
