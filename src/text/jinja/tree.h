// The tree of a template.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/jinja/value.h"

namespace gremium::jinja {

struct Node;
using NodePtr = std::unique_ptr<Node>;

// `name`, `names` and `parts` by kind; a part in brackets may be null. A target is a variable, an attribute of a
// variable, or a tuple of targets.
struct Node {
    enum Kind : uint8_t {
        // Expressions
        constant,   // value
        variable,   // name
        list,       // parts: items
        tuple,      // parts: items
        mapping,    // parts: key, value, key, value …
        attribute,  // name; parts: object
        subscript,  // parts: object, key
        slice,      // parts: object, [from], [to], [step]
        call,       // names: of arguments, "" by place, "*" and "**" to unpack; parts: function, arguments …
        filter,     // name, names; parts: input, arguments …
        test,       // name, names; parts: input, arguments …
        negate,     // parts: operand
        plus,       // parts: operand
        not_,       // parts: operand
        binary,     // name: the operator; parts: left, right
        compare,    // names: operators; parts: operands, one more
        choice,     // parts: if true, condition, [if false]
        // Statements
        text,          // value
        output,        // parts: expression
        block,         // parts: statements
        if_,           // parts: condition, block, condition, block … [block]
        for_,          // name: "recursive" or ""; parts: target, iterable, block, [condition], [block if empty]
        set,           // parts: target, expression
        set_block,     // parts: target, block, [filter expression over a variable ""]
        with,          // parts: block, target, expression, target, expression …
        filter_block,  // parts: filter expression over a variable "", block
        macro,         // name; names: parameters; parts: block, [default] …; value: a list, which of "caller",
                       // "kwargs" and "varargs" it mentions
        call_block,    // parts: call, macro (its caller)
        break_,
        continue_,
    } kind;
    int line;
    std::string name;
    std::vector<std::string> names;
    std::vector<NodePtr> parts;
    Value value;
};

}  // namespace gremium::jinja
