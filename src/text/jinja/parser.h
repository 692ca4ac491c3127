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

// `name`, `names` and `parts` by kind; a part in brackets may be null.
struct Node {
    enum Kind : uint8_t {
        // Expressions
        constant,   // value
        variable,   // name
        list,       // parts: items
        mapping,    // parts: key, value, key, value …
        attribute,  // name; parts: object
        subscript,  // parts: object, key
        slice,      // parts: object, [from], [to], [step]
        call,       // names: of arguments, "" by place; parts: function, arguments …
        filter,     // name, names; parts: input, arguments …
        test,       // name, names; parts: input, arguments …
        negate,     // parts: operand
        plus,       // parts: operand
        not_,       // parts: operand
        binary,     // name: the operator; parts: left, right
        compare,    // names: operators; parts: operands, one more
        choice,     // parts: if true, condition, [if false]
        // Statements
        text,           // value
        output,         // parts: expression
        block,          // parts: statements
        if_,            // parts: condition, block, condition, block … [block]
        for_,           // names: targets; parts: iterable, block, [condition], [block if empty]
        set,            // names: targets; parts: expression
        set_attribute,  // names: variable, attribute; parts: expression
        set_block,      // name; parts: block, [filter expression over a variable ""]
        filter_block,   // parts: filter expression over a variable "", block
        macro,          // name; names: parameters; parts: block, [default] …
        call_block,     // names: parameters; parts: call, block, [default] …
        break_,
        continue_,
    } kind;
    int line;
    std::string name;
    std::vector<std::string> names;
    std::vector<NodePtr> parts;
    Value value;
};

// Throws Error that names the line.
NodePtr parse(std::string_view source);

}  // namespace gremium::jinja
