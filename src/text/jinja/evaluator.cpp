#include "text/jinja/evaluator.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "text/jinja/text_functions.h"
#include "text/unicode.h"

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
    const double a = left.number(), b = right.number();
    double rest = std::fmod(a, b);
    if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
    return op == "%" ? (rest == 0 ? std::copysign(0.0, b) : rest)
                     : (a - rest == 0 ? std::copysign(0.0, a / b) : std::round((a - rest) / b));
}

Value power(const Value& left, const Value& right) {
    if (left.as<double>() || right.as<double>() || right.integer() < 0) {
        if (left.number() == 0 && right.number() < 0) fail("division by zero");
        if (left.number() < 0 && right.number() != std::floor(right.number())) fail("the power is a complex number");
        return std::pow(left.number(), right.number());
    }
    Value result(int64_t{1});
    const int64_t base = left.integer(), most = base >= -1 && base <= 1 ? 2 + right.integer() % 2 : 64;
    for (int64_t i = std::min(right.integer(), most); i > 0; --i) result = arithmetic('*', result, left);
    return result;
}

// A string or a list several times.
Value repeated(Evaluator& evaluator, const Value& value, int64_t count) {
    const auto times = static_cast<size_t>(std::max<int64_t>(0, count));
    evaluator.charge(times);
    if (const std::string* string = value.string()) {
        evaluator.charge_bytes(times * string->size());
        std::string text;
        for (size_t i = 0; i < times; ++i) text += *string;
        return text;
    }
    const List& items = *value.list();
    if (!items.empty()) evaluator.charge(times * items.size());
    evaluator.budget().take_values(times * items.size());
    List list;
    for (size_t i = 0; i < times; ++i) list.insert(list.end(), items.begin(), items.end());
    return {std::move(list), value.shape()};
}

bool is_listed(const Value& value) { return value.list() && value.shape() <= Shape::group; }

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
    if (Iterator* iterator = value.iterator()) {
        items = std::move(iterator->items);
        items.erase(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(iterator->next));
        *iterator = {};
        budget_.take_values(items.size());
    } else if (value.is_mapping()) {
        budget_.take_values(value.dict()->items.size());
        for (const auto& item : value.dict()->items) items.push_back(item.first);
    } else if (const std::string* text = value.string()) {
        budget_.take_values(text->size());
        for (const auto& character : unicode::characters(*text)) items.push_back(character.bytes);
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
    if (container.is_mapping()) return container.dict()->find(value, budget_) != nullptr;
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
        case Node::tuple: {
            budget_.take_values(node.parts.size());
            List list;
            for (const NodePtr& item : node.parts) list.push_back(evaluate(*item));
            return Value::tuple(std::move(list));
        }
        case Node::mapping: {
            budget_.take_values(node.parts.size());
            Dict dict;
            for (size_t i = 0; i < node.parts.size(); i += 2) dict.set(part(i), part(i + 1), budget_);
            return dict;
        }
        case Node::attribute:
            return attribute(part(0), node.name);
        case Node::subscript:
            return item(part(0), part(1));
        case Node::slice:
            return slice(node);
        case Node::call:
            return call(node);
        case Node::filter:
            return filter(node.name, part(0), arguments(node));
        case Node::test:
            return test(node.name, part(0), arguments(node));
        case Node::negate:
            return arithmetic('*', Value(int64_t{-1}), part(0));
        case Node::plus:
            return arithmetic('*', Value(int64_t{1}), part(0));
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
    if (op == "~") return text(left) + text(right);
    if (left.is_markup() || right.is_markup()) fail("'{}' of escaped text is not supported", op);
    if (op == "+" && left.string() && right.string()) return text(left) + text(right);
    if (op == "+" && is_listed(left) && is_listed(right)) {
        if ((left.shape() == Shape::list) != (right.shape() == Shape::list))
            fail("{} and {} cannot be added", left.type(), right.type());
        budget_.take_values(left.list()->size() + right.list()->size());
        List list = *left.list();
        list.insert(list.end(), right.list()->begin(), right.list()->end());
        return {std::move(list), left.shape()};
    }
    if (op == "*") {
        const auto counts = [](const Value& v) { return v.is_integer() || v.as<bool>(); };
        const auto repeats = [](const Value& v) { return v.string() || is_listed(v); };
        if (repeats(left) && counts(right)) return repeated(*this, left, right.integer());
        if (counts(left) && repeats(right)) return repeated(*this, right, left.integer());
    }
    if (op == "%" && left.string()) return percent_format(*this, *left.string(), right);
    if (op == "/" || op == "//" || op == "%") return divide(op, left, right);
    return op == "**" ? power(left, right) : arithmetic(op[0], left, right);
}

bool Evaluator::compare(const std::string& op, const Value& left, const Value& right) {
    if (op == "==") return equal(left, right, budget_);
    if (op == "!=") return !equal(left, right, budget_);
    if (op == "<") return less(left, right, budget_);
    if (op == ">") return less(right, left, budget_);
    if (op == "<=") return less(left, right, budget_) || equal(left, right, budget_);
    if (op == ">=") return less(right, left, budget_) || equal(left, right, budget_);
    return contains(right, left) == (op == "in");
}

// Python's rules: negative bounds count from the end, all are clipped.
Value Evaluator::slice(const Node& node) {
    const Value object = evaluate(*node.parts[0]);
    if (!object.string() && !object.is_indexed()) {
        if (object.is_undefined()) fail("{} cannot be sliced", object.type());
        return Undefined{"a slice of " + object.type()};
    }
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
    if (!object.string()) return {std::move(list), object.shape() == Shape::group ? Shape::tuple : object.shape()};
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
        } else if (node.names[i] == "*") {
            for (Value& part : iterate(value)) result.positional.push_back(std::move(part));
        } else if (node.names[i] == "**") {
            if (!value.is_mapping()) fail("'**' needs a mapping, not {}", value.type());
            for (const auto& [key, part] : value.dict()->items) {
                if (!key.string()) fail("'**' needs names, not {}", key.type());
                result.named.emplace_back(*key.string(), part);
            }
        } else {
            result.named.emplace_back(node.names[i], std::move(value));
        }
    }
    return result;
}

Value Evaluator::item(const Value& object, const Value& key) {
    if (object.is_undefined()) fail("{} has no '{}'", object.type(), text(key));
    if (object.is_mapping()) {
        if (const Value* found = object.dict()->find(key, budget_)) return *found;
    } else if ((key.is_integer() || key.as<bool>()) && (object.is_indexed() || object.string())) {
        const List* list = object.list();
        if (!list) charge(8 * object.string()->size());
        const auto text = list ? std::vector<unicode::Character>() : unicode::characters(*object.string());
        const int64_t size = static_cast<int64_t>(list ? list->size() : text.size());
        const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
        if (at >= 0 && at < size) return list ? (*list)[at] : Value(text[at].bytes);
    }
    if (key.string()) {
        if (!object.is_mapping() || find_method(object, *key.string())) return attribute(object, *key.string());
        return Undefined{*key.string()};
    }
    return Undefined{key.repr(budget_)};
}

Value Evaluator::attribute(const Value& object, const std::string& name) {
    if (object.is_undefined()) fail("{} has no '{}'", object.type(), name);
    if (const Method method = find_method(object, name)) {
        return Function(
            [method, object](Evaluator& self, const Arguments& given) { return self.call(method, object, given); });
    }
    if (object.function()) fail("attributes of functions are not supported");
    if (object.shape() == Shape::group && object.list() && (name == "grouper" || name == "list"))
        return (*object.list())[name == "list"];
    if (object.dict()) {
        if (const Value* found = object.dict()->find(name, budget_)) return *found;
    }
    return Undefined{name};
}

Value Evaluator::call(const Node& node) {
    const Node& callee = *node.parts[0];
    if (callee.kind != Node::attribute) {
        const Value function = evaluate(callee);
        return call(function, arguments(node));
    }
    const Value object = evaluate(*callee.parts[0]);
    if (const Method method = object.is_undefined() ? nullptr : find_method(object, callee.name)) {
        if (object.is_markup()) fail("methods of escaped text are not supported");
        return call(method, object, arguments(node));
    }
    const Value function = attribute(object, callee.name);
    if (function.is_undefined()) fail("{} has no method '{}'", object.type(), callee.name);
    return call(function, arguments(node));
}

Value Evaluator::call(Method method, const Value& object, const Arguments& arguments) {
    if (const std::string* text = object.string()) charge_bytes(text->size());
    return method(*this, object, arguments);
}

Value Evaluator::call(const Value& function, const Arguments& arguments) {
    if (function.dict() && function.dict()->kind == Dict::object) {
        if (const Value* called = function.dict()->find("()", budget_)) return call(*called, arguments);
    }
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

void Evaluator::assign(const Node& target, const Value& value) {
    if (target.kind == Node::variable) {
        scope_->variables[target.name] = value;
    } else if (target.kind == Node::attribute) {
        const Value object = evaluate(*target.parts[0]);
        if (!object.dict() || object.dict()->kind != Dict::name_space)
            fail("'{}' is no namespace", target.parts[0]->name);
        object.dict()->set(target.name, value, budget_);
    } else {
        const List parts = iterate(value);
        if (parts.size() != target.parts.size())
            fail("{} values cannot be unpacked into {} variables", parts.size(), target.parts.size());
        for (size_t i = 0; i < parts.size(); ++i) assign(*target.parts[i], parts[i]);
    }
}

// What a macro's parameters are in a call, and what it may call kwargs, varargs and caller.
void Evaluator::bind(const Node& macro, const Arguments& given, std::map<std::string, Value>& variables) {
    const auto takes = [&](std::string_view name) { return contains(macro.value, name); };
    const std::string called = macro.name.empty() ? "caller" : "macro '" + macro.name + "'";
    List rest;
    Dict others;
    Value caller = Undefined{"caller"};
    for (size_t i = macro.names.size(); i < given.positional.size(); ++i) rest.push_back(given.positional[i]);
    if (!rest.empty() && !takes("varargs")) fail("{} takes no more than {} arguments", called, macro.names.size());
    for (const auto& [name, value] : given.named) {
        const auto place = std::ranges::find(macro.names, name) - macro.names.begin();
        if (place < std::min(std::ssize(macro.names), std::ssize(given.positional)))
            fail("{} is given '{}' twice", called, name);
        if (place < std::ssize(macro.names)) continue;
        if (name == "caller" && takes("caller"))
            caller = value;
        else if (takes("kwargs"))
            others.set(name, value, budget_);
        else
            fail("{} has no parameter '{}'", called, name);
    }
    for (size_t i = 0; i < macro.names.size(); ++i) {
        const Value* value = given.find(i, macro.names[i]);
        const NodePtr& standard = macro.parts[1 + i];
        variables[macro.names[i]] = value ? *value : standard ? evaluate(*standard) : Value(Undefined{macro.names[i]});
    }
    if (takes("varargs")) variables["varargs"] = Value::tuple(std::move(rest));
    if (takes("kwargs")) variables["kwargs"] = std::move(others);
    if (takes("caller") && std::ranges::find(macro.names, "caller") == macro.names.end()) variables["caller"] = caller;
}

Value Evaluator::function(const Node& macro) {
    return Function([&macro, scope = scope_](Evaluator& self, const Arguments& given) -> Value {
        Inner inner(self, scope);
        self.bind(macro, given, inner.variables());
        std::string text;
        self.run(*macro.parts[0], text);
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
                return loop(node, iterate(evaluate(*node.parts[1])), 1, scope_, out);
            case Node::set:
                assign(*node.parts[0], evaluate(*node.parts[1]));
                return Flow::go_on;
            case Node::set_block: {
                std::string text = block(*node.parts[1]);
                assign(*node.parts[0], node.parts[2] ? with_input(*node.parts[2], std::move(text)) : Value(text));
                return Flow::go_on;
            }
            case Node::with: {
                List values;
                for (size_t i = 2; i < node.parts.size(); i += 2) values.push_back(evaluate(*node.parts[i]));
                const Inner inner(*this, scope_);
                for (size_t i = 0; i < values.size(); ++i) assign(*node.parts[2 * i + 1], values[i]);
                return run(*node.parts[0], out);
            }
            case Node::filter_block:
                out += text(with_input(*node.parts[0], block(*node.parts[1])));
                return Flow::go_on;
            case Node::macro:
                scope_->variables[node.name] = function(node);
                return Flow::go_on;
            case Node::call_block: {
                const Value called = evaluate(*node.parts[0]->parts[0]);
                Arguments given = arguments(*node.parts[0]);
                given.named.emplace_back("caller", function(*node.parts[1]));
                out += text(call(called, given));
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

Evaluator::Flow Evaluator::loop(const Node& node, List items, int64_t depth, const std::shared_ptr<Scope>& outer,
                                std::string& out) {
    const Step step(*this, node);
    Inner inner(*this, outer);
    if (const NodePtr& condition = node.parts[3]) {
        std::erase_if(items, [&](const Value& item) {
            inner.variables().clear();
            assign(*node.parts[0], item);
            return !evaluate(*condition).truth();
        });
    }
    inner.variables().clear();
    if (items.empty() && node.parts[4]) return run(*node.parts[4], out);
    const auto seen = std::make_shared<std::optional<Value>>();
    for (size_t i = 0; i < items.size(); ++i) {
        inner.variables().clear();
        inner.variables()["loop"] = loop_facts(node, items, i, depth, outer, seen);
        assign(*node.parts[0], items[i]);
        if (run(*node.parts[2], out) == Flow::break_) break;
    }
    return Flow::go_on;
}

// `seen` is what loop.changed(…) was last asked about.
Value Evaluator::loop_facts(const Node& node, const List& items, size_t i, int64_t depth,
                            const std::shared_ptr<Scope>& outer, const std::shared_ptr<std::optional<Value>>& seen) {
    const size_t n = items.size();
    Dict facts;
    facts.kind = Dict::object;
    facts.items = {{"index", i + 1},
                   {"index0", i},
                   {"revindex", n - i},
                   {"revindex0", n - i - 1},
                   {"first", i == 0},
                   {"last", i + 1 == n},
                   {"length", n},
                   {"depth", depth},
                   {"depth0", depth - 1},
                   {"previtem", i > 0 ? items[i - 1] : Value(Undefined{"loop.previtem"})},
                   {"nextitem", i + 1 < n ? items[i + 1] : Value(Undefined{"loop.nextitem"})},
                   {"cycle", Function([i](Evaluator&, const Arguments& given) -> Value {
                        if (given.positional.empty() || !given.named.empty()) fail("loop.cycle needs values");
                        return given.positional[i % given.positional.size()];
                    })},
                   {"changed", Function([seen](Evaluator& self, const Arguments& given) -> Value {
                        const Value now = Value::tuple(given.positional);
                        const bool changed = !*seen || !equal(**seen, now, self.budget());
                        *seen = now;
                        return changed;
                    })}};
    if (node.name == "recursive") {
        // The scope holds this loop while it runs, and only then may it be called.
        facts.items.emplace_back("()", Function([&node, depth, weak = std::weak_ptr(outer)](
                                                    Evaluator& self, const Arguments& given) -> Value {
                                     const auto scope = weak.lock();
                                     if (!scope || given.positional.size() != 1) fail("loop needs what it goes over");
                                     std::string text;
                                     self.loop(node, self.iterate(given.positional[0]), depth + 1, scope, text);
                                     return text;
                                 }));
    }
    return facts;
}

}  // namespace gremium::jinja
