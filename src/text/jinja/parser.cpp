#include "text/jinja/parser.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/error.h"
#include "text/jinja/expressions.h"
#include "text/jinja/lexer.h"

namespace gremium::jinja {

namespace {

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
                         : word == "with"       ? with_statement(e)
                         : word == "block"      ? block_statement(e)
                         : word == "macro"      ? macro_statement(e)
                         : word == "call"       ? call_statement(e)
                         : word == "filter"     ? filter_statement(e)
                         : word == "generation" ? until_end(e, "endgeneration")
                         : word == "break"      ? jump(e, Node::break_)
                         : word == "continue"   ? jump(e, Node::continue_)
                                                : nullptr;
        if (!result) {
            e.error(
                fmt::format("'{}' is not supported; supported: if, for, set, with, block, macro, call, filter, "
                            "generation, raw, break, continue",
                            word));
        }
        e.expect_end();
        return result;
    }

    NodePtr jump(Expressions& e, Node::Kind kind) const {
        if (loops_ == 0) e.error("there is no loop to leave or go on with");
        return e.node(kind);
    }

    // The body up to `end`, which is consumed; `name` may follow it.
    NodePtr until_end(Expressions& e, std::string_view end, std::string_view name = {}) {
        e.expect_end();
        NodePtr block = body({end});
        const std::vector<Token>& tokens = segments_[at_++].tokens;
        const bool named = tokens[1].kind == Token::name && tokens[1].text == name;
        if (tokens[1 + named].kind != Token::end)
            fail("line {}: unexpected '{}'", segments_[at_ - 1].line, tokens[1 + named].text);
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

    NodePtr for_statement(Expressions& e) {
        NodePtr target = e.target();
        e.expect("in");
        NodePtr iterable = e.tuple(false), condition = e.accept("if") ? e.expression() : nullptr;
        NodePtr result = e.node(Node::for_, e.accept("recursive") ? "recursive" : "");
        e.expect_end();
        ++loops_;
        NodePtr block = body({"else", "endfor"}), otherwise;
        --loops_;
        if (at_word({"else"})) {
            ++at_;
            otherwise = body({"endfor"});
        }
        ++at_;
        for (NodePtr* part : {&target, &iterable, &block, &condition, &otherwise})
            result->parts.push_back(std::move(*part));
        return result;
    }

    NodePtr set_statement(Expressions& e) {
        NodePtr target = e.target();
        if (e.accept("=")) return e.node_of(Node::set, {}, std::move(target), e.tuple());
        if (target->kind == Node::tuple) e.error("a block is set to one variable");
        NodePtr filter = e.is("|") ? e.filters(e.node(Node::variable)) : nullptr;
        return e.node_of(Node::set_block, {}, std::move(target), until_end(e, "endset"), std::move(filter));
    }

    NodePtr with_statement(Expressions& e) {
        NodePtr result = e.node_of(Node::with, {}, NodePtr());
        while (!e.done()) {
            if (result->parts.size() > 1) e.expect(",");
            result->parts.push_back(e.target(false));
            e.expect("=");
            result->parts.push_back(e.expression());
        }
        result->parts[0] = until_end(e, "endwith");
        return result;
    }

    // Where no template extends another one, a block stands for what it holds; within loops and macros it would not
    // see their variables.
    NodePtr block_statement(Expressions& e) {
        const std::string name = e.name();
        if (inside_ > 0 || loops_ > 0) e.error("a block within a loop, a macro or a block is not supported");
        if (std::ranges::find(blocks_, name) != blocks_.end()) e.error(fmt::format("block '{}' is there twice", name));
        blocks_.push_back(name);
        e.accept("scoped");
        ++inside_;
        NodePtr result = e.node_of(Node::with, {}, until_end(e, "endblock", name));
        --inside_;
        return result;
    }

    NodePtr macro_body(Expressions& e, NodePtr macro, std::string_view end) {
        const int loops = std::exchange(loops_, 0);
        ++inside_;
        macro->parts[0] = until_end(e, end, macro->name);
        --inside_;
        loops_ = loops;
        List special;
        for (const char* name : {"caller", "kwargs", "varargs"}) {
            if (mentions(*macro->parts[0], name)) special.emplace_back(name);
        }
        macro->value = std::move(special);
        return macro;
    }

    static bool mentions(const Node& node, std::string_view variable) {
        return (node.kind == Node::variable && node.name == variable) ||
               std::ranges::any_of(node.parts, [&](const NodePtr& part) { return part && mentions(*part, variable); });
    }

    NodePtr macro_statement(Expressions& e) {
        NodePtr result = e.node_of(Node::macro, e.name(), NodePtr());
        e.parameters(*result);
        return macro_body(e, std::move(result), "endmacro");
    }

    NodePtr call_statement(Expressions& e) {
        NodePtr caller = e.node_of(Node::macro, {}, NodePtr());
        if (e.is("(")) e.parameters(*caller);
        NodePtr call = e.expression();
        if (call->kind != Node::call) e.error("'call' needs a call");
        caller = macro_body(e, std::move(caller), "endcall");
        return e.node_of(Node::call_block, {}, std::move(call), std::move(caller));
    }

    NodePtr filter_statement(Expressions& e) {
        NodePtr filters = e.filters(e.filter(e.node(Node::variable)));
        return e.node_of(Node::filter_block, {}, std::move(filters), until_end(e, "endfilter"));
    }

    std::vector<Segment> segments_;
    size_t at_ = 0;
    int depth_ = 0;
    int loops_ = 0, inside_ = 0;  // around the statement: loops; macros and blocks
    std::vector<std::string> blocks_;
};

}  // namespace

NodePtr parse(std::string_view source) { return Statements(lex(source)).run(); }

}  // namespace gremium::jinja
