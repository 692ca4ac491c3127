#include "train/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "web/chart.h"

namespace gremium::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Report, LiveLineSaysWhatMatters) {
    const std::vector<DomainScore> scores = {{"english", 2.2, 1.234, 10, 20}};
    StepReport report{.step = 12, .steps = 300, .loss = 3.14159};
    report.tokens_per_second = 21340;
    report.seconds_left = 725;
    report.max_violation = 0.5;
    report.dead_experts = 3;
    report.scores = &scores;
    EXPECT_EQ(live_line(report),
              "step 12/300  loss 3.142  held-out english 1.234 bits/byte  21.3k tok/s  12m 05s left  MaxVio "
              "0.50  dead 3");
}

nlohmann::ordered_json train_row(int step, double loss) {
    return {{"kind", "train"},
            {"step", step},
            {"tokens", step * 100},
            {"loss", loss},
            {"lr", 0.1},
            {"gradient_norm", 1.0},
            {"seconds", 1},
            {"max_violation", 0.2},
            {"dead_experts", 0},
            {"tokens_per_second", 10.0}};
}

const nlohmann::json config = {
    {"model", {{"name", "a <b>"}, {"architecture", "dots1"}, {"layers", 2}, {"dim", 8}, {"experts", 2}, {"top_k", 1}}}};

TEST(Report, PageHoldsCurvesLoadsAndWarningsAndNothingFromElsewhere) {
    std::vector<nlohmann::ordered_json> rows = {train_row(1, 5), train_row(2, 4)};
    rows.push_back({{"kind", "evaluation"},
                    {"step", 2},
                    {"domains", {{"c&d", {{"loss", 2.0}, {"bits_per_byte", 1.5}, {"tokens", 3}, {"bytes", 9}}}}}});
    rows.push_back({{"kind", "experts"}, {"step", 2}, {"layers", {{{"layer", 1}, {"load", {30, 0}}}}}});
    rows.push_back({{"kind", "warning"}, {"step", 2}, {"text", "dead: 1/1 <"}});
    const std::string page = html_report(config, rows);
    EXPECT_THAT(page, AllOf(HasSubstr("a &lt;b&gt;"), HasSubstr("c&amp;d"), HasSubstr("1.5000"),
                            HasSubstr("class=\"dead\""), HasSubstr("expert 0: 2.00×"), HasSubstr("dead: 1/1 &lt;")));
    EXPECT_THAT(page, Not(HasSubstr("http")));
    EXPECT_THAT(page, Not(HasSubstr("nan")));
}

TEST(Report, AnEmptyRunIsAPageToo) { EXPECT_THAT(html_report(config, {}), HasSubstr("</html>")); }

TEST(Chart, LinesEndWhereTheDataEnd) {
    const std::string svg = web::line_chart("t", "", "x", {{"", {{0, 0}, {10, 100}}, false}});
    EXPECT_THAT(svg, HasSubstr("M44.0 196.0L390.0 10.0"));  // corner to corner of the plot area
    EXPECT_THAT(svg, AllOf(HasSubstr(">20<"), HasSubstr(">100<"), HasSubstr(">10<")));
    EXPECT_EQ(web::line_chart("t", "", "x", {}), "");
    EXPECT_THAT(web::line_chart("t", "", "x", {{"", {{3, 7}}, false}}), Not(HasSubstr("nan")));
}

TEST(Chart, NumbersAreShort) {
    EXPECT_EQ(web::short_number(1234567), "1.23M");
    EXPECT_EQ(web::short_number(999.9), "1k");
    EXPECT_EQ(web::short_number(21340), "21.3k");
    EXPECT_EQ(web::short_number(0.003), "0.003");
    EXPECT_EQ(web::short_number(0), "0");
}

}  // namespace
}  // namespace gremium::train
