#include "cli/texts.h"

#include <fmt/format.h>

#include "cli/prompt_text.h"

namespace gremium::cli {

using Json = nlohmann::ordered_json;
using Numbers = lab::MeasuredTexts::Numbers;

void add_sample(Command command, data::SampleOptions& sample, const std::string& tokens_help) {
    sample.note = say_note;
    command.option("--tokens", sample.tokens, tokens_help).range(512, int64_t{1} << 32).show_default();
    command.option("--window", sample.window, "tokens in a window").range(8, int64_t{1} << 20).show_default();
}

std::vector<lab::NamedFile> named_files(const std::vector<std::string>& arguments) {
    std::vector<lab::NamedFile> files;
    for (const std::string& argument : arguments) {
        const size_t equals = argument.find('=');
        const std::string file = equals == std::string::npos ? argument : argument.substr(equals + 1);
        files.push_back({.name = argument.substr(0, equals), .file = file});
    }
    return files;
}

void print_measured(const lab::MeasuredTexts& texts, const Measured& before, const Measured& after) {
    if (texts.empty()) return;
    fmt::print("  {:<20} {:>22} {:>22} {:>16} {:>18}\n", "text", "nats/token", "bits/byte", "KL to original", "MaxVio");
    for (size_t i = 0; i < texts.size(); ++i) {
        const Numbers &b = before[i], &a = after[i];
        fmt::print("  {:<20} {:>22} {:>22} {:>16.5f} {:>18}\n", texts.name(i),
                   fmt::format("{:.4f} -> {:.4f}", b.loss, a.loss),
                   fmt::format("{:.4f} -> {:.4f}", b.bits_per_byte, a.bits_per_byte), a.kl,
                   fmt::format("{:.2f} -> {:.2f}", b.max_violation, a.max_violation));
    }
}

Json measured_to_json(const lab::MeasuredTexts& texts, const Measured& before, const Measured& after) {
    const auto numbers = [](const Numbers& m) {
        return Json{
            {"loss", m.loss}, {"bits_per_byte", m.bits_per_byte}, {"kl", m.kl}, {"max_violation", m.max_violation}};
    };
    Json all = Json::object();
    for (size_t i = 0; i < texts.size(); ++i)
        all[texts.name(i)] = {{"before", numbers(before[i])}, {"after", numbers(after[i])}};
    return all;
}

}  // namespace gremium::cli
