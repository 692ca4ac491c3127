#include "cli/terminal.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

namespace gremium::cli {
namespace {

struct Rgb {
    int r, g, b;
};

Rgb from_hue(double hue, double saturation, double value) {
    const auto channel = [&](double shift) {
        const double x = std::fmod(hue * 6 + shift, 6.0);
        return static_cast<int>(255 * (value - value * saturation * std::clamp(std::min(x, 4 - x), 0.0, 1.0)));
    };
    return {channel(5), channel(3), channel(1)};
}

// Dark violet over red to light yellow: even steps in lightness, readable for the colour-blind.
Rgb heat(double x) {
    constexpr std::array<Rgb, 6> stops{
        {{20, 11, 52}, {87, 16, 109}, {151, 39, 102}, {209, 74, 65}, {247, 139, 22}, {252, 255, 164}}};
    const double at = std::clamp(x, 0.0, 1.0) * (stops.size() - 1);
    const size_t i = std::min(static_cast<size_t>(at), stops.size() - 2);
    const double f = at - static_cast<double>(i);
    const auto mix = [&](int a, int b) { return static_cast<int>(std::lround(a + (b - a) * f)); };
    return {mix(stops[i].r, stops[i + 1].r), mix(stops[i].g, stops[i + 1].g), mix(stops[i].b, stops[i + 1].b)};
}

}  // namespace

bool wants_colour(std::FILE* stream) {
    const char* no_color = std::getenv("NO_COLOR");
    return ::isatty(::fileno(stream)) != 0 && !(no_color && *no_color);
}

std::string coloured(std::string_view text, int expert, bool colour) {
    if (!colour || expert < 0) return std::string(text);
    constexpr double golden = 0.6180339887498949;  // multiples of it spread evenly over the circle
    const Rgb c = from_hue(std::fmod(expert * golden, 1.0), 0.55, 0.95);
    return fmt::format("\x1b[38;2;{};{};{}m{}\x1b[0m", c.r, c.g, c.b, text);
}

std::string heat_map(const HeatMap& map, bool colour) {
    constexpr std::string_view shades = " .:-=+*#%@";
    std::string out;
    size_t width = 0;
    for (size_t r = 0; r < map.rows; ++r) width = std::max(width, map.row_label(r).size());
    // At most two characters a cell, one when the experts are many.
    const int cell = map.columns <= 40 ? 2 : 1;
    out += fmt::format("{:>{}} ", "expert", width);
    for (size_t c = 0; c < map.columns; ++c) {
        if (cell == 2)
            out += c % 2 == 0 ? fmt::format("{:<4}", c) : "";
        else
            out += c % 8 == 0 ? fmt::format("{:<8}", c) : "";
    }
    out += "\n";
    for (size_t r = 0; r < map.rows; ++r) {
        out += fmt::format("{:>{}} ", map.row_label(r), width);
        for (size_t c = 0; c < map.columns; ++c) {
            const double x = std::clamp(map.value(r, c), 0.0, 1.0);
            if (colour) {
                const Rgb rgb = heat(x);
                out += fmt::format("\x1b[48;2;{};{};{}m{:{}}\x1b[0m", rgb.r, rgb.g, rgb.b, "", cell);
            } else {
                const char shade =
                    shades[std::min(shades.size() - 1, static_cast<size_t>(x * static_cast<double>(shades.size())))];
                out += std::string(static_cast<size_t>(cell), shade);
            }
        }
        out += "\n";
    }
    return out;
}

}  // namespace gremium::cli
