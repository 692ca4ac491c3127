#include "text/jinja/parser.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "base/error.h"
#include "text/jinja/lexer.h"

namespace gremium::jinja {

namespace {

// How far a hostile template gets: both bound the depth of the tree.
constexpr int max_depth = 200;       // of parentheses and blocks within each other
constexpr size_t max_tokens = 2000;  // of one tag

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

    // With commas: a tuple, which is a list here.
    NodePtr tuple() {
        NodePtr first = expression();
        if (!is(",")) return first;
        NodePtr list = node_of(Node::list, {}, std::move(first));
        while (accept(",")) {
            if (done() || is(")") || is("]")) break;
            list->parts.push_back(expression());
        }
        return list;
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
        NodePtr result = node_of(Node::filter, name(), std::move(input));
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
        while (!accept(")")) {
            target.names.push_back(name());
            target.parts.push_back(accept("=") ? expression() : nullptr);
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
            case Token::integer: {
                int64_t value = 0;
                const auto [end, failed] =
                    std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
                if (failed != std::errc()) error(fmt::format("{} is too large", token.text));
                return constant(value);
            }
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
        if (accept(")")) return node(Node::list);
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
            } else {
                bounds[colons] = expression();
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
        while (!accept(")")) {
            const bool named =
                token().kind == Token::name && tokens_[at_ + 1].kind == Token::symbol && tokens_[at_ + 1].text == "=";
            target.names.push_back(named ? name() : "");
            if (named) expect("=");
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
        NodePtr result = node_of(Node::test, name(), std::move(value));
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
                return is("[") || is("{");
            default:
                return token().kind != Token::end;
        }
    }

    const std::vector<Token>& tokens_;
    int line_, depth_;
    size_t at_ = 0;
};

class Statements {
  public:
    explicit Statements(std::vector<Segment> segments) : segments_(std::move(segments)) {}

    NodePtr run() {
        NodePtr root = body({});
        if (at_ < segments_.size())
            fail("line {}: unexpected '{}'", segments_[at_].line, segments_[at_].tokens[0].text);
        return root;
    }

  private:
    bool at_word(std::initializer_list<std::string_view> words) const {
        const Segment& segment = segments_[at_];
        return segment.kind == Segment::statement && segment.tokens[0].kind == Token::name &&
               std::ranges::find(words, segment.tokens[0].text) != words.end();
    }

    // Statements up to one that begins with one of the words, or up to the end when there are none.
    NodePtr body(std::initializer_list<std::string_view> ends) {
        if (++depth_ > max_depth) fail("blocks are nested too deeply");
        NodePtr block(new Node{Node::block, at_ < segments_.size() ? segments_[at_].line : 0, {}, {}, {}, {}});
        while (at_ < segments_.size() && !at_word(ends)) {
            if (ends.size() == 0 && is_end()) break;
            block->parts.push_back(statement());
        }
        if (at_ == segments_.size() && ends.size() > 0) fail("'{}' is missing", *(ends.end() - 1));
        --depth_;
        return block;
    }

    bool is_end() const {
        return segments_[at_].kind == Segment::statement && segments_[at_].tokens[0].text.starts_with("end");
    }

    NodePtr statement() {
        const Segment& segment = segments_[at_++];
        Expressions e(segment, depth_);
        if (segment.kind == Segment::text) {
            NodePtr text = e.node(Node::text);
            text->value = segment.content;
            return text;
        }
        if (segment.kind == Segment::output) {
            NodePtr output = e.node_of(Node::output, {}, e.tuple());
            e.expect_end();
            return output;
        }
        const std::string word = e.name();
        NodePtr result = word == "if"           ? if_statement(e)
                         : word == "for"        ? for_statement(e)
                         : word == "set"        ? set_statement(e)
                         : word == "macro"      ? macro_statement(e)
                         : word == "call"       ? call_statement(e)
                         : word == "filter"     ? filter_statement(e)
                         : word == "generation" ? until_end(e, "endgeneration")
                         : word == "break"      ? e.node(Node::break_)
                         : word == "continue"   ? e.node(Node::continue_)
                                                : nullptr;
        if (!result) {
            e.error(
                fmt::format("'{}' is not supported; supported: if, for, set, macro, call, filter, generation, raw, "
                            "break, continue",
                            word));
        }
        e.expect_end();
        return result;
    }

    // The body up to `end`, which is consumed.
    NodePtr until_end(Expressions& e, std::string_view end) {
        e.expect_end();
        NodePtr block = body({end});
        ++at_;
        return block;
    }

    NodePtr if_statement(Expressions& e) {
        NodePtr result = e.node_of(Node::if_, {}, e.tuple());
        e.expect_end();
        result->parts.push_back(body({"elif", "else", "endif"}));
        while (at_word({"elif"})) {
            Expressions next(segments_[at_++], depth_);
            next.name();
            result->parts.push_back(next.tuple());
            next.expect_end();
            result->parts.push_back(body({"elif", "else", "endif"}));
        }
        if (at_word({"else"})) {
            ++at_;
            result->parts.push_back(body({"endif"}));
        }
        if (!at_word({"endif"})) fail("line {}: 'endif' is missing", segments_[at_].line);
        ++at_;
        return result;
    }

    static std::vector<std::string> targets(Expressions& e) {
        const bool parenthesised = e.accept("(");
        std::vector<std::string> names = {e.name()};
        while (e.accept(",")) names.push_back(e.name());
        if (parenthesised) e.expect(")");
        return names;
    }

    NodePtr for_statement(Expressions& e) {
        NodePtr result = e.node(Node::for_);
        result->names = targets(e);
        e.expect("in");
        NodePtr iterable = e.either(), condition = e.accept("if") ? e.expression() : nullptr;
        e.accept("recursive");
        e.expect_end();
        NodePtr block = body({"else", "endfor"}), otherwise;
        if (at_word({"else"})) {
            ++at_;
            otherwise = body({"endfor"});
        }
        ++at_;
        for (NodePtr* part : {&iterable, &block, &condition, &otherwise}) result->parts.push_back(std::move(*part));
        return result;
    }

    NodePtr set_statement(Expressions& e) {
        std::vector<std::string> names = targets(e);
        Node::Kind kind = Node::set;
        if (e.accept(".")) {
            names.push_back(e.name());
            kind = Node::set_attribute;
        }
        if (e.accept("=")) {
            NodePtr result = e.node_of(kind, {}, e.tuple());
            result->names = std::move(names);
            return result;
        }
        if (kind == Node::set_attribute || names.size() > 1) e.error("a block is set to one variable");
        NodePtr filter = e.is("|") ? e.filters(e.node(Node::variable)) : nullptr;
        NodePtr result = e.node_of(Node::set_block, names[0], until_end(e, "endset"));
        result->parts.push_back(std::move(filter));
        return result;
    }

    NodePtr macro_statement(Expressions& e) {
        NodePtr result = e.node_of(Node::macro, e.name(), NodePtr());
        e.parameters(*result);
        result->parts[0] = until_end(e, "endmacro");
        return result;
    }

    NodePtr call_statement(Expressions& e) {
        NodePtr result = e.node_of(Node::call_block, {}, NodePtr(), NodePtr());
        if (e.is("(")) e.parameters(*result);
        result->parts[0] = e.expression();
        if (result->parts[0]->kind != Node::call) e.error("'call' needs a call");
        result->parts[1] = until_end(e, "endcall");
        return result;
    }

    NodePtr filter_statement(Expressions& e) {
        NodePtr filters = e.filters(e.filter(e.node(Node::variable)));
        return e.node_of(Node::filter_block, {}, std::move(filters), until_end(e, "endfilter"));
    }

    std::vector<Segment> segments_;
    size_t at_ = 0;
    int depth_ = 0;
};

}  // namespace

NodePtr parse(std::string_view source) { return Statements(lex(source)).run(); }

}  // namespace gremium::jinja
