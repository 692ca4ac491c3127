#include "text/jinja/evaluator.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/jinja/text_functions.h"

namespace gremium::jinja {

namespace {

// Of evaluation: parts within parts, macros within macros. Each takes up to 6 KiB of stack in sanitized programs.
constexpr int deepest_node = 500;

int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

Value divide(const std::string& op, const Value& left, const Value& right) {
    if (right.number() == 0) fail("division by zero");
    if (op == "/") return left.number() / right.number();
    if (!left.as<double>() && !right.as<double>()) {
        const int64_t a = left.integer(), b = right.integer();
        if (b == -1) return op == "%" ? Value(int64_t{0}) : arithmetic('-', Value(int64_t{0}), Value(a));
        return op == "%" ? a - b * floor_divide(a, b) : floor_divide(a, b);
    }
    const double a = left.number(), b = right.number(), quotient = std::floor(a / b);
    return op == "%" ? a - b * quotient : quotient;
}

Value power(const Value& left, const Value& right) {
    const double result = std::pow(left.number(), right.number());
    const bool integers = !left.as<double>() && !right.as<double>() && right.number() >= 0;
    return integers && std::abs(result) < 0x1p53 ? Value(static_cast<int64_t>(result)) : Value(result);
}

}  // namespace

// One node under evaluation.
class Evaluator::Step {
  public:
    Step(Evaluator& evaluator, const Node& node) : depth_(evaluator.depth_) {
        evaluator.charge(1);
        if (depth_ >= deepest_node) fail("line {}: the template goes too deep", node.line);
        ++depth_;
    }
    ~Step() { --depth_; }

  private:
    int& depth_;
};

// A scope for as long as it lives.
class Evaluator::Inner {
  public:
    Inner(Evaluator& evaluator, std::shared_ptr<Scope> outer)
        : evaluator_(evaluator), before_(evaluator.scope_), scope_(std::make_shared<Scope>()) {
        scope_->outer = std::move(outer);
        evaluator.scope_ = scope_;
    }
    ~Inner() {
        scope_->variables.clear();  // its macros hold it
        evaluator_.scope_ = before_;
    }
    Inner(const Inner&) = delete;

    std::map<std::string, Value>& variables() { return scope_->variables; }

  private:
    Evaluator& evaluator_;
    std::shared_ptr<Scope> before_, scope_;
};

Evaluator::Evaluator(std::map<std::string, Value> globals, size_t most_steps)
    : scope_(std::make_shared<Scope>()), budget_(most_steps) {
    scope_->variables = builtin_functions();
    for (auto& [name, value] : globals) scope_->variables[name] = std::move(value);
}

Evaluator::~Evaluator() { scope_->variables.clear(); }

std::string Evaluator::render(const Node& root) {
    std::string out;
    run(root, out);
    return out;
}

List Evaluator::iterate(const Value& value) {
    List items;
    if (value.list()) {
        budget_.take_values(value.list()->size());
        return *value.list();
    }
    if (const Dict* dict = value.dict()) {
        budget_.take_values(dict->items.size());
        for (const auto& item : dict->items) items.push_back(item.first);
    } else if (const std::string* text = value.string()) {
        budget_.take_values(text->size());
        for (const std::string_view character : characters(*text)) items.push_back(character);
    } else if (!value.is_undefined()) {
        fail("{} cannot be iterated over", value.type());
    }
    return items;
}

bool Evaluator::contains(const Value& container, const Value& value) {
    if (const std::string* text = container.string()) {
        if (!value.string()) fail("'in' a string needs a string, not {}", value.type());
        charge_bytes(text->size());
        return find_in(*text, *value.string()) != text->npos;
    }
    if (const Dict* dict = container.dict()) return dict->find(value, budget_) != nullptr;
    return std::ranges::any_of(iterate(container), [&](const Value& item) { return equal(item, value, budget_); });
}

Value Evaluator::variable(const std::string& name) const {
    for (const Scope* scope = scope_.get(); scope; scope = scope->outer.get()) {
        if (const auto it = scope->variables.find(name); it != scope->variables.end()) return it->second;
    }
    return Undefined{name};
}

Value Evaluator::evaluate(const Node& node) {
    const Step step(*this, node);
    const auto part = [&](size_t i) { return evaluate(*node.parts[i]); };
    switch (node.kind) {
        case Node::constant:
            return node.value;
        case Node::variable:
            return variable(node.name);
        case Node::list: {
            budget_.take_values(node.parts.size());
            List list;
            for (const NodePtr& item : node.parts) list.push_back(evaluate(*item));
            return list;
        }
        case Node::mapping: {
            budget_.take_values(node.parts.size());
            Dict dict;
            for (size_t i = 0; i < node.parts.size(); i += 2) dict.set(part(i), part(i + 1), budget_);
            return dict;
        }
        case Node::attribute:
            return item(*this, part(0), node.name);
        case Node::subscript:
            return item(*this, part(0), part(1));
        case Node::slice:
            return slice(node);
        case Node::call:
            return call(node);
        case Node::filter:
            return filter(node.name, part(0), arguments(node));
        case Node::test:
            return test(node.name, part(0), arguments(node));
        case Node::negate:
            return arithmetic('-', Value(int64_t{0}), part(0));
        case Node::plus:
            return arithmetic('+', Value(int64_t{0}), part(0));
        case Node::not_:
            return !part(0).truth();
        case Node::binary:
            return binary(node);
        case Node::compare: {
            Value left = part(0);
            for (size_t i = 0; i < node.names.size(); ++i) {
                Value right = part(i + 1);
                if (!compare(node.names[i], left, right)) return false;
                left = std::move(right);
            }
            return true;
        }
        case Node::choice:
            if (part(1).truth()) return part(0);
            return node.parts[2] ? part(2) : Value(Undefined{"the other case of an inline if"});
        default:
            fail("line {}: not an expression", node.line);
    }
}

Value Evaluator::binary(const Node& node) {
    Value left = evaluate(*node.parts[0]);
    const std::string& op = node.name;
    if (op == "or") return left.truth() ? left : evaluate(*node.parts[1]);
    if (op == "and") return left.truth() ? evaluate(*node.parts[1]) : left;
    const Value right = evaluate(*node.parts[1]);
    if (op == "~" || (op == "+" && left.string() && right.string())) {
        return text(left) + text(right);
    }
    if (op == "+" && left.list() && right.list()) {
        budget_.take_values(left.list()->size() + right.list()->size());
        List list = *left.list();
        list.insert(list.end(), right.list()->begin(), right.list()->end());
        return list;
    }
    if (op == "*" && left.string() && right.is_integer()) {
        const size_t times = static_cast<size_t>(std::max<int64_t>(0, right.integer()));
        charge(times);
        charge_bytes(times * left.string()->size());
        std::string text;
        for (size_t i = 0; i < times; ++i) text += *left.string();
        return text;
    }
    if (op == "/" || op == "//" || op == "%") return divide(op, left, right);
    return op == "**" ? power(left, right) : arithmetic(op[0], left, right);
}

bool Evaluator::compare(const std::string& op, const Value& left, const Value& right) {
    if (op == "==") return equal(left, right, budget_);
    if (op == "!=") return !equal(left, right, budget_);
    if (op == "<") return less(left, right, budget_);
    if (op == ">") return less(right, left, budget_);
    if (op == "<=") return !less(right, left, budget_);
    if (op == ">=") return !less(left, right, budget_);
    return contains(right, left) == (op == "in");
}

// Python's rules: negative bounds count from the end, all are clipped.
Value Evaluator::slice(const Node& node) {
    const Value object = evaluate(*node.parts[0]);
    if (!object.string() && !object.list()) fail("{} cannot be sliced", object.type());
    const auto bound = [&](size_t i) { return node.parts[i] ? evaluate(*node.parts[i]) : Value(); };
    const Value first = bound(1), last = bound(2), stride = bound(3);
    const int64_t step = stride.is_none() ? 1 : std::clamp<int64_t>(stride.integer(), -INT32_MAX, INT32_MAX);
    if (step == 0) fail("a slice's step is zero");
    const List items = iterate(object);
    const int64_t size = static_cast<int64_t>(items.size()), lowest = step > 0 ? 0 : -1, highest = size + lowest;
    const auto clipped = [&](const Value& value, int64_t standard) {
        if (value.is_none()) return standard;
        const int64_t at = value.integer();
        return std::clamp(at < 0 ? std::max(at, -size - 1) + size : at, lowest, highest);
    };
    const int64_t from = clipped(first, step > 0 ? 0 : highest), to = clipped(last, step > 0 ? size : -1);
    const int64_t count = step > 0 ? (to - from + step - 1) / step : (from - to - step - 1) / -step;
    List list;
    for (int64_t i = 0; i < count; ++i) list.push_back(items[from + i * step]);
    if (!object.string()) return list;
    std::string text;
    for (const Value& character : list) text += *character.string();
    return text;
}

Arguments Evaluator::arguments(const Node& node) {
    Arguments result;
    for (size_t i = 0; i < node.names.size(); ++i) {
        Value value = evaluate(*node.parts[i + 1]);
        if (node.names[i].empty()) {
            result.positional.push_back(std::move(value));
        } else {
            result.named.emplace_back(node.names[i], std::move(value));
        }
    }
    return result;
}

Value Evaluator::call(const Node& node) {
    const Node& callee = *node.parts[0];
    if (callee.kind != Node::attribute) return call(evaluate(callee), arguments(node));
    const Value object = evaluate(*callee.parts[0]);
    const Arguments given = arguments(node);
    Value result;
    if (call_method(*this, object, callee.name, given, result)) return result;
    const Value function = item(*this, object, callee.name);
    if (!function.function()) fail("{} has no method '{}'", object.type(), callee.name);
    return call(function, given);
}

Value Evaluator::call(const Value& function, const Arguments& arguments) {
    if (!function.function()) fail("{} cannot be called", function.type());
    return (*function.function())(*this, arguments);
}

std::string Evaluator::block(const Node& node) {
    const Inner inner(*this, scope_);
    std::string text;
    run(node, text);
    return text;
}

Value Evaluator::with_input(const Node& filters, std::string text) {
    Inner inner(*this, scope_);
    inner.variables()[""] = std::move(text);
    return evaluate(filters);
}

void Evaluator::assign(const std::vector<std::string>& names, const Value& value) {
    if (names.size() == 1) {
        scope_->variables[names[0]] = value;
        return;
    }
    const List parts = iterate(value);
    if (parts.size() != names.size())
        fail("{} values cannot be unpacked into {} variables", parts.size(), names.size());
    for (size_t i = 0; i < names.size(); ++i) scope_->variables[names[i]] = parts[i];
}

Value Evaluator::function(const Node& node, const Node& body, size_t first_default) {
    return Function([&node, &body, first_default, scope = scope_](Evaluator& self, const Arguments& given) -> Value {
        Inner inner(self, scope);
        for (size_t i = 0; i < node.names.size(); ++i) {
            const Value* value = given.find(i, node.names[i]);
            const NodePtr& standard = node.parts[first_default + i];
            inner.variables()[node.names[i]] = value      ? *value
                                               : standard ? self.evaluate(*standard)
                                                          : Value(Undefined{node.names[i]});
        }
        if (const Value* caller = given.find(given.positional.size(), "caller")) inner.variables()["caller"] = *caller;
        std::string text;
        self.run(body, text);
        return text;
    });
}

Evaluator::Flow Evaluator::run(const Node& node, std::string& out) {
    const Step step(*this, node);
    try {
        switch (node.kind) {
            case Node::text:
                charge_bytes(node.value.string()->size());
                out += *node.value.string();
                return Flow::go_on;
            case Node::output:
                out += text(evaluate(*node.parts[0]));
                return Flow::go_on;
            case Node::block:
                for (const NodePtr& statement : node.parts) {
                    if (const Flow flow = run(*statement, out); flow != Flow::go_on) return flow;
                }
                return Flow::go_on;
            case Node::if_:
                for (size_t i = 0; i + 1 < node.parts.size(); i += 2) {
                    if (evaluate(*node.parts[i]).truth()) return run(*node.parts[i + 1], out);
                }
                return node.parts.size() % 2 ? run(*node.parts.back(), out) : Flow::go_on;
            case Node::for_:
                return loop(node, out);
            case Node::set:
                assign(node.names, evaluate(*node.parts[0]));
                return Flow::go_on;
            case Node::set_attribute: {
                const Value target = variable(node.names[0]);
                if (!target.dict() || !target.dict()->is_namespace) fail("'{}' is no namespace", node.names[0]);
                target.dict()->set(node.names[1], evaluate(*node.parts[0]), budget_);
                return Flow::go_on;
            }
            case Node::set_block: {
                std::string text = block(*node.parts[0]);
                scope_->variables[node.name] =
                    node.parts[1] ? with_input(*node.parts[1], std::move(text)) : Value(text);
                return Flow::go_on;
            }
            case Node::filter_block:
                out += text(with_input(*node.parts[0], block(*node.parts[1])));
                return Flow::go_on;
            case Node::macro:
                scope_->variables[node.name] = function(node, *node.parts[0], 1);
                return Flow::go_on;
            case Node::call_block: {
                Arguments given = arguments(*node.parts[0]);
                given.named.emplace_back("caller", function(node, *node.parts[1], 2));
                out += text(call(evaluate(*node.parts[0]->parts[0]), given));
                return Flow::go_on;
            }
            case Node::break_:
                return Flow::break_;
            case Node::continue_:
                return Flow::continue_;
            default:
                fail("not a statement");
        }
    } catch (const Error& error) {
        if (std::string_view(error.what()).starts_with("line ")) throw;
        fail("line {}: {}", node.line, error.what());
    }
}

Evaluator::Flow Evaluator::loop(const Node& node, std::string& out) {
    List items = iterate(evaluate(*node.parts[0]));
    Inner inner(*this, scope_);
    if (const NodePtr& condition = node.parts[2]) {
        std::erase_if(items, [&](const Value& item) {
            assign(node.names, item);
            return !evaluate(*condition).truth();
        });
    }
    if (items.empty() && node.parts[3]) return run(*node.parts[3], out);
    const size_t n = items.size();
    for (size_t i = 0; i < n; ++i) {
        inner.variables().clear();
        Dict facts;
        facts.items = {{"index", i + 1},
                       {"index0", i},
                       {"revindex", n - i},
                       {"revindex0", n - i - 1},
                       {"first", i == 0},
                       {"last", i + 1 == n},
                       {"length", n},
                       {"previtem", i > 0 ? items[i - 1] : Value(Undefined{"loop.previtem"})},
                       {"nextitem", i + 1 < n ? items[i + 1] : Value(Undefined{"loop.nextitem"})},
                       {"cycle", Function([i](Evaluator&, const Arguments& given) -> Value {
                            if (given.positional.empty()) fail("loop.cycle needs values");
                            return given.positional[i % given.positional.size()];
                        })}};
        inner.variables()["loop"] = std::move(facts);
        assign(node.names, items[i]);
        if (run(*node.parts[1], out) == Flow::break_) break;
    }
    return Flow::go_on;
}

}  // namespace gremium::jinja
