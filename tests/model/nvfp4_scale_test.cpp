// NVFP4 matrices and experts with a number beside them that multiplies their products, against the same weights
// multiplied beforehand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/error.h"
#include "formats/gguf/gguf.h"
#include "kernels/simd/variant.h"
#include "model/files/load.h"
#include "model/files/save.h"
#include "tensor/quantised/blocks.h"
#include "tests/formats/files.h"
#include "tests/model/fixtures.h"
#include "tests/model/tiny_model.h"
#include "tests/temporary_directory.h"

namespace gremium::test {
namespace {

struct Written {
    TensorDecl declaration;
    std::vector<std::byte> bytes;
};

void add_floats(std::vector<Written>& tensors, const std::string& name, const Shape& shape, std::vector<float> values) {
    const auto bytes = std::as_bytes(std::span(values));
    tensors.push_back({{name, DType::f32, shape}, {bytes.begin(), bytes.end()}});
}

void write(const std::filesystem::path& path, const Metadata& metadata, const std::vector<Written>& tensors) {
    std::vector<TensorDecl> declarations;
    for (const Written& tensor : tensors) declarations.push_back(tensor.declaration);
    GgufWriter writer(path, metadata, declarations);
    for (const Written& tensor : tensors) writer.write(tensor.declaration.name, tensor.bytes);
    writer.finish();
}

TEST(Nvfp4, FactorsBesideTensorsMultiplyProducts) {
    const TemporaryDirectory directory;
    const auto model = tiny_model("mixtral", {.dim = 64, .head_dim = 32, .hidden = 64, .expert_hidden = 64});
    save_model(*model, directory / "plain.gguf", {.container = Container::gguf, .dtype = DType::nvfp4});
    const GgufFile plain = open_gguf(directory / "plain.gguf");

    std::vector<Written> with_factors, multiplied, wrong;
    int factors = 0;
    for (const TensorEntry& entry : plain.tensors) {
        const TensorView view = entry.view;
        const std::vector<std::byte> bytes(view.data, view.data + view.bytes());
        with_factors.push_back({{entry.name, view.dtype, view.shape}, bytes});
        std::vector<float> values = to_floats(view);
        const bool scaled = view.dtype == DType::nvfp4 && entry.name.starts_with("blk.");
        if (scaled) {
            const int64_t count = view.shape.rank == 3 ? view.shape[0] : 1;
            std::vector<float> factor;
            for (int64_t i = 0; i < count; ++i) factor.push_back(0.5f + 0.25f * static_cast<float>(factors++ % 7));
            for (size_t i = 0; i < values.size(); ++i) values[i] *= factor[i / (values.size() / factor.size())];
            const std::string base = entry.name.substr(0, entry.name.rfind(".weight"));
            add_floats(with_factors, base + ".scale", {count}, factor);
            add_floats(with_factors, base + ".input_scale", {count}, std::vector<float>(factor.size(), 3));
        }
        add_floats(multiplied, entry.name, view.shape, values);
    }
    ASSERT_GT(factors, 8);
    write(directory / "factors.gguf", plain.metadata, with_factors);
    write(directory / "multiplied.gguf", plain.metadata, multiplied);
    for (const Written& tensor : with_factors) {
        wrong.push_back(tensor);
        if (tensor.declaration.name.ends_with("attn_q.scale")) {
            wrong.back().declaration.shape = {2};
            wrong.back().bytes.resize(8);
        }
    }
    write(directory / "wrong.gguf", plain.metadata, wrong);
    EXPECT_THAT(error_of([&] { load_model(directory / "wrong.gguf"); }),
                testing::AllOf(testing::HasSubstr("attn_q.scale"), testing::HasSubstr("expected f32 and [1]")));

    const auto loaded = load_model(directory / "factors.gguf");
    save_model(*loaded, directory / "saved.gguf", {.container = Container::gguf, .dtype = DType::f32});
    const std::vector<int32_t> tokens{1, 5, 9, 2, 7, 3, 3, 8};
    const kernels::Variant usual = kernels::active();
    kernels::force(kernels::Variant::reference);
    const auto expected = all_logprobs(load_model(directory / "multiplied.gguf"), tokens, {}, 1000);
    for (const auto& found : {all_logprobs(loaded, tokens, {}, 1000),
                              all_logprobs(load_model(directory / "saved.gguf"), tokens, {}, 1000)}) {
        ASSERT_EQ(found.size(), expected.size());
        for (size_t t = 0; t < found.size(); ++t)
            for (size_t i = 0; i < found[t].size(); ++i) ASSERT_NEAR(found[t][i], expected[t][i], 1e-5);
    }
    kernels::force(usual);
}

}  // namespace
}  // namespace gremium::test
