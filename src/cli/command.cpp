#include "cli/command.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <random>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace gremium::cli {
namespace {

// Random ones have 32 bits, so that every reader of JSON keeps them. 2³²-1 is llama.cpp's other name of -1.
uint64_t parse_seed(const std::string& text) {
    if (text == "-1" || text == "4294967295") return std::random_device{}();
    uint64_t seed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
    if (error != std::errc() || end != text.data() + text.size())
        throw CLI::ValidationError(fmt::format("--seed: '{}', expected a whole number from 0 to 2^64-1, or -1", text));
    return seed;
}

}  // namespace

// A number for which `allowed` is true; "expected" says which.
template <typename Number>
Flag& Flag::check(const std::string& expected, const std::function<bool(Number)>& allowed) {
    option_->check(CLI::Validator(
        [=](std::string& text) -> std::string {
            Number number{};
            const bool good = CLI::detail::lexical_cast(text, number) && std::isfinite(static_cast<double>(number)) &&
                              std::abs(static_cast<double>(number)) <= std::numeric_limits<float>::max();
            return good && allowed(number) ? "" : fmt::format("'{}', expected {}", text, expected);
        },
        expected));
    return *this;
}

Flag& Flag::required() {
    option_->required();
    return *this;
}
bool Flag::given() const { return option_->count() > 0; }
Flag& Flag::needs(const Flag& other) {
    option_->needs(other.option_);
    return *this;
}
Flag& Flag::excludes(const Flag& other) {
    option_->excludes(other.option_);
    return *this;
}
Flag& Flag::range(int64_t lowest, int64_t highest) {
    return check<int64_t>(fmt::format("{} to {}", lowest, highest),
                          [=](int64_t x) { return x >= lowest && x <= highest; });
}
Flag& Flag::between(double lowest, double highest) {
    return check<double>(fmt::format("{} to {}", lowest, highest),
                         [=](double x) { return x >= lowest && x <= highest; });
}
Flag& Flag::at_least(double lowest) {
    return check<double>(fmt::format("{} or more", lowest), [=](double x) { return x >= lowest; });
}
Flag& Flag::above(double bound) {
    return check<double>(fmt::format("above {}", bound), [=](double x) { return x > bound; });
}
Flag& Flag::one_of(const std::vector<std::string>& values) {
    option_->check(CLI::IsMember(values));
    return *this;
}
Flag& Flag::existing_file() {
    option_->check(CLI::ExistingFile);
    return *this;
}
Flag& Flag::values(int least, int most) {
    option_->expected(least, most);
    return *this;
}
Flag& Flag::one_value() {
    option_->allow_extra_args(false);
    return *this;
}
Flag& Flag::show_default() {
    option_->capture_default_str();
    return *this;
}
Flag& Flag::show_default(const std::string& value) {
    option_->default_str(value);
    return *this;
}
Flag& Flag::group(const std::string& heading) {
    option_->group(heading);
    return *this;
}

Command Command::add(const std::string& name, const std::string& help) {
    return Command(*app_->add_subcommand(name, help));
}
Flag Command::option(const std::string& names, std::string& value, const std::string& help) {
    return Flag(app_->add_option(names, value, help));
}
Flag Command::option(const std::string& names, std::vector<std::string>& values, const std::string& help) {
    return Flag(app_->add_option(names, values, help));
}
Flag Command::option(const std::string& names, int& value, const std::string& help) {
    return Flag(app_->add_option(names, value, help));
}
Flag Command::option(const std::string& names, int64_t& value, const std::string& help) {
    return Flag(app_->add_option(names, value, help));
}
Flag Command::option(const std::string& names, float& value, const std::string& help) {
    return Flag(app_->add_option(names, value, help));
}
Flag Command::option(const std::string& names, double& value, const std::string& help) {
    return Flag(app_->add_option(names, value, help));
}
Flag Command::option(const std::string& names, const std::function<void(const std::string&)>& set,
                     const std::string& help) {
    return Flag(app_->add_option_function<std::string>(names, set, help));
}
Flag Command::seed(const std::string& names, uint64_t& value, const std::string& help) {
    const auto set = [&value](const std::string& text) { value = parse_seed(text); };
    return option(names, set, help + "; -1: another one each time").show_default(std::to_string(value));
}
Flag Command::flag(const std::string& names, bool& value, const std::string& help) {
    return Flag(app_->add_flag(names, value, help));
}
Flag Command::get(const std::string& name) { return Flag(app_->get_option(name)); }

void Command::examples(std::initializer_list<std::string_view> lines) {
    std::string footer = lines.size() == 1 ? "Example:" : "Examples:";
    for (const std::string_view line : lines) footer.append("\n  ").append(line);
    app_->footer(footer);
}
void Command::run(const std::function<void()>& work) { app_->callback(work); }
void Command::needs_subcommand() { app_->require_subcommand(1); }
void Command::hide() { app_->group(""); }

std::vector<Command> Command::subcommands() {
    std::vector<Command> all;
    // Any filter makes CLI11 look at all of them, not only at those that were given.
    for (CLI::App* app : app_->get_subcommands([](CLI::App*) { return true; })) all.emplace_back(*app);
    return all;
}

int run_program(const Program& program, int argc, char** argv) {
    CLI::App app{program.about, program.name};
    app.require_subcommand(1);
    app.set_version_flag("--version", program.version);
    program.define(Command(app));
    try {
        app.parse(argc, argv);
        return 0;
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
}

void require_flag(const std::string& names) { throw CLI::RequiredError(names); }

void parse_flags(const std::string& text, const std::function<void(Command)>& define) {
    CLI::App parser;
    define(Command(parser));
    parser.parse(text, false);
}

}  // namespace gremium::cli
