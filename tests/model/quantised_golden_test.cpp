// Tiny random Mixtrals in quantisations of llama.cpp, whose files mix types, against a float64 forward over
// the dequantised weights: what a quantised file means.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "kernels/simd/variant.h"
#include "model/files/load.h"
#include "tests/model/fixtures.h"

namespace gremium {
namespace {

const std::vector<std::string> types{"Q8_0",   "Q4_0",  "Q4_K_M",  "Q5_K_M", "Q6_K",    "Q2_K",  "Q3_K_M",
                                     "IQ4_NL", "IQ3_S", "IQ3_XXS", "IQ2_S",  "IQ2_XXS", "IQ1_M", "TQ2_0"};

struct Exact {
    std::vector<int32_t> tokens;
    std::map<size_t, std::vector<double>> rows;  // by position
    double llamacpp_kl;                          // what rounding activations costs llama.cpp
};

Exact read_exact(const std::filesystem::path& path) {
    const nlohmann::json json = nlohmann::json::parse(read_text_file(path));
    Exact exact{json["tokens"].get<std::vector<int32_t>>(), {}, json["kl_exact_to_llamacpp"]};
    for (const auto& [position, row] : json["exact_logprobs"].items())
        exact.rows[std::stoul(position)] = row.get<std::vector<double>>();
    return exact;
}

struct Distance {
    double largest = 0, kl = 0;  // of log-probabilities; mean KL(exact ‖ ours)
};

Distance distance(const Exact& exact, const std::vector<std::vector<double>>& logprobs) {
    Distance d;
    for (const auto& [position, row] : exact.rows) {
        for (size_t token = 0; token < row.size(); ++token) {
            const double difference = row[token] - logprobs[position][token];
            d.largest = std::max(d.largest, std::abs(difference));
            d.kl += std::exp(row[token]) * difference / static_cast<double>(exact.rows.size());
        }
    }
    return d;
}

class QuantisedGoldens : public testing::TestWithParam<kernels::Variant> {
  protected:
    void SetUp() override {
        if (shared_fixture("models/mixtral-Q8_0").empty())
            GTEST_SKIP() << "the golden files of ../shared/fixtures/models are not here";
        kernels::force(GetParam());
    }
    void TearDown() override { kernels::force(usual_); }

    void check(size_t step) {
        double kl = 0, llamacpp_kl = 0;
        for (const std::string& type : types) {
            const std::string base = shared_fixture("models/mixtral-" + type).string();
            const Exact exact = read_exact(base + ".json");
            const Distance d = distance(exact, all_logprobs(load_model(base + ".gguf"), exact.tokens, {}, step));
            std::cout << type << ", " << kernels::name(GetParam()) << ": largest difference " << d.largest << ", KL "
                      << d.kl << " (llama.cpp: " << exact.llamacpp_kl << ")\n";
            EXPECT_LE(d.kl, 5e-3) << type;
            // Faster kernels may round activations; the reference may not.
            EXPECT_LE(d.largest, GetParam() == kernels::Variant::reference ? 1e-4 : 1) << type;
            kl += d.kl;
            llamacpp_kl += exact.llamacpp_kl;
        }
        EXPECT_LE(kl, llamacpp_kl);
    }

    kernels::Variant usual_ = kernels::active();
};

TEST_P(QuantisedGoldens, OneBatch) { check(1000); }
TEST_P(QuantisedGoldens, TokenByToken) { check(1); }

INSTANTIATE_TEST_SUITE_P(Kernels, QuantisedGoldens, testing::ValuesIn(kernels::available_variants()),
                         [](const auto& test) { return std::string(kernels::name(test.param)); });

}  // namespace
}  // namespace gremium
