#include "model/files/importance.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel.h"
#include "formats/gguf/gguf.h"
#include "kernels/simd/rows.h"
#include "model/named_weights.h"
#include "tensor/quantised/blocks.h"

namespace gremium {
namespace {

const std::string squares_suffix = ".in_sum2", rows_suffix = ".counts";

int64_t matrices_of(const TensorSlot& slot) { return slot.shape.rank == 3 ? slot.shape[0] : 1; }

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

void ImportanceRecorder::save(const std::filesystem::path& path, const std::vector<std::string>& texts,
                              int64_t window) const {
    struct Entry {
        std::string name;
        std::vector<float> values;
    };
    std::vector<Entry> entries;
    std::vector<TensorDecl> decls;
    int64_t tokens = 0;
    for (const auto& [name, sums] : sums_) {
        tokens = std::max(tokens, std::ranges::max(sums.rows));
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
    metadata.set("imatrix.chunk_count", static_cast<uint32_t>((tokens + window - 1) / window));
    metadata.set("imatrix.chunk_size", static_cast<uint32_t>(window));
    GgufWriter writer(path, metadata, decls);
    for (const Entry& entry : entries) writer.write(entry.name, std::as_bytes(std::span(entry.values)));
    writer.finish();
}

Importance::Importance(const std::filesystem::path& path) : source_(path.string()) {
    const GgufFile file = open_gguf(path);
    if (file.metadata.get<std::string>("general.type", "") != "imatrix")
        fail("{}: is no importance matrix; gremium eval --importance and llama-imatrix write such files", source_);
    for (const TensorEntry& entry : file.tensors) {
        if (!entry.name.ends_with(squares_suffix)) continue;
        const std::string name = entry.name.substr(0, entry.name.size() - squares_suffix.size());
        const auto sums = [&](TensorView view) {
            const auto usable = [](float v) { return std::isfinite(v) && v >= 0; };
            const bool numbers = view.dtype == DType::f32;
            std::vector<float> values = numbers ? to_floats(view) : std::vector<float>{};
            if (values.empty() || !std::ranges::all_of(values, usable))
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

void Importance::require_same_shapes(const ModelSpec& spec) const {
    bool any = false;
    for (const TensorSlot& slot : tensor_slots(spec)) {
        const auto found = tensors_.find(slot.name);
        if (found == tensors_.end()) continue;
        any = true;
        const int64_t matrices = matrices_of(slot), cols = slot.shape[slot.shape.rank - 1];
        const int64_t counts = std::ssize(found->second.rows);
        if (std::ssize(found->second.squares) != matrices * cols || (counts != 1 && counts != matrices))
            fail("{}: {} has {} numbers of {} matrices, the model has {} matrices of {} columns", source_, slot.name,
                 found->second.squares.size(), counts, matrices, cols);
    }
    if (!any) fail("{}: is of another model: it knows none of the matrices", source_);
}

std::span<const float> Importance::of(const TensorSlot& slot, int matrix) const {
    const auto found = tensors_.find(slot.name);
    if (found == tensors_.end()) return {};
    const auto& [squares, rows] = found->second;
    const auto cols = static_cast<size_t>(slot.shape[slot.shape.rank - 1]), m = static_cast<size_t>(matrix);
    if ((m + 1) * cols > squares.size() || rows[m % rows.size()] == 0) return {};
    return std::span(squares).subspan(m * cols, cols);
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
