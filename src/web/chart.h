// Small charts as inline SVG: no scripts, colours from the page's style, readable at 360 pixels.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gremium::web {

struct Series {
    std::string name;
    std::vector<std::pair<double, double>> points;  // by ascending x
    bool faint = false;                             // a background to another series, without a colour of its own
};

// A titled line chart; `unit` goes with the title, `x_name` under the axis. Nothing to draw: an empty string.
std::string line_chart(std::string_view title, std::string_view unit, std::string_view x_name,
                       const std::vector<Series>& series);

// cells[row][column] = how many times its fair share; empty rows are allowed. Columns are merged down to `max_columns`.
struct HeatMap {
    std::string title, row_name, column_name;
    std::vector<std::vector<double>> cells;
    size_t max_columns = 96;
    bool square = false;  // one labelled square a cell
};
std::string heat_map(const HeatMap& map);

std::string escape_html(std::string_view text);

// 1234567 → "1.23M"; three significant digits.
std::string short_number(double value);

}  // namespace gremium::web
