#include "train/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "web/assets.h"
#include "web/chart.h"

namespace gremium::train {
namespace {

using Rows = std::vector<nlohmann::ordered_json>;

std::string colour_rules() {
    std::string css;
    for (int c = 0; c < 6; ++c)
        css += fmt::format(".line.c{0}{{stroke:var(--c{0})}}i.c{0}{{background:var(--c{0})}}", c);
    return css;
}

std::string duration(double seconds) {
    const int64_t s = std::llround(std::max(0.0, seconds));
    if (s < 60) return fmt::format("{}s", s);
    if (s < 3600) return fmt::format("{}m {:02}s", s / 60, s % 60);
    return fmt::format("{}h {:02}m", s / 3600, s / 60 % 60);
}

std::vector<const nlohmann::ordered_json*> of_kind(const Rows& metrics, std::string_view kind) {
    std::vector<const nlohmann::ordered_json*> rows;
    for (const auto& row : metrics) {
        if (row.value("kind", "") == kind) rows.push_back(&row);
    }
    return rows;
}

web::Series series(const Rows& metrics, const char* key) {
    web::Series out;
    for (const auto* row : of_kind(metrics, "train")) {
        if (row->contains(key) && row->at(key).is_number()) out.points.emplace_back(row->at("step"), row->at(key));
    }
    return out;
}

// An exponential moving average over about a sixtieth of the run.
web::Series smoothed(web::Series series) {
    series.name = "running mean";
    const double keep = 1 - 1 / std::max(1.0, static_cast<double>(series.points.size()) / 60);
    for (size_t i = 1; i < series.points.size(); ++i) {
        series.points[i].second = keep * series.points[i - 1].second + (1 - keep) * series.points[i].second;
    }
    return series;
}

std::string noisy_chart(const Rows& metrics, const char* key, std::string_view title, std::string_view unit) {
    web::Series raw = series(metrics, key);
    web::Series mean = smoothed(raw);
    raw.faint = true;
    return web::line_chart(title, unit, "step", {raw, mean});
}

std::string heldout_chart(const Rows& metrics, const char* key, std::string_view title, std::string_view unit) {
    std::vector<web::Series> lines;
    for (const auto* row : of_kind(metrics, "evaluation")) {
        for (const auto& domain : row->at("domains").items()) {
            auto line =
                std::find_if(lines.begin(), lines.end(), [&](const web::Series& s) { return s.name == domain.key(); });
            if (line == lines.end()) line = lines.insert(lines.end(), {.name = domain.key(), .points = {}});
            line->points.emplace_back(row->at("step"), domain.value().at(key));
        }
    }
    return web::line_chart(title, unit, "step", lines);
}

// shares[layer][expert][window]
std::map<int, std::vector<std::vector<double>>> load_shares(const Rows& metrics) {
    std::map<int, std::vector<std::vector<double>>> shares;
    for (const auto* row : of_kind(metrics, "experts")) {
        for (const auto& layer : row->at("layers")) {
            const auto load = layer.at("load").get<std::vector<double>>();
            const double mean = std::accumulate(load.begin(), load.end(), 0.0) / static_cast<double>(load.size());
            auto& rows = shares[layer.at("layer").get<int>()];
            rows.resize(load.size());
            for (size_t e = 0; e < load.size(); ++e) rows[e].push_back(mean > 0 ? load[e] / mean : 0);
        }
    }
    return shares;
}

std::string key_of_colours() {
    std::string key = "<div class=\"key soft\">no token ";
    const auto box = [&](const std::string& kind) {
        key += fmt::format(R"(<svg viewBox="0 0 1 1"><rect class="{}" width="1" height="1"/></svg>)", kind);
    };
    box("dead");
    key += " &nbsp; ¼ of its share ";
    for (const char* kind : {"low4", "low3", "low2", "low1", "high0", "high1", "high2", "high3", "high4"}) box(kind);
    return key + " 4×</div>";
}

std::string experts_section(const Rows& metrics) {
    const auto shares = load_shares(metrics);
    if (shares.empty()) return {};
    web::HeatMap last{.title = "At the end", .row_name = "layer", .column_name = "expert", .cells = {}, .square = true};
    std::string over_time;
    for (const auto& [layer, rows] : shares) {
        std::vector<double>& row = last.cells.emplace_back();
        for (const auto& expert : rows) row.push_back(expert.back());
        over_time += web::heat_map(
            {.title = fmt::format("Layer {}", layer), .row_name = "expert", .column_name = "step", .cells = rows});
    }
    return "<h2>Experts: tokens against an equal share</h2>" + key_of_colours() + web::heat_map(last) +
           "<h2>The same over time</h2><div class=\"grid\">" + over_time + "</div>";
}

std::string score_table(const Rows& metrics) {
    const auto evaluations = of_kind(metrics, "evaluation");
    if (evaluations.empty()) return {};
    std::string html =
        "<h2>Held-out text</h2><div class=\"scroll\"><table><tr><th>domain<th>bits per "
        "byte<th>loss<th>perplexity<th>bytes</tr>";
    for (const auto& [name, score] : evaluations.back()->at("domains").items()) {
        const double loss = score.at("loss");
        html += fmt::format("<tr><td>{}<td>{:.4f}<td>{:.4f}<td>{:.2f}<td>{}</tr>", web::escape_html(name),
                            score.at("bits_per_byte").get<double>(), loss, std::exp(loss),
                            score.at("bytes").get<int64_t>());
    }
    return html + "</table></div>";
}

std::string warnings_section(const Rows& metrics) {
    const auto warnings = of_kind(metrics, "warning");
    if (warnings.empty()) return "<h2>Warnings</h2><p class=\"soft\">None.</p>";
    std::string html = "<h2>Warnings</h2><ul>";
    const size_t shown = std::min<size_t>(warnings.size(), 40);
    for (const auto* row : std::vector(warnings.end() - static_cast<std::ptrdiff_t>(shown), warnings.end())) {
        html += fmt::format("<li>step {}: {}</li>", row->at("step").get<int64_t>(),
                            web::escape_html(row->at("text").get<std::string>()));
    }
    if (shown < warnings.size())
        html += fmt::format("<li class=\"soft\">and {} earlier ones</li>", warnings.size() - shown);
    return html + "</ul>";
}

std::string tiles(const Rows& metrics) {
    const auto rows = of_kind(metrics, "train");
    if (rows.empty()) return {};
    const auto& last = *rows.back();
    const auto tile = [](std::string_view name, const std::string& value) {
        return fmt::format(R"(<div class="tile"><small>{}</small><b>{}</b></div>)", name, value);
    };
    const double seconds = last.at("seconds"), tokens = last.at("tokens");
    return "<div class=\"tiles\">" + tile("steps", fmt::format("{}", last.at("step").get<int64_t>())) +
           tile("tokens", web::short_number(tokens)) + tile("time", duration(seconds)) +
           tile("tokens per second", web::short_number(tokens / std::max(seconds, 1e-9))) +
           tile("loss", fmt::format("{:.3f}", last.at("loss").get<double>())) +
           tile("MaxVio", fmt::format("{:.2f}", last.at("max_violation").get<double>())) +
           tile("dead experts", fmt::format("{}", last.at("dead_experts").get<int64_t>())) + "</div>";
}

}  // namespace

std::string live_line(const StepReport& report) {
    std::string line = fmt::format("step {}/{}  loss {:.3f}", report.step, report.steps, report.loss);
    if (report.scores) {
        line += "  held-out";
        for (const DomainScore& score : *report.scores)
            line += fmt::format(" {} {:.3f}", score.name, score.bits_per_byte);
        line += " bits/byte";
    }
    return line + fmt::format("  {} tok/s  {} left  MaxVio {:.2f}  dead {}",
                              web::short_number(report.tokens_per_second), duration(report.seconds_left),
                              report.max_violation, report.dead_experts);
}

std::string html_report(const nlohmann::json& config, const std::vector<nlohmann::ordered_json>& metrics) {
    const std::string name = web::escape_html(config.at("model").at("name").get<std::string>());
    std::string html = fmt::format(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width,initial-scale=1\"><title>{} · "
        "training</title><style>{}{}</style><h1>{}</h1>",
        name, web::report_css, colour_rules(), name);
    const auto& model = config.at("model");
    html += fmt::format("<p class=\"soft\">{} · {} layers of {} · {} experts, top {} · trained by Gremium</p>",
                        web::escape_html(model.at("architecture").get<std::string>()), model.at("layers").get<int>(),
                        model.at("dim").get<int>(), model.at("experts").get<int>(), model.at("top_k").get<int>());
    html += tiles(metrics) + "<div class=\"grid\">";
    html += noisy_chart(metrics, "loss", "Training loss", "nats per token");
    html += heldout_chart(metrics, "bits_per_byte", "Held-out text", "bits a byte");
    html += web::line_chart("Learning rate", "", "step", {series(metrics, "lr")});
    html += noisy_chart(metrics, "tokens_per_second", "Speed", "tokens per second");
    html += noisy_chart(metrics, "gradient_norm", "Gradient norm", "before clipping");
    html += noisy_chart(metrics, "max_violation", "MaxVio", "worst layer of a step");
    html += "</div>" + score_table(metrics) + experts_section(metrics) + warnings_section(metrics);
    html += fmt::format("<h2>Recipe</h2><details><summary>all values</summary><pre>{}</pre></details></html>\n",
                        web::escape_html(config.dump(2)));
    return html;
}

}  // namespace gremium::train
