// gremium man: the manual pages, made of the same descriptions that --help prints.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"
#include "cli/common.h"

namespace gremium::cli {
namespace {

// Text as roff reads it: backslashes and hyphens escaped, no line that begins with a dot or an apostrophe.
std::string roff(std::string_view text) {
    std::string out;
    bool begins_line = true;
    for (const char c : text) {
        if (begins_line && (c == '.' || c == '\'')) out += "\\&";
        if (c == '\\')
            out += "\\e";
        else if (c == '-')
            out += "\\-";
        else
            out += c;
        begins_line = c == '\n';
    }
    return out;
}

// "gremium-experts-find" of the command gremium experts find.
std::string page_name(const CLI::App& command) {
    const CLI::App* above = command.get_parent();
    return above ? page_name(*above) + "-" + command.get_name() : command.get_name();
}

std::string spoken_name(const CLI::App& command) {
    const CLI::App* above = command.get_parent();
    return above ? spoken_name(*above) + " " + command.get_name() : command.get_name();
}

std::vector<const CLI::App*> commands_of(const CLI::App& command) {
    return command.get_subcommands([](const CLI::App* c) { return !c->get_name().empty() && !c->get_group().empty(); });
}

// An option's value as help shows it: "INT", "TEXT …"; nothing of a flag.
std::string value_of(const CLI::Option& option) {
    if (option.get_type_size() == 0) return {};
    return " " + option.get_type_name() + (option.get_expected_max() > 1 ? " …" : "");
}

void add_options(std::string& page, const CLI::App& command) {
    for (const std::string& group : command.get_groups()) {
        const auto options = command.get_options([&](const CLI::Option* o) { return o->get_group() == group; });
        if (group.empty() || options.empty()) continue;
        page += fmt::format(".SH {}\n", roff(group == "Options" ? "OPTIONS" : group));
        for (const CLI::Option* option : options) {
            page += fmt::format(".TP\n.B {}\n{}", roff(option->get_name(option->get_positional(), true)),
                                roff(option->get_description()));
            if (const std::string value = value_of(*option); !value.empty())
                page += fmt::format(" ({})", roff(value.substr(1)));
            if (!option->get_default_str().empty()) page += fmt::format(" [{}]", roff(option->get_default_str()));
            if (option->get_required()) page += " (required)";
            page += '\n';
        }
    }
    // Groups of options that share a heading are nameless commands in CLI11.
    for (const CLI::App* group : command.get_subcommands([](const CLI::App* c) { return c->get_name().empty(); }))
        add_options(page, *group);
}

std::string man_page(const CLI::App& command) {
    std::string page = fmt::format(
        ".TH \"{}\" 1 \"\" \"gremium {}\" \"Gremium\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n.B {}\n", page_name(command),
        GREMIUM_VERSION, roff(page_name(command)), roff(command.get_description()), roff(spoken_name(command)));
    const std::vector<const CLI::App*> commands = commands_of(command);
    page += commands.empty() ? "[OPTIONS]" : "COMMAND [OPTIONS]";
    for (const CLI::Option* option : command.get_options([](const CLI::Option* o) { return o->get_positional(); }))
        page += " " + roff(option->get_single_name());
    page += '\n';
    if (!commands.empty()) {
        page += ".SH COMMANDS\n";
        for (const CLI::App* c : commands)
            page += fmt::format(".TP\n.BR {} (1)\n{}\n", roff(page_name(*c)), roff(c->get_description()));
    }
    add_options(page, command);
    // The footer is a heading and the examples below it.
    if (const std::string footer = command.get_footer(); !footer.empty())
        page += fmt::format(".SH EXAMPLES\n.nf{}\n.fi\n", roff(footer.substr(footer.find('\n'))));
    page +=
        ".SH EXIT STATUS\n0: done. 1: the input or the environment is at fault; one line on standard error says what "
        "and "
        "where. 2: wrong usage.\n";
    return page;
}

void write_pages(const CLI::App& command, const std::filesystem::path& directory) {
    write_file_atomically(directory / (page_name(command) + ".1"), man_page(command));
    for (const CLI::App* c : commands_of(command)) write_pages(*c, directory);
}

}  // namespace

void add_man(Command program) {
    auto words = std::make_shared<std::vector<std::string>>();
    auto out = std::make_shared<std::string>();
    Command command = program.add("man", "Show the manual page of a command, or write all of them");
    command.option("COMMAND", *words, "a command, such as run or experts find (default: gremium itself)");
    command.option("-o,--out", *out, "write the pages of all commands into this directory");
    command.examples({"gremium man run | man -l -"});
    command.run([=, &app = program.app()] {
        if (!out->empty()) {
            std::filesystem::create_directories(*out);
            write_pages(app, *out);
            return;
        }
        const CLI::App* shown = &app;
        for (const std::string& word : *words) {
            const std::vector<const CLI::App*> commands = commands_of(*shown);
            const auto named = std::ranges::find(commands, word, &CLI::App::get_name);
            if (named == commands.end()) fail("there is no command \"{} {}\"", spoken_name(*shown), word);
            shown = *named;
        }
        fmt::print("{}", man_page(*shown));
    });
}

}  // namespace gremium::cli
