// The expressions of a tag.
#pragma once

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "base/error.h"
#include "text/jinja/lexer.h"
#include "text/jinja/tree.h"

namespace gremium::jinja {

// How far a hostile template gets: both bound the depth of the tree.
inline constexpr int max_depth = 200;       // of parentheses and blocks within each other
inline constexpr size_t max_tokens = 2000;  // of one tag

// The tokens of one tag.
class Expressions {
  public:
    Expressions(const Segment& segment, int depth) : tokens_(segment.tokens), line_(segment.line), depth_(depth) {
        if (tokens_.size() > max_tokens) error("a tag is too long");
    }

    const Token& token() const { return tokens_[at_]; }
    bool done() const { return token().kind == Token::end; }
    bool is(std::string_view text) const {
        return (token().kind == Token::symbol || token().kind == Token::name) && token().text == text;
    }
    bool accept(std::string_view text) {
        if (!is(text)) return false;
        ++at_;
        return true;
    }
    void expect(std::string_view text) {
        if (!accept(text)) error(fmt::format("expected '{}', found '{}'", text, token().text));
    }
    std::string name() {
        if (token().kind != Token::name) error(fmt::format("expected a name, found '{}'", token().text));
        return tokens_[at_++].text;
    }
    void expect_end() {
        if (!done()) error(fmt::format("unexpected '{}'", token().text));
    }

    NodePtr node(Node::Kind kind, std::string name = {}) const {
        return NodePtr(new Node{kind, line_, std::move(name), {}, {}, {}});
    }
    template <typename... Parts>
    NodePtr node_of(Node::Kind kind, std::string name, Parts... parts) const {
        NodePtr result = node(kind, std::move(name));
        (result->parts.push_back(std::move(parts)), ...);
        return result;
    }

    // With commas: a tuple.
    NodePtr tuple(bool conditional = true) {
        const auto part = [&] { return conditional ? expression() : either(); };
        NodePtr first = part();
        if (!is(",")) return first;
        NodePtr list = node_of(Node::tuple, {}, std::move(first));
        while (accept(",")) {
            if (done() || is(")") || is("]") || is("=") || is("if") || is("recursive")) break;
            list->parts.push_back(part());
        }
        return list;
    }

    // What is assigned to: `a`, `a.b`, `a, (b, c)`.
    NodePtr target(bool with_commas = true) {
        const Deeper deeper(*this);
        NodePtr first;
        if (accept("(")) {
            first = target();
            expect(")");
        } else {
            first = node(Node::variable, name());
            if (token().kind == Token::symbol && accept("."))
                first = node_of(Node::attribute, name(), std::move(first));
        }
        if (!with_commas || !is(",")) return first;
        NodePtr all = node_of(Node::tuple, {}, std::move(first));
        while (accept(",")) {
            if (is("in") || is("=") || is(")")) break;
            all->parts.push_back(target(false));
        }
        return all;
    }

    NodePtr expression() {
        const Deeper deeper(*this);
        NodePtr value = either();
        while (accept("if")) {
            NodePtr choice = node_of(Node::choice, {}, std::move(value), either());
            choice->parts.push_back(accept("else") ? expression() : nullptr);
            value = std::move(choice);
        }
        return value;
    }

    // Without a conditional at its end: the iterable of a loop that goes on with `if`.
    NodePtr either() {
        return chain({"or"}, [&] { return chain({"and"}, [&] { return negation(); }); });
    }

    // `name(…)`, applied to `input`; `| name(…) | name …`.
    NodePtr filter(NodePtr input) {
        std::string called = name();
        while (accept(".")) called += "." + name();
        NodePtr result = node_of(Node::filter, std::move(called), std::move(input));
        if (accept("(")) arguments(*result);
        return result;
    }
    NodePtr filters(NodePtr input) {
        while (accept("|")) input = filter(std::move(input));
        return input;
    }

    // `(a, b=1)`: names of parameters and, in `parts`, their defaults.
    void parameters(Node& target) {
        expect("(");
        const size_t first = target.names.size();
        while (!accept(")")) {
            target.names.push_back(name());
            target.parts.push_back(accept("=") ? expression() : nullptr);
            if (target.names.size() > first + 1 && target.parts[target.parts.size() - 2] && !target.parts.back())
                error(fmt::format("'{}' needs a default as the one before it has", target.names.back()));
            if (!is(")")) expect(",");
        }
    }

    [[noreturn]] void error(const std::string& what) const { fail("line {}: {}", line_, what); }

  private:
    struct Deeper {
        explicit Deeper(Expressions& expressions) : depth(expressions.depth_) {
            if (++depth > max_depth) expressions.error("expressions are nested too deeply");
        }
        ~Deeper() { --depth; }
        int& depth;
    };

    // Operators of one precedence, from left to right.
    template <typename Operand>
    NodePtr chain(std::initializer_list<std::string_view> operators, Operand&& operand) {
        NodePtr left = operand();
        while (true) {
            const auto it = std::ranges::find_if(operators, [&](std::string_view text) { return is(text); });
            if (it == operators.end()) return left;
            expect(*it);
            left = node_of(Node::binary, std::string(*it), std::move(left), operand());
        }
    }

    NodePtr negation() {
        const Deeper deeper(*this);
        if (accept("not")) return node_of(Node::not_, {}, negation());
        return comparison();
    }

    NodePtr comparison() {
        NodePtr first = sum();
        NodePtr compare = node(Node::compare);
        while (true) {
            std::string op = token().text;
            const bool known =
                std::ranges::any_of(std::initializer_list<std::string_view>{"==", "!=", "<", "<=", ">", ">=", "in"},
                                    [&](std::string_view text) { return is(text); });
            if (is("not") && tokens_[at_ + 1].text == "in") {
                ++at_;
                op = "not in";
            } else if (!known) {
                break;
            }
            ++at_;
            compare->names.push_back(std::move(op));
            compare->parts.push_back(sum());
        }
        if (compare->names.empty()) return first;
        compare->parts.insert(compare->parts.begin(), std::move(first));
        return compare;
    }

    NodePtr sum() {
        return chain({"+", "-"}, [&] {
            return chain({"~"}, [&] { return chain({"*", "/", "//", "%"}, [&] { return power(); }); });
        });
    }

    NodePtr power() {
        return chain({"**"}, [&] { return unary(); });
    }

    NodePtr unary(bool with_filters = true) {
        const Deeper deeper(*this);
        NodePtr value;
        if (accept("-")) {
            value = node_of(Node::negate, {}, unary(false));
        } else if (accept("+")) {
            value = node_of(Node::plus, {}, unary(false));
        } else {
            value = primary();
        }
        value = postfix(std::move(value));
        return with_filters ? filters_and_tests(std::move(value)) : std::move(value);
    }

    NodePtr primary() {
        const Token token = this->token();
        ++at_;
        switch (token.kind) {
            case Token::name:
                return named(token.text);
            case Token::string: {
                NodePtr text = constant(token.text);
                while (this->token().kind == Token::string)
                    text = constant(*text->value.string() + tokens_[at_++].text);
                return text;
            }
            case Token::integer:
                return constant(integer(token.text));
            case Token::floating:
                return constant(std::stod(token.text));
            case Token::symbol:
                if (token.text == "(") return parenthesised();
                if (token.text == "[") return list();
                if (token.text == "{") return mapping();
                [[fallthrough]];
            default:
                error(fmt::format("unexpected '{}'", token.text));
        }
    }

    int64_t integer(std::string_view text) const {
        const std::string_view all = text;
        int base = 10;
        if (text.size() > 2 && text[0] == '0') {
            const char mark = text[1];
            base = mark == 'x' || mark == 'X'   ? 16
                   : mark == 'o' || mark == 'O' ? 8
                   : mark == 'b' || mark == 'B' ? 2
                                                : 10;
            if (base != 10) text.remove_prefix(2);
        }
        int64_t value = 0;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, base);
        if (failed != std::errc()) error(fmt::format("{} is too large", all));
        return value;
    }

    NodePtr constant(Value value) const {
        NodePtr result = node(Node::constant);
        result->value = std::move(value);
        return result;
    }

    NodePtr named(const std::string& text) const {
        if (text == "true" || text == "True") return constant(true);
        if (text == "false" || text == "False") return constant(false);
        if (text == "none" || text == "None") return constant({});
        return node(Node::variable, text);
    }

    NodePtr parenthesised() {
        if (accept(")")) return node(Node::tuple);
        NodePtr inner = tuple();
        expect(")");
        return inner;
    }

    NodePtr list() {
        NodePtr result = node(Node::list);
        while (!accept("]")) {
            result->parts.push_back(expression());
            if (!is("]")) expect(",");
        }
        return result;
    }

    NodePtr mapping() {
        NodePtr result = node(Node::mapping);
        while (!accept("}")) {
            result->parts.push_back(expression());
            expect(":");
            result->parts.push_back(expression());
            if (!is("}")) expect(",");
        }
        return result;
    }

    NodePtr postfix(NodePtr value) {
        while (true) {
            if (accept(".")) {
                if (token().kind == Token::integer) {
                    value = node_of(Node::subscript, {}, std::move(value), primary());
                } else {
                    value = node_of(Node::attribute, name(), std::move(value));
                }
            } else if (accept("[")) {
                value = subscript(std::move(value));
            } else if (accept("(")) {
                value = node_of(Node::call, {}, std::move(value));
                arguments(*value);
            } else {
                return value;
            }
        }
    }

    NodePtr subscript(NodePtr object) {
        NodePtr bounds[3];
        int colons = 0;
        while (!accept("]")) {
            if (accept(":")) {
                if (++colons > 2) error("a slice has too many colons");
            } else if (bounds[colons]) {
                error(fmt::format("expected ']', found '{}'", token().text));
            } else {
                bounds[colons] = colons == 0 ? tuple() : expression();
            }
        }
        if (colons > 0) {
            return node_of(Node::slice, {}, std::move(object), std::move(bounds[0]), std::move(bounds[1]),
                           std::move(bounds[2]));
        }
        if (!bounds[0]) error("a subscript is empty");
        return node_of(Node::subscript, {}, std::move(object), std::move(bounds[0]));
    }

    // After "(".
    void arguments(Node& target) {
        bool by_name = false;
        while (!accept(")")) {
            if (is("*") || is("**")) {
                target.names.push_back(token().text);
                ++at_;
            } else {
                const bool named = token().kind == Token::name && tokens_[at_ + 1].kind == Token::symbol &&
                                   tokens_[at_ + 1].text == "=";
                if (!named && by_name) error("an argument by place follows one by name");
                by_name |= named;
                target.names.push_back(named ? name() : "");
                if (named) expect("=");
            }
            target.parts.push_back(expression());
            if (!is(")")) expect(",");
        }
    }

    NodePtr filters_and_tests(NodePtr value) {
        while (true) {
            if (is("|")) {
                value = filters(std::move(value));
            } else if (accept("is")) {
                value = test(std::move(value));
            } else if (accept("(")) {
                value = node_of(Node::call, {}, std::move(value));
                arguments(*value);
            } else {
                return value;
            }
        }
    }

    NodePtr test(NodePtr value) {
        const bool inverted = accept("not");
        std::string called = name();
        while (accept(".")) called += "." + name();
        NodePtr result = node_of(Node::test, std::move(called), std::move(value));
        if (accept("(")) {
            arguments(*result);
        } else if (begins_argument()) {
            result->names.push_back("");
            result->parts.push_back(postfix(primary()));
        }
        return inverted ? node_of(Node::not_, {}, std::move(result)) : std::move(result);
    }

    bool begins_argument() const {
        switch (token().kind) {
            case Token::name:
                return !is("and") && !is("or") && !is("else") && !is("is") && !is("if") && !is("not") && !is("in");
            case Token::symbol:
                return is("[") || is("{") || is("(");
            default:
                return token().kind != Token::end;
        }
    }

    const std::vector<Token>& tokens_;
    int line_, depth_;
    size_t at_ = 0;
};

}  // namespace gremium::jinja
