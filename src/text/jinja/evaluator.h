// Runs a template's tree over values.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "text/jinja/parser.h"
#include "text/jinja/value.h"

namespace gremium::jinja {

class Evaluator {
  public:
    Evaluator(std::map<std::string, Value> globals, size_t most_steps);
    ~Evaluator();
    Evaluator(const Evaluator&) = delete;

    // Throws Error that names the line: also for a template that takes too many steps or makes too much text.
    std::string render(const Node& root);

    Value call(const Value& function, const Arguments& arguments);
    Value filter(const std::string& name, const Value& input, const Arguments& arguments);
    bool test(const std::string& name, const Value& input, const Arguments& arguments);

    // Everything costs, so that a hostile template ends soon.
    Budget& budget() { return budget_; }
    void charge(size_t cost) { budget_.take(cost); }
    void charge_bytes(size_t bytes) { budget_.take_bytes(bytes); }
    std::string text(const Value& value) { return value.text(budget_); }
    bool contains(const Value& container, const Value& value);
    // What a loop or a filter goes over: items, keys or characters. Throws Error.
    List iterate(const Value& value);

  private:
    enum class Flow { go_on, break_, continue_ };
    struct Scope {  // shared with the macros defined in it
        std::map<std::string, Value> variables;
        std::shared_ptr<Scope> outer;
    };
    class Step;
    class Inner;

    Value evaluate(const Node& node);
    Value variable(const std::string& name) const;
    Value binary(const Node& node);
    bool compare(const std::string& op, const Value& left, const Value& right);

    Value slice(const Node& node);
    Value call(const Node& node);
    Arguments arguments(const Node& node);

    Flow run(const Node& node, std::string& out);
    Flow loop(const Node& node, std::string& out);
    void assign(const std::vector<std::string>& names, const Value& value);
    std::string block(const Node& node);  // its text, in a scope of its own
    // A function over `names` with the defaults of parts[first_default …]. It must not outlive the tree.
    Value function(const Node& node, const Node& body, size_t first_default);
    Value with_input(const Node& filters, std::string text);

    std::shared_ptr<Scope> scope_;  // the innermost one
    Budget budget_;
    int depth_ = 0;
};

// The attribute or item of an object that templates write as object.name: not its methods. Undefined if there
// is none.
Value item(Evaluator& evaluator, const Value& object, const Value& key);
// object.name(arguments) of strings, lists and mappings; false when there is no such method.
bool call_method(Evaluator& evaluator, const Value& object, const std::string& name, const Arguments& arguments,
                 Value& result);
// namespace, range, dict, raise_exception …
std::map<std::string, Value> builtin_functions();

}  // namespace gremium::jinja
