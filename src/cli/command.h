// Commands, their flags and their help. CLI11 reads the command line behind this header: each file that sees CLI11
// itself takes many seconds longer to compile.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace gremium::cli {

// A flag with a value, one without, or an argument that has its place (a name without dashes).
class Flag {
  public:
    Flag& required();
    Flag& needs(const Flag& other);
    Flag& excludes(const Flag& other);
    // What is allowed, as the help then says it: whole numbers, and finite numbers, from lowest to highest.
    Flag& range(int64_t lowest, int64_t highest);
    Flag& between(double lowest, double highest);
    Flag& at_least(double lowest);
    Flag& above(double bound);
    Flag& one_of(const std::vector<std::string>& values);
    Flag& existing_file();
    Flag& values(int least, int most);
    // Of a list: a value each time the flag is given, and not all that follow it.
    Flag& one_value();
    Flag& show_default();  // in the help: what the variable holds now
    Flag& show_default(const std::string& value);
    Flag& group(const std::string& heading);  // in the help
    bool given() const;                       // on the command line, once it was read

  private:
    friend class Command;
    template <typename Number>
    Flag& check(const std::string& expected, const std::function<bool(Number)>& allowed);
    explicit Flag(CLI::Option* option) : option_(option) {}
    CLI::Option* option_;
};

class Command {
  public:
    explicit Command(CLI::App& app) : app_(&app) {}

    Command add(const std::string& name, const std::string& help);  // a command below this one
    // Variables must outlive the command.
    Flag option(const std::string& names, std::string& value, const std::string& help);
    Flag option(const std::string& names, std::vector<std::string>& values, const std::string& help);
    Flag option(const std::string& names, int& value, const std::string& help);
    Flag option(const std::string& names, int64_t& value, const std::string& help);
    Flag option(const std::string& names, float& value, const std::string& help);
    Flag option(const std::string& names, double& value, const std::string& help);
    Flag option(const std::string& names, const std::function<void(const std::string&)>& set, const std::string& help);
    // Of random numbers: 0 to 2⁶⁴-1, or -1 for another one each time.
    Flag seed(const std::string& names, uint64_t& value, const std::string& help);
    Flag flag(const std::string& names, bool& value, const std::string& help);
    Flag get(const std::string& name);  // one that is there already

    void examples(std::initializer_list<std::string_view> lines);  // at the end of its help
    void run(const std::function<void()>& work);                   // after its flags are read
    void needs_subcommand();
    void hide();  // from the help of the command above it
    std::vector<Command> subcommands();
    CLI::App& app() const { return *app_; }  // for who reads descriptions: man.cpp

  private:
    CLI::App* app_;
};

struct Program {
    std::string name, about, version;
    std::function<void(Command)> define;  // adds the commands
};
// Reads the arguments and runs what they name. Returns the exit code: 0, or 2 for wrong usage. Throws what the command
// throws.
int run_program(const Program& program, int argc, char** argv);

// Wrong usage: what is missing.
[[noreturn]] void require_flag(const std::string& names);

// Flags in a line of text. Throws an exception that says what is wrong with them.
void parse_flags(const std::string& text, const std::function<void(Command)>& define);

}  // namespace gremium::cli
