// Blocks of routing: collected, written, read back; foreign files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>

#include "base/atomic_file.h"
#include "base/error.h"
#include "engine/session.h"
#include "lab/trace/counts.h"
#include "lab/trace/trace_file.h"
#include "tests/model/tiny_model.h"

namespace gremium::lab {
namespace {

namespace fs = std::filesystem;

class TraceTest : public testing::Test {
  protected:
    void SetUp() override {
        const auto* test = testing::UnitTest::GetInstance()->current_test_info();
        folder_ = fs::temp_directory_path() / fmt::format("gremium-trace-{}-{}", test->name(), ::getpid());
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }
    std::string path(const char* name) const { return (folder_ / name).string(); }
    fs::path folder_;
};

std::vector<hooks::TraceBlock> collect(std::shared_ptr<const Model> model, std::span<const int32_t> tokens,
                                       int64_t chunk) {
    std::vector<hooks::TraceBlock> blocks;
    hooks::TraceCollector collector(model->spec, {.norms = true},
                                    [&](const hooks::TraceBlock& b) { blocks.push_back(b); });
    engine::Session session(model, {.prefill_chunk = chunk, .hook = &collector});
    session.evaluate(tokens);
    collector.finish();
    return blocks;
}

TraceHeader header_of(const Model& model) {
    return {.domain = "text",
            .model = model.spec.name,
            .hash = "h",
            .vocab = model.spec.vocab,
            .norms = true,
            .layers = hooks::trace_layers(model.spec)};
}

// Everything the hook says, kept as it is said.
struct Witness : moe::RoutingHook {
    std::map<int, std::vector<int32_t>> ids;
    std::map<int, std::vector<float>> weights, margins, norms;
    void after_selection(const moe::AfterSelection& s) override {
        ids[s.layer].insert(ids[s.layer].end(), s.ids_Tk.begin(), s.ids_Tk.end());
        weights[s.layer].insert(weights[s.layer].end(), s.weights_Tk.begin(), s.weights_Tk.end());
        margins[s.layer].insert(margins[s.layer].end(), s.margin_T.begin(), s.margin_T.end());
    }
    void contributes(const moe::Contribution& c) override {
        if (c.part != moe::Part::experts) return;
        for (const int32_t row : c.row_of_Tk) {
            double sum = 0;
            const auto* y = reinterpret_cast<const float*>(c.y.row(row));
            for (int64_t d = 0; d < c.y.cols(); ++d) sum += double{y[d]} * y[d];
            norms[c.layer].push_back(static_cast<float>(std::sqrt(sum)));
        }
    }
};

TEST_F(TraceTest, HoldsWhatTheHookSaidInAnyChunks) {
    const auto model = test::tiny_model("dots1");  // layer 0 is dense
    const auto tokens = test::random_tokens(model->spec.vocab, 50);
    for (const int64_t chunk : {7, 64}) {
        Witness witness;
        engine::Session(model, {.prefill_chunk = chunk, .hook = &witness}).evaluate(tokens);
        const auto blocks = collect(model, tokens, chunk);
        ASSERT_EQ(blocks.size(), static_cast<size_t>((50 + chunk - 1) / chunk));
        std::vector<int32_t> seen;
        for (const hooks::TraceBlock& b : blocks) {
            EXPECT_EQ(b.positions.front(), static_cast<int32_t>(seen.size()));
            seen.insert(seen.end(), b.tokens.begin(), b.tokens.end());
        }
        EXPECT_EQ(seen, tokens);
        for (size_t r = 0; r < 2; ++r) {
            const int layer = static_cast<int>(r) + 1;
            hooks::TraceBlock::Layer all;
            for (const hooks::TraceBlock& b : blocks) {
                const auto& l = b.layers.at(r);
                all.ids_Tk.insert(all.ids_Tk.end(), l.ids_Tk.begin(), l.ids_Tk.end());
                all.weights_Tk.insert(all.weights_Tk.end(), l.weights_Tk.begin(), l.weights_Tk.end());
                all.margin_T.insert(all.margin_T.end(), l.margin_T.begin(), l.margin_T.end());
                all.norms_Tk.insert(all.norms_Tk.end(), l.norms_Tk.begin(), l.norms_Tk.end());
            }
            EXPECT_EQ(all.ids_Tk, witness.ids.at(layer));
            EXPECT_EQ(all.weights_Tk, witness.weights.at(layer));
            EXPECT_EQ(all.margin_T, witness.margins.at(layer));
            EXPECT_THAT(all.norms_Tk, testing::Pointwise(testing::FloatEq(), witness.norms.at(layer)));
        }
    }
}

TEST_F(TraceTest, LookingChangesNoBit) {
    const auto model = test::tiny_model("qwen2moe");
    const auto tokens = test::random_tokens(model->spec.vocab, 40);
    const auto logits = [&](moe::RoutingHook* hook) {
        engine::Session session(model, {.hook = hook});
        const auto out = session.evaluate(tokens);
        return std::vector<float>(out.begin(), out.end());
    };
    hooks::TraceCollector collector(model->spec, {.norms = true}, [](const hooks::TraceBlock&) {});
    EXPECT_EQ(logits(nullptr), logits(&collector));
}

TEST_F(TraceTest, WrittenAndReadBackIsTheSame) {
    const auto model = test::tiny_model("olmoe");
    auto blocks = collect(model, test::random_tokens(model->spec.vocab, 50), 20);
    blocks[0].layers[0].ids_Tk[1] = -1;
    blocks[0].layers[0].margin_T[2] = std::numeric_limits<float>::infinity();
    TraceWriter writer(path("a"), header_of(*model));
    for (const hooks::TraceBlock& b : blocks) writer.write(b);
    EXPECT_FALSE(fs::exists(path("a")));
    writer.finish();

    TraceReader reader(path("a"));
    EXPECT_EQ(reader.header(), header_of(*model));
    for (int round = 0; round < 2; ++round) {
        hooks::TraceBlock got;
        for (const hooks::TraceBlock& b : blocks) {
            ASSERT_TRUE(reader.next(got));
            EXPECT_EQ(got.tokens, b.tokens);
            EXPECT_EQ(got.positions, b.positions);
            ASSERT_EQ(got.layers.size(), b.layers.size());
            for (size_t r = 0; r < b.layers.size(); ++r) {
                EXPECT_EQ(got.layers[r].top_k, b.layers[r].top_k);
                EXPECT_EQ(got.layers[r].ids_Tk, b.layers[r].ids_Tk);
                EXPECT_EQ(got.layers[r].weights_Tk, b.layers[r].weights_Tk);
                EXPECT_EQ(got.layers[r].margin_T, b.layers[r].margin_T);
                EXPECT_EQ(got.layers[r].norms_Tk, b.layers[r].norms_Tk);
            }
        }
        EXPECT_FALSE(reader.next(got));
        reader.rewind();
    }
}

void write(const std::string& path, std::string_view bytes) {  // without the syncs of atomic files
    std::ofstream(path, std::ios::binary) << bytes;
}

void read_all(const std::string& path) {
    TraceReader reader(path);
    hooks::TraceBlock block;
    while (reader.next(block)) {
    }
}

// The documented layout, by hand: one layer of 3 experts, one block of 2 tokens with k = 1.
std::string by_hand(const std::function<void(std::vector<std::string>&)>& change = {}) {
    const auto le = [](auto... numbers) {
        std::string out;
        ((out.append(reinterpret_cast<const char*>(&numbers), sizeof numbers)), ...);
        return out;
    };
    const std::string header =
        R"({"domain":"d","model":"m","hash":"h","vocab":10,"norms":false,"layers":[{"layer":4,"experts":3}]})";
    std::vector<std::string> parts{"GREMTRC1",
                                   le(uint64_t{header.size()}),
                                   header,
                                   le(uint32_t{2}),
                                   le(uint64_t{8 + 8 + 4 + 4 + 8 + 8}),
                                   le(int32_t{5}, int32_t{9}),
                                   le(int32_t{0}, int32_t{1}),
                                   le(uint32_t{1}),
                                   le(uint16_t{2}, uint16_t{65535}),
                                   le(0.5f, 0.0f),
                                   le(0.25f, std::numeric_limits<float>::infinity()),
                                   le(uint32_t{0}, uint64_t{2})};
    if (change) change(parts);
    std::string all;
    for (const std::string& part : parts) all += part;
    return all;
}

TEST_F(TraceTest, LayoutIsAsDocumented) {
    write(path("a"), by_hand());
    TraceReader reader(path("a"));
    hooks::TraceBlock b;
    ASSERT_TRUE(reader.next(b));
    EXPECT_EQ(reader.header().layers, (std::vector<hooks::TraceLayer>{{4, 3}}));
    EXPECT_EQ(b.tokens, (std::vector<int32_t>{5, 9}));
    EXPECT_EQ(b.layers[0].ids_Tk, (std::vector<int32_t>{2, -1}));
    EXPECT_EQ(b.layers[0].weights_Tk, (std::vector<float>{0.5f, 0}));
    EXPECT_EQ(b.layers[0].margin_T[0], 0.25f);
    EXPECT_FALSE(reader.next(b));
    TraceWriter writer(path("b"), reader.header());
    writer.write(b);
    writer.finish();
    EXPECT_EQ(read_text_file(path("b")), by_hand());
}

TEST_F(TraceTest, HostileFilesAreClearErrors) {
    const auto set = [](size_t part, size_t byte, char value) {
        return [=](std::vector<std::string>& parts) { parts[part][byte] = value; };
    };
    const std::map<std::string, std::string> cases{
        {"magic", by_hand(set(0, 7, '2'))},
        {"header size", by_hand(set(1, 6, 1))},
        {"not JSON", by_hand(set(2, 0, 'x'))},
        {"no experts", by_hand([](auto& p) { p[2].replace(p[2].find("\"experts\":3"), 11, "\"experts\":0"); })},
        {"negative layer", by_hand([](auto& p) {
             p[2].replace(p[2].find("\"layer\":4"), 9, "\"layer\":-1");
             p[1][0]++;
         })},
        {"more tokens than bytes", by_hand(set(3, 3, 127))},
        {"block size", by_hand(set(4, 0, 39))},
        {"token beyond the vocabulary", by_hand(set(5, 0, 10))},
        {"negative token", by_hand(set(5, 3, -128))},
        {"k of 0", by_hand(set(7, 0, 0))},
        {"k beyond the experts", by_hand(set(7, 0, 4))},
        {"k enormous", by_hand(set(7, 3, -1))},
        {"expert beyond", by_hand(set(8, 0, 3))},
        {"weight infinite", by_hand([](auto& p) {
             p[9][2] = '\x80';
             p[9][3] = 127;
         })},
        {"margin not a number", by_hand(set(10, 6, -1))},
        {"total", by_hand(set(11, 4, 3))},
        {"bytes after the end", by_hand() + "x"},
    };
    for (const auto& [name, bytes] : cases) {
        SCOPED_TRACE(name);
        write(path("bad"), bytes);
        try {
            read_all(path("bad"));
            ADD_FAILURE() << "was read";
        } catch (const Error& e) {
            EXPECT_THAT(e.what(), testing::HasSubstr("bad"));
            EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos);
        }
    }
    const std::string whole = by_hand();
    for (size_t length = 0; length < whole.size(); ++length) {
        write(path("cut"), whole.substr(0, length));
        EXPECT_THROW(read_all(path("cut")), Error) << length;
    }
}

TEST(RouteCounts, CountsChoicesAndPairs) {
    hooks::TraceBlock block{.tokens = {1, 2, 3}, .positions = {0, 1, 2}, .layers = {}};
    block.layers.push_back({.top_k = 2,
                            .ids_Tk = {0, 2, 2, 0, 1, -1},
                            .weights_Tk = {0.5f, 0.25f, 1, 2, 4, 0},
                            .margin_T = {1, 1, 1},
                            .norms_Tk = {2, 2, 2, 2, 3, 0}});
    RouteCounts counts({{7, 3}});
    counts.add(block);
    const LayerCounts& c = counts.layers().at(0);
    EXPECT_EQ(c.layer, 7);
    EXPECT_EQ(c.tokens, 3);
    EXPECT_EQ(c.choices, 5);
    EXPECT_EQ(c.chosen_E, (std::vector<int64_t>{2, 1, 2}));
    EXPECT_EQ(c.weight_E, (std::vector<double>{2.5, 4, 1.25}));
    EXPECT_EQ(c.weighted_norm_E, (std::vector<double>{5, 12, 2.5}));
    EXPECT_EQ(c.pairs_EE, (std::vector<int64_t>{2, 0, 2, 0, 1, 0, 2, 0, 2}));
    RouteCounts part({{7, 3}});
    part.add(block, 1, 2);
    EXPECT_EQ(part.layers()[0].chosen_E, (std::vector<int64_t>{1, 0, 1}));
    EXPECT_EQ(part.layers()[0].tokens, 1);
}

}  // namespace
}  // namespace gremium::lab
