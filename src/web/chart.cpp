#include "web/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace gremium::web {
namespace {

constexpr double width = 400, height = 230, left = 44, right = 10, top = 10, bottom = 34;
constexpr size_t max_points = 400;  // of a line: more than the chart has pixels

struct Range {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    void add(double v) {
        low = std::min(low, v);
        high = std::max(high, v);
    }
    double at(double v, double from, double to) const { return from + (v - low) / (high - low) * (to - from); }
};

// The largest of 1, 2, 5 · 10^n that cuts the range into at most `parts`.
double nice_step(double span, double parts) {
    const double magnitude = std::pow(10, std::floor(std::log10(span / parts)));
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (span / (factor * magnitude) <= parts) return factor * magnitude;
    }
    return 10 * magnitude;
}

// Ticks are round; the range grows to hold some air, but not below zero.
std::vector<double> ticks(Range& range, double parts) {
    if (!(range.high > range.low)) {
        const double air = range.low == 0 ? 1 : std::abs(range.low) * 0.1;
        range = {range.low - air, range.high + air};
    }
    const double step = nice_step(range.high - range.low, parts);
    std::vector<double> found;
    for (double i = std::ceil(range.low / step - 1e-9); i * step <= range.high * (1 + 1e-12); ++i) {
        found.push_back(i * step);
    }
    return found;
}

// Means of equal runs of points.
std::vector<std::pair<double, double>> thinned(const std::vector<std::pair<double, double>>& points) {
    const size_t run = (points.size() + max_points - 1) / max_points;
    if (run < 2) return points;
    std::vector<std::pair<double, double>> out;
    for (size_t i = 0; i < points.size(); i += run) {
        const size_t n = std::min(run, points.size() - i);
        double x = 0, y = 0;
        for (size_t j = i; j < i + n; ++j) {
            x += points[j].first;
            y += points[j].second;
        }
        out.emplace_back(x / static_cast<double>(n), y / static_cast<double>(n));
    }
    return out;
}

std::string path_of(const Series& series, const Range& x, const Range& y) {
    std::string path;
    for (const auto& [px, py] : thinned(series.points)) {
        path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", x.at(px, left, width - right),
                            y.at(py, height - bottom, top));
    }
    return path;
}

std::string axes(const std::vector<double>& x_ticks, const std::vector<double>& y_ticks, const Range& x, const Range& y,
                 std::string_view x_name) {
    std::string svg;
    for (const double t : y_ticks) {
        const double at = y.at(t, height - bottom, top);
        svg += fmt::format(R"(<path class="rule" d="M{} {:.1f}H{}"/><text class="end" x="{}" y="{:.1f}">{}</text>)",
                           left, at, width - right, left - 6, at + 4, short_number(t));
    }
    for (const double t : x_ticks) {
        svg += fmt::format(R"(<text class="middle" x="{:.1f}" y="{}">{}</text>)", x.at(t, left, width - right),
                           height - bottom + 16, short_number(t));
    }
    return svg + fmt::format(R"(<text class="end" x="{}" y="{}">{}</text>)", width - right, height - 3, x_name);
}

// How far from its fair share: −4 … 4, in half powers of two.
int level(double ratio) {
    if (ratio <= 0) return -5;
    return static_cast<int>(std::lround(std::clamp(2 * std::log2(ratio), -4.0, 4.0)));
}

std::string class_of(int at) {
    if (at == -5) return "dead";
    return at < 0 ? fmt::format("low{}", -at) : fmt::format("high{}", at);
}

std::vector<double> merged(const std::vector<double>& row, size_t run) {
    std::vector<double> out;
    for (size_t i = 0; i < row.size(); i += run) {
        const size_t n = std::min(run, row.size() - i);
        double sum = 0;
        for (size_t j = i; j < i + n; ++j) sum += row[j];
        out.push_back(sum / static_cast<double>(n));
    }
    return out;
}

std::string strips(const std::vector<std::vector<double>>& rows) {
    std::map<int, std::string> paths;  // one a level: short files
    for (size_t r = 0; r < rows.size(); ++r) {
        for (size_t c = 0; c < rows[r].size(); ++c) paths[level(rows[r][c])] += fmt::format("M{} {}h1v1h-1z", c, r);
    }
    std::string svg;
    for (const auto& [at, path] : paths) svg += fmt::format(R"(<path class="{}" d="{}"/>)", class_of(at), path);
    return svg;
}

std::string squares(const std::vector<std::vector<double>>& rows) {
    std::string svg;
    for (size_t r = 0; r < rows.size(); ++r) {
        for (size_t c = 0; c < rows[r].size(); ++c) {
            svg += fmt::format(R"(<rect class="{}" x="{}.05" y="{}.05" width=".9" height=".9" rx=".12">)"
                               R"(<title>{}, expert {}: {:.2f}× its share</title></rect>)",
                               class_of(level(rows[r][c])), c, r, r, c, rows[r][c]);
        }
    }
    return svg;
}

}  // namespace

std::string escape_html(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '"')
            out += "&quot;";
        else
            out += c;
    }
    return out;
}

std::string short_number(double value) {
    const double size = std::abs(value);
    for (const auto& [unit, name] : {std::pair{1e9, "G"}, std::pair{1e6, "M"}, std::pair{1e3, "k"}}) {
        if (size >= unit * 0.9995) return fmt::format("{:.3g}{}", value / unit, name);
    }
    if (size < 1e-12) return "0";
    return size < 1e-3 ? fmt::format("{:.1e}", value) : fmt::format("{:.3g}", value);
}

std::string line_chart(std::string_view title, std::string_view unit, std::string_view x_name,
                       const std::vector<Series>& series) {
    Range x, y;
    for (const Series& one : series) {
        for (const auto& [px, py] : one.points) {
            x.add(px);
            y.add(py);
        }
    }
    if (!(x.low <= x.high)) return {};
    const std::vector<double> y_ticks = ticks(y, 5), x_ticks = ticks(x, 5);
    std::string lines, legend;
    int colour = 0;
    for (const Series& one : series) {
        if (one.points.empty()) continue;
        const std::string kind = one.faint ? "faint" : fmt::format("c{}", colour++ % 6);
        lines += fmt::format(R"(<path class="line {}" d="{}"/>)", kind, path_of(one, x, y));
        if (!one.name.empty()) {
            legend += fmt::format(R"(<span><i class="{}"></i>{} <b>{}</b></span>)", kind, escape_html(one.name),
                                  short_number(one.points.back().second));
        }
    }
    return fmt::format(
        R"(<figure><figcaption>{} <small>{}</small></figcaption><svg viewBox="0 0 {} {}" role="img">{}{}</svg>)"
        R"(<div class="legend">{}</div></figure>)",
        escape_html(title), escape_html(unit), width, height, axes(x_ticks, y_ticks, x, y, x_name), lines, legend);
}

std::string heat_map(const HeatMap& map) {
    size_t columns = 0;
    for (const auto& row : map.cells) columns = std::max(columns, row.size());
    if (columns == 0) return {};
    const size_t run = map.square ? 1 : (columns + map.max_columns - 1) / map.max_columns;
    std::vector<std::vector<double>> rows;
    for (const auto& row : map.cells) rows.push_back(merged(row, run));
    columns = (columns + run - 1) / run;
    return fmt::format(R"(<figure><figcaption>{} <small>{} ↓ {} →</small></figcaption>)"
                       R"(<svg class="{}" viewBox="0 0 {} {}" {}role="img">{}</svg></figure>)",
                       escape_html(map.title), escape_html(map.row_name), escape_html(map.column_name),
                       map.square ? "squares" : "strips", columns, rows.size(),
                       map.square ? "" : R"(preserveAspectRatio="none" )", map.square ? squares(rows) : strips(rows));
}

}  // namespace gremium::web
