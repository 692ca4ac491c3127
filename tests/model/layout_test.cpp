// Where the numbers of a canonical matrix lie in a file, against the words of the layout.
#include "model/archs/layout.h"

#include <gtest/gtest.h>

#include <numeric>

namespace gremium::archs {
namespace {

using Part = Layout::Part;

// Row (or column) i of n lies here among N.
int64_t place(Part part, int64_t i, int64_t n, int64_t N) {
    if (part == Part::last) return N - n + i;
    return part == Part::even ? 2 * i : part == Part::odd ? 2 * i + 1 : i;
}

template <typename Number>
void check(const Matrices& shape, const Layout& layout, DType type) {
    const int64_t mine = extent_of(layout, shape), extent = layout.part == Part::all ? mine : 2 * mine;
    const Matrices file_shape = in_file(layout, shape, extent);
    std::vector<Number> file(static_cast<size_t>(file_shape.count * file_shape.rows * file_shape.cols));
    std::iota(file.begin(), file.end(), Number{1});
    std::vector<Number> canonical(static_cast<size_t>(shape.count * shape.rows * shape.cols));
    gather(reinterpret_cast<std::byte*>(canonical.data()), shape, reinterpret_cast<const std::byte*>(file.data()),
           file_shape, layout, type);
    std::vector<Number> expected;
    for (int64_t m = 0; m < shape.count; ++m)
        for (int64_t r = 0; r < shape.rows; ++r)
            for (int64_t c = 0; c < shape.cols; ++c) {
                int64_t i = layout.transposed ? c : r, j = layout.transposed ? r : c;
                (layout.columns ? j : i) = place(layout.part, layout.columns ? j : i, mine, extent);
                expected.push_back(file[static_cast<size_t>((m * file_shape.rows + i) * file_shape.cols + j)]);
            }
    ASSERT_EQ(canonical, expected);

    // Back into a file of zeros: what was taken, and nothing else.
    std::vector<Number> rebuilt(file.size());
    scatter(reinterpret_cast<const std::byte*>(canonical.data()), shape, reinterpret_cast<std::byte*>(rebuilt.data()),
            file_shape, layout, type);
    size_t written = 0;
    for (size_t k = 0; k < file.size(); ++k) {
        if (rebuilt[k] == 0) continue;
        ASSERT_EQ(rebuilt[k], file[k]);
        ++written;
    }
    EXPECT_EQ(written, canonical.size());
}

// Three matrices below each other, of two, one and three rows.
TEST(Layout, PartsThatFollowEachOther) {
    std::vector<float> file(6 * 4), rebuilt(file.size());
    std::iota(file.begin(), file.end(), 1.0f);
    const Layout layout{.part = Part::next};
    int64_t begin = 0;
    for (const int64_t rows : {2, 1, 3}) {
        const Matrices shape{1, rows, 4}, whole{1, 6, 4};
        std::vector<float> canonical(static_cast<size_t>(rows * 4));
        gather(reinterpret_cast<std::byte*>(canonical.data()), shape, reinterpret_cast<const std::byte*>(file.data()),
               whole, layout, DType::f32, begin);
        for (size_t i = 0; i < canonical.size(); ++i) EXPECT_EQ(canonical[i], file[static_cast<size_t>(begin * 4) + i]);
        scatter(reinterpret_cast<const std::byte*>(canonical.data()), shape,
                reinterpret_cast<std::byte*>(rebuilt.data()), whole, layout, DType::f32, begin);
        begin += rows;
    }
    EXPECT_EQ(rebuilt, file);
}

TEST(Layout, EveryPartInEveryOrder) {
    for (const Matrices& shape : {Matrices{3, 70, 45}, {1, 1, 33}, {2, 32, 64}, {4, 65, 1}})
        for (const Part part : {Part::all, Part::first, Part::last, Part::even, Part::odd})
            for (const bool columns : {false, true})
                for (const bool transposed : {false, true}) {
                    const Layout layout{.part = part, .columns = columns, .transposed = transposed};
                    check<uint32_t>(shape, layout, DType::f32);
                    check<uint16_t>(shape, layout, DType::bf16);
                }
}

}  // namespace
}  // namespace gremium::archs
