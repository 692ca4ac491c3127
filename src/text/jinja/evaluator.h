// Runs a template's tree over values.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "text/jinja/tree.h"
#include "text/jinja/value.h"

namespace gremium::jinja {

class Evaluator;
using Method = Value (*)(Evaluator&, const Value& object, const Arguments& arguments);

class Evaluator {
  public:
    Evaluator(std::map<std::string, Value> globals, size_t most_steps);
    ~Evaluator();
    Evaluator(const Evaluator&) = delete;

    // Throws Error that names the line: also for a template that takes too many steps or makes too much text.
    std::string render(const Node& root);

    Value call(const Value& function, const Arguments& arguments);
    Value call(Method method, const Value& object, const Arguments& arguments);
    Value filter(const std::string& name, const Value& input, const Arguments& arguments);
    bool test(const std::string& name, const Value& input, const Arguments& arguments);

    // object[key] and object.name: what is looked at first differs, items or methods and attributes. Undefined if there
    // is neither.
    Value item(const Value& object, const Value& key);
    Value attribute(const Value& object, const std::string& name);

    // Everything costs, so that a hostile template ends soon.
    Budget& budget() { return budget_; }
    void charge(size_t cost) { budget_.take(cost); }
    void charge_bytes(size_t bytes) { budget_.take_bytes(bytes); }
    std::string text(const Value& value) { return value.text(budget_); }
    bool contains(const Value& container, const Value& value);
    // What a loop or a filter goes over: items, keys or characters; an iterator is empty then. Throws Error.
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
    // A `for` over `items`, its variables in scopes inside `outer`; `depth` counts recursive calls around it.
    Flow loop(const Node& node, List items, int64_t depth, const std::shared_ptr<Scope>& outer, std::string& out);
    Value loop_facts(const Node& node, const List& items, size_t i, int64_t depth, const std::shared_ptr<Scope>& outer,
                     const std::shared_ptr<std::optional<Value>>& seen);
    void assign(const Node& target, const Value& value);
    std::string block(const Node& node);  // its text, in a scope of its own
    Value function(const Node& macro);    // must not outlive the tree
    void bind(const Node& macro, const Arguments& given, std::map<std::string, Value>& variables);
    Value with_input(const Node& filters, std::string text);

    std::shared_ptr<Scope> scope_;  // the innermost one
    Budget budget_;
    int depth_ = 0;
};

// A method of Python's str, list or dict; nullptr when the object has none of that name.
Method find_method(const Value& object, std::string_view name);

// Throws Error for more arguments than `parameters` ("width first blank") names, or of other names.
void check_arguments(std::string_view called, const Arguments& given, std::string_view parameters);

// `format % values`, and format.format(…) as Python has them.
std::string percent_format(Evaluator& evaluator, std::string_view format, const Value& values);
std::string brace_format(Evaluator& evaluator, std::string_view format, const Arguments& given);

// namespace, range, dict, raise_exception …
std::map<std::string, Value> builtin_functions();

}  // namespace gremium::jinja
