// Statistics of traces against numbers counted by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "lab/trace/export.h"
#include "lab/trace/saturation.h"
#include "lab/trace/statistics.h"
#include "tests/model/tiny_model.h"

namespace gremium::lab {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class Folder {
  public:
    Folder() : path_(fs::temp_directory_path() / fmt::format("gremium-statistics-{}-{}", ::getpid(), made_++)) {
        fs::create_directories(path_);
    }
    ~Folder() { fs::remove_all(path_); }
    operator const fs::path&() const { return path_; }
    fs::path operator/(const char* name) const { return path_ / name; }

  private:
    static inline int made_ = 0;
    fs::path path_;
};

void write(const fs::path& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

// One layer of 3 experts, k = 2. choices: two for each token.
struct Text {
    std::string domain;
    std::vector<int32_t> tokens;
    std::vector<int32_t> choices;
};
TraceDirectory made_by_hand(const fs::path& folder, const std::vector<Text>& texts, size_t block = 100) {
    nlohmann::json domains;
    for (const Text& text : texts) {
        TraceWriter writer(folder / (text.domain + ".trace"),
                           {.domain = text.domain, .model = "m", .hash = "h", .vocab = 20, .layers = {{3, 3}}});
        for (size_t begin = 0; begin < text.tokens.size(); begin += block) {
            hooks::TraceBlock b;
            b.layers.resize(1);
            b.layers[0].top_k = 2;
            for (size_t t = begin; t < std::min(begin + block, text.tokens.size()); ++t) {
                b.tokens.push_back(text.tokens[t]);
                b.positions.push_back(static_cast<int32_t>(t));
                b.layers[0].margin_T.push_back(0.125f);
                for (size_t j = 0; j < 2; ++j) {
                    b.layers[0].ids_Tk.push_back(text.choices[2 * t + j]);
                    b.layers[0].weights_Tk.push_back(j == 0 ? 0.75f : 0.25f);
                }
            }
            writer.write(b);
        }
        writer.finish();
        domains.push_back({{"name", text.domain}, {"tokens", text.tokens.size()}});
    }
    write(folder / "trace.json",
          nlohmann::json{
              {"format", "gremium-trace-1"}, {"model", "m"}, {"hash", "h"}, {"architecture", "a"}, {"domains", domains}}
              .dump());
    write(folder / "pieces.json", R"([[5,"five"],[6,[240,159]]])");
    return open_traces(folder);
}

TEST(Statistics, FollowTheDefinitions) {
    const Folder folder;
    const auto traces =
        made_by_hand(folder,
                     {{"x", {5, 5, 5, 5}, {0, 1, 0, 1, 0, 1, 0, 2}},
                      {"y", {6, 6, 6, 6, 6, 6, 6, 6, 6, 5, 5, 5, 5}, {2, 0, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2,
                                                                      1, 2, 1, 1, 0, 0, 1, 0, 1, 0, 1, 1, 2}}},
                     3);
    const Statistics s = statistics_of(traces);
    ASSERT_EQ(s.layers.size(), 1u);
    EXPECT_THAT(s.domains, ElementsAre("x", "y"));
    EXPECT_THAT(s.tokens, ElementsAre(4, 13));
    const LayerCounts& x = s.layers[0].domains[0];
    EXPECT_DOUBLE_EQ(specialisation(x, 0), 1);
    EXPECT_DOUBLE_EQ(specialisation(x, 1), 0.75);
    EXPECT_DOUBLE_EQ(specialisation(x, 2), 0.25);
    EXPECT_DOUBLE_EQ(coactivation(x, 0, 1), 0.75);
    EXPECT_DOUBLE_EQ(coactivation(x, 1, 0), 1);
    EXPECT_DOUBLE_EQ(coactivation(x, 1, 2), 0);
    // p = 4/8, 3/8, 1/8
    EXPECT_NEAR(load_entropy(x), 1.40563906 * std::log(2.0) / std::log(3.0), 1e-8);
    EXPECT_EQ(s.layers[0].all.tokens, 17);
    EXPECT_EQ(s.layers[0].all.chosen_E, (std::vector<int64_t>{9, 15, 10}));
    // Token 5 (8 times): experts 0, 1, 2 chosen by 7, 7, 2; token 6 (9 times): by 2, 8, 8.
    EXPECT_NEAR(s.layers[0].vocabulary, (7.0 + 8.0) / 17, 1e-12);
    ASSERT_EQ(s.layers[0].typical_E[0].size(), 2u);
    EXPECT_EQ(s.layers[0].typical_E[0][0].token, 5);
    EXPECT_EQ(s.layers[0].typical_E[0][0].chose, 7);
    EXPECT_EQ(s.layers[0].typical_E[0][0].seen, 8);
    EXPECT_EQ(s.layers[0].typical_E[2][0].token, 6);

    const auto json = to_json(s, traces);
    EXPECT_EQ(json["layers"][0]["layer"], 3);
    EXPECT_EQ(json["layers"][0]["pairs"].dump(), "[[0,1,7],[0,2,2],[1,2,8]]");
    EXPECT_EQ(json["layers"][0]["domains"][0]["weight"][0], 0.75);
}

TEST(Statistics, WilsonIntervalAsPublished) {  // Newcombe 1998, table I: 81/263 and 0/20, 15/148
    EXPECT_NEAR(wilson_lower(81, 263), 0.2553, 5e-5);
    EXPECT_NEAR(wilson_lower(15, 148), 0.0624, 5e-5);
    EXPECT_NEAR(wilson_lower(0, 20), 0, 1e-12);
}

TEST(Saturation, IsTheShareOfCommonExperts) {
    const Folder a, b, c;
    const auto early = made_by_hand(a, {{"x", {5, 5, 5, 5}, {0, 1, 0, 1, 2, 1, 0, 2}}}, 3);
    const auto late = made_by_hand(b, {{"x", {5, 5, 5, 5}, {1, 0, 0, 2, 2, 1, 1, 2}}}, 4);
    const Saturation s = saturation(early, late);
    EXPECT_EQ(s.tokens, 4);
    EXPECT_THAT(s.layers, ElementsAre((1 + 0.5 + 1 + 0.5) / 4));
    EXPECT_THAT(s.first, ElementsAre(0.5));
    EXPECT_THROW(saturation(early, made_by_hand(c, {{"x", {5, 6, 5, 5}, {1, 0, 0, 2, 2, 1, 1, 2}}})), Error);
    EXPECT_THROW(saturation(early, made_by_hand(c, {{"x", {5, 5, 5}, {1, 0, 0, 2, 2, 1}}})), Error);
    EXPECT_THROW(saturation(early, made_by_hand(c, {{"y", {5, 5, 5, 5}, {1, 0, 0, 2, 2, 1, 1, 2}}})), Error);
}

TEST(TraceDirectory, ForeignOnesAreClearErrors) {
    const Folder folder;
    made_by_hand(folder, {{"x", {5}, {0, 1}}});
    for (const char* bad : {"", "{}", "[1]", R"({"format":"other"})",
                            R"({"format":"gremium-trace-1","model":"m","hash":"h","architecture":"a","domains":[]})",
                            R"({"format":"gremium-trace-1","model":"m","hash":"g","architecture":"a",)"
                            R"("domains":[{"name":"x","tokens":1}]})",
                            R"({"format":"gremium-trace-1","model":"m","hash":"h","architecture":"a",)"
                            R"("domains":[{"name":"../x","tokens":1}]})"}) {
        SCOPED_TRACE(bad);
        write(folder / "trace.json", bad);
        EXPECT_THROW(open_traces(folder), Error);
    }
    made_by_hand(folder, {{"x", {5}, {0, 1}}});
    for (const char* bad : {"", "[[20,\"x\"]]", "[[-1,\"x\"]]", "[[1]]", "[[1,[256]]]", "[[1,2]]"}) {
        SCOPED_TRACE(bad);
        write(folder / "pieces.json", bad);
        EXPECT_THROW(open_traces(folder), Error);
    }
}

TEST(TraceDomains, TextBecomesWindowsOfItsTokens) {
    const auto model = test::tiny_model("olmoe");
    const Folder folder;
    const std::string one = "the hare\n", two = "he eats there";
    write(folder / "t.txt", one + '\0' + two);
    trace_domains(*model, {{"t", {(folder / "t.txt").string()}}}, folder / "out", {.window = 8}, {});
    std::vector<int32_t> expected = model->tokenizer->encode(one);
    expected.push_back(model->tokenizer->vocabulary().eos);
    for (const int32_t id : model->tokenizer->encode(two)) expected.push_back(id);
    expected.push_back(model->tokenizer->vocabulary().eos);

    const TraceDirectory traces = open_traces(folder / "out");
    TraceReader reader(traces.domains.at(0).path);
    std::vector<int32_t> tokens;
    hooks::TraceBlock block;
    while (reader.next(block)) {
        for (size_t t = 0; t < block.size(); ++t) {
            EXPECT_EQ(block.positions[t], static_cast<int32_t>(tokens.size() % 8));
            tokens.push_back(block.tokens[t]);
        }
    }
    EXPECT_EQ(tokens, expected);
    for (const int32_t id : expected) EXPECT_EQ(traces.pieces[static_cast<size_t>(id)], model->tokenizer->piece(id));

    trace_domains(*model, {{"t", {(folder / "t.txt").string()}}}, folder / "out", {.window = 8, .max_tokens = 11}, {});
    EXPECT_EQ(statistics_of(open_traces(folder / "out")).tokens.at(0), 11);
    export_trace(traces.domains[0], traces, folder / "t.csv", TraceFormat::csv);
    std::ifstream csv(folder / "t.csv");
    std::string header, line;
    std::getline(csv, header);
    EXPECT_EQ(header, "position,token,layer,choice,expert,weight,margin");
    size_t lines = 0;
    while (std::getline(csv, line)) ++lines;
    EXPECT_EQ(lines, 11u * 3 * 2);
    export_trace(traces.domains[0], traces, folder / "t.jsonl", TraceFormat::jsonl);
    std::ifstream jsonl(folder / "t.jsonl");
    std::getline(jsonl, line);
    EXPECT_EQ(nlohmann::json::parse(line)["token"], expected[0]);
}

}  // namespace
}  // namespace gremium::lab
