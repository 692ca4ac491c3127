// How much the columns of each matrix matter: the mean squares of the inputs that meet them while the model reads some
// text. Files are llama.cpp's importance matrices, which its quantiser reads too. GGUF of type "imatrix": for each
// tensor NAME, NAME.in_sum2 [matrices, columns] and NAME.counts [matrices, 1], where experts are the matrices of a
// stack; stacks of no experts have one count for all. Or the older layout, imatrix.dat: the number of tensors, then of
// each its name, how often it was called, and the sums of its columns' mean squares over the calls.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "kernels/matmul/grouped_matmul.h"
#include "model/model.h"
#include "model/spec/tensors.h"

namespace gremium {

// Watches the matmuls of one model, which must outlive it and keep its weights where they are.
class ImportanceRecorder final : public kernels::MatmulObserver {
  public:
    explicit ImportanceRecorder(const Model& model);
    ImportanceRecorder(const ImportanceRecorder&) = delete;
    ImportanceRecorder& operator=(const ImportanceRecorder&) = delete;

    void on_matmul(TensorView x_TK, std::span<const int32_t> x_rows, std::span<const TensorView> w_NK,
                   kernels::GroupOffsets offsets) override;

    // `texts` names what was read, in windows of so many tokens. A path that ends in .dat gets the older layout.
    void save(const std::filesystem::path& path, const std::vector<std::string>& texts, int64_t window) const;

  private:
    struct Sums {
        int64_t cols = 0;
        bool of_experts = false;
        std::vector<double> squares;  // [matrices, cols]
        std::vector<int64_t> rows;    // seen by each matrix
    };
    struct Place {
        Sums* sums;
        size_t matrix;
    };
    int64_t windows_read(int64_t window) const;
    void save_gguf(const std::filesystem::path& path, const std::vector<std::string>& texts, int64_t window) const;
    void save_dat(const std::filesystem::path& path, const std::vector<std::string>& texts, int64_t window) const;

    std::map<std::string, Sums> sums_;
    std::unordered_map<const std::byte*, Place> places_;  // by where a matrix lies
};

class Importance {
  public:
    // Error naming the file when it is no importance matrix, or holds numbers that cannot be sums of squares.
    explicit Importance(const std::filesystem::path& path);

    // Where the numbers come from, as the file says it.
    struct Origin {
        std::string file, text;  // their names, without folders; "" where there is none
        int64_t tensors = 0, windows = 0;
    };
    Origin origin() const;

    // Error unless it is of a model of these shapes; what was not watched may be missing, but not everything.
    void require_same_shapes(const ModelSpec& spec) const;

    // One number a column of a matrix, or of one of a stack. Empty where nothing was seen.
    std::span<const float> of(const TensorSlot& slot, int matrix = 0) const;

    // Experts of the model that met fewer tokens than this: their numbers say little.
    struct Scarce {
        int layer, expert;
        int64_t tokens;
    };
    std::vector<Scarce> scarce(const ModelSpec& spec, int64_t tokens) const;

  private:
    struct Means {
        std::vector<float> squares;  // [matrices, columns]
        std::vector<int64_t> rows;   // [matrices], or one for all of them; none: the file does not say them
    };
    void read_gguf(const std::filesystem::path& path);
    void read_dat(const std::filesystem::path& path);

    std::string source_, text_;
    int64_t windows_ = 0;
    std::map<std::string, Means> tensors_;
};

}  // namespace gremium
