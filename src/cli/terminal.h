// Colours and pictures for a terminal; plain text everywhere else.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <string_view>

namespace gremium::cli {

// Colour only on a terminal, and never against NO_COLOR (https://no-color.org).
bool wants_colour(std::FILE* stream);

// The same expert has the same colour everywhere: hues far apart for neighbours.
std::string coloured(std::string_view text, int expert, bool colour);

// A grid of values in [0, 1] as shaded cells, with row and column labels. Without colour: " .:-=+*#%@".
struct HeatMap {
    size_t rows = 0, columns = 0;
    std::function<double(size_t row, size_t column)> value;
    std::function<std::string(size_t row)> row_label;
};
std::string heat_map(const HeatMap& map, bool colour);

}  // namespace gremium::cli
