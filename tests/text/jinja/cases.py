#!/usr/bin/env python3
"""Expressions and statements of Jinja with what Jinja itself makes of them: writes cases.tsv beside this file.

A line is a template and its result, both as JSON strings; `null` where Jinja refuses the template, and `false` where Jinja
has a result but we refuse it in words (UNSUPPORTED below). tests/text/jinja_test.cpp renders all of them. Needs the jinja2
package; run it after changing the lists, and read the difference.
"""
import datetime
import json
import pathlib

import jinja2.ext
import jinja2.sandbox

VARIABLES = {
    "n": 3, "x": 2.5, "name": "World", "empty": "", "yes": True, "none_": None, "umlaut": "äöü", "list": [3, 1, 2], "words": ["b", "A", "c", "a"],
    "map": {"k": "v", "two": 2, "B": [1, {"deep": None}]}, "nested": [[1, 2], [3, [4]]],
    "people": [{"name": "Ann", "age": 30, "in": True}, {"name": "bob", "age": 25}, {"name": "Cy", "age": 30}],
    "messages": [{"role": "system", "content": " Be terse.\n"}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello\n", "tool_calls": [
        {"type": "function", "function": {"name": "f", "arguments": {"a": 1, "b": "ü<\"'&>", "c": [1.5, None, True]}}}]}],
    "text": "one two  three\tfour\nfive\r\nsix", "odd": "Ünï-code ǅ ß ﬁ Σας ΑΣ İı", "html": "<a href=\"x\">T & 'q'</a>",
}

SEPARATE = {  # inputs × what is done with them
    "strings": (["'aBc dEf'", "''", "'äÖ ß'", "'a,b,,c'", "\"it's\"", "' x '", "odd", "'123'", "'x=1'", "'ΑΣ ΟΔΟΣ'", "'\\u01c5x'", "'-42'", "'a\\tb\\nc'", "'٣²Ⅷ½'"],
                ["upper()", "lower()", "title()", "capitalize()", "swapcase()", "casefold()", "strip()", "lstrip()", "rstrip('c ')", "strip('aß ')", "split()", "split(',')", "split(',', 1)",
                 "rsplit(',', 1)", "rsplit()", "rsplit(None, 1)", "split(None, 1)", "split(maxsplit=1)", "split(sep=',')", "splitlines()", "splitlines(true)", "partition(',')",
                 "rpartition(',')", "partition('=')", "isalpha()", "isdigit()", "isalnum()", "isspace()", "isupper()", "islower()", "istitle()", "isascii()", "isdecimal()", "isnumeric()",
                 "isprintable()", "find('b')", "find('b', 1)", "find('c', 0, -1)", "rfind(',')", "count(',')", "count('')", "count('b', 2)", "startswith('a')", "startswith(('x', ' '))",
                 "startswith('B', 1)", "endswith('c')", "endswith('B', 0, 2)", "endswith(('f', 'ß'))", "replace('b', 'XX')", "replace(',', '')", "replace('', '-')", "replace(',', ';', 1)",
                 "replace('', '.', 2)", "removeprefix('a')", "removesuffix('c')", "zfill(6)", "ljust(6)", "rjust(6, '*')", "center(7, '.')", "center(6)", "expandtabs(4)", "join(['1', '2'])",
                 "join('xyz')", "format()", "index('b')", "rindex('c')"]),
    "text filters": (["'aBc dEf'", "''", "'äÖ ß'", "\"don't (stop) <it> {now} [or]-never\"", "odd", "text", "html", "3", "2.5", "none", "yes", "missing", "[1, 'a']", "-7", "'42'", "' 42 '", "'4.7'", "'0x1A'",
                      "'1e3'", "'1_000'", "'nan'", "1e16", "1e15", "0.0001", "0.00001", "123456789.125", "-0.0", "0.1 + 0.2", "1e300 * 1e10"],
                     ["upper", "lower", "title", "capitalize", "trim", "trim('f')", "string", "wordcount", "center(11)", "e", "escape|e", "safe", "int", "int(7)", "int(default=8)", "int(0, 16)", "float", "float(1.5)",
                      "round", "round(1)", "round(0, 'ceil')", "round(1, 'floor')", "round(-1)", "abs", "truncate(9)", "truncate(9, true)", "truncate(9, true, '~', 0)", "truncate(5, false, '', 0)", "replace('a', 'bb')",
                      "replace('', '_')", "indent", "indent(2)", "indent(2, true)", "indent(1, false, true)", "indent('> ')", "indent(width=3, first=true)", "tojson", "tojson(ensure_ascii=true)", "length", "default('d')",
                      "default('d', true)", "d('x', boolean=true)", "list", "first", "last", "reverse", "urlencode", "filesizeformat", "filesizeformat(true)", "format", "pprint", "forceescape"]),
    "lists": (["list", "words", "nested", "[]", "(1, 2)", "(1,)", "'bca'", "map", "{}", "range(4)", "people", "[true, 1, 1.0, 'a', none]", "none", "missing", "[0, '', none, 'x']", "[[2, 'b'], [1, 'a'], [2, 'a']]",
               "['b', 'B', 'a', 'A']", "[1.5, 2, -1]", "[3, 3, 1]"],
              ["list", "length", "count", "first", "last", "sort", "sort(reverse=true)", "sort(case_sensitive=true)", "sort(true, true)", "sort(attribute='0')", "unique|list", "unique(true)|list", "max", "min", "min(true)", "sum",
               "sum(start=10)", "join", "join(', ')", "join('-', attribute=0)", "reverse|list", "batch(2)|list", "batch(2, '-')|list", "slice(2)|list", "slice(2, '.')|list", "slice(3)|map('list')|list", "tojson", "tojson(indent=2)",
               "tojson(indent=0)", "tojson(separators=(',', ':'))", "tojson(sort_keys=true)", "tojson(indent='\\t', sort_keys=true)", "map('string')|list", "map('upper')|join('|')", "select|list", "reject|list", "select('string')|list",
               "select('number')|list", "reject('none')|list", "select('==', 1)|list", "select('gt', 1)|list", "select('in', [1, 'a'])|list", "string", "pprint", "batch(3)|map('join', '+')|list", "groupby(0)|list", "select('odd')|list"]),
    "mappings": (["map", "{}", "{'b': 1, 'A': 2, 'c': 0, 'a': 5}", "{1: 2, 'x': (1, 2)}", "{'u': 'ü', 'q': \"it's\", 'n': none}", "{'a': {'z': 1, 'y': [2]}}", "messages[2]"],
                 ["items()|list", "keys()|list", "values()|list", "get('k')", "get('zz', 'd')", "get('b', default=1)", "k", "two is defined", "nothing is defined", "items() is iterable", "copy()"]),
    "mapping filters": (["map", "{}", "{'b': 1, 'A': 2, 'c': 0, 'a': 5}", "{'u': 'ü', 'q': \"it's\", 'n': none}", "{'x': 'B', 'y': 'a', 'z': 'A'}", "missing"],
                        ["dictsort", "dictsort(true)", "dictsort(false, 'value')", "dictsort(by='value', reverse=true)", "dictsort(reverse=true)", "items|list", "length", "list", "tojson", "tojson(indent=4)", "string", "urlencode", "pprint",
                         "map('upper')|list", "first", "join(',')"]),
    "tests": (["1", "0", "2.0", "2.5", "true", "false", "none", "missing", "'a'", "'A'", "'1'", "''", "[]", "(1,)", "map", "range(3)", "list|map('string')", "map.items()", "map.keys()", "namespace()", "dict", "loop", "'<'|e", "'a'.upper"],
              ["is defined", "is undefined", "is none", "is boolean", "is true", "is false", "is integer", "is float", "is number", "is string", "is mapping", "is sequence", "is iterable", "is callable", "is lower", "is upper", "is escaped",
               "is not none", "is eq 1", "is ne 1", "is sameas none", "is sameas true", "is in [1, 'a']", "is not in 'abc'" ]),
}
for op in ("==", "!=", "<", "<=", ">", ">="):
    SEPARATE[f"compare {op}"] = (["1", "2.5", "true", "'a'", "'B'", "[1, 2]", "(1, 2)", "none", "missing"], [f"{op} {v}" for v in ("1", "2", "1.0", "'a'", "[1, 3]", "(1, 2)", "none", "missing2")])
for op in ("+", "-", "*", "/", "//", "%", "**"):
    SEPARATE[f"arithmetic {op}"] = (["7", "-7", "2.5", "-2.5", "true", "'ab'", "[1]", "(1,)", "none", "0"], [f"{op} {v}" for v in ("2", "-3", "0.5", "false", "'c'", "[2]", "(2, 3)", "0")])

TEMPLATES = [
    # literals
    r"{{ '\u2581x\x41\u00e9\U0001f600' }}", r"{{ '\101\0\7|\a\b\f\v\n\r\t\\\'\"' }}", r"{{ 'a\qb\ ' }}", r"{{ '\é\€\😀' }}", "{{ 'a\\\nb' }}", r"{{ '\x4' }}", r"{{ '\u12' }}", "{{ 'a' \"b\" 'c' }}", "{{ 1_000 }} {{ 0x1F }} {{ 0o17 }} {{ 0b101 }} {{ 0XfF }}",
    "{{ 1e3 }} {{ 1.5e-2 }} {{ 2E2 }} {{ 1_0.5_0 }} {{ 1e+2 }}", "{{ 007 }}", "{{ 00 }}", "{{ 1.0 }} {{ 100000000000000000000.0 }} {{ 1e-7 }} {{ 1e22 }}", "{{ 9007199254740993 == 9007199254740992 }}", "{{ () }} {{ (1,) }} {{ (1, 2) }} {{ 1, 2 }} {{ (1) }}",
    "{{ [1, 'a', none, true, 1.0, (1, [2])] }}", "{{ {'a': 1, 2: (3,), none: true} }}", "{{ {'a': 1,} }} {{ [1,] }}", "{{ ['\\n\\t\\\\', \"it's\", 'q\"', '\\x00\\x7f\\u200b\\xa0é'] }}", "{{ true }} {{ True }} {{ none }} {{ None }} {{ False }}",
    # operators and precedence
    "{{ 1 + 2 * 3 - 4 // 3 % 2 ** 3 }}", "{{ 2 ** 3 ** 2 }}", "{{ -2 ** 2 }}", "{{ 3 ** 35 }}", "{{ 2 ** -1 }}", "{{ 2 ** 0.5 }}", "{{ not true or true }} {{ not (true or true) }}", "{{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }} {{ 1 == 1 == 1 }}", "{{ 1 ~ 2 + 3 ~ 'a' }}",
    "{{ 'a' in 'abc' and 'd' not in 'abc' }}", "{{ not 1 in [2] }}", "{{ 1 if 0 else 2 if 0 else 3 }}", "{{ 'x' if false }}|", "{{ (1 if true else 2) + 3 }}", "{{ missing ~ 'a' }}", "{{ missing + 'a' }}", "{{ missing.a }}", "{{ missing['a'] }}", "{{ map.missing.deeper }}",
    "{{ 'ab' * 2 }} {{ 2 * 'ab' }} {{ [1, 2] * 2 }} {{ (0,) * 3 }} {{ 'a' * -1 }}|", "{{ 7 // -2 }} {{ 7 % -3 }} {{ -7.5 // 2 }} {{ -7.5 % 2 }} {{ 7 / 2 }} {{ 6 / 3 }}", "{{ -n }} {{ +n }} {{ -n|abs }} {{ -(-n) }} {{ - -n }}", "{{ true + 1 }} {{ -true }}", "{{ 1 // 0 }}", "{{ 1.0 / 0 }}",
    "{{ 'b' > 'a' and [1, 2] < [1, 3] }}", "{{ 'a' < 1 }}", "{{ none < 1 }}", "{{ 1 == true }} {{ 0 == false }} {{ '1' == 1 }} {{ none == false }}", "{{ n|string ~ x }}", "{{ n is odd and n is not even }}", "{{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 4 is even }}",
    "{{ 1 is integer and true is not integer }}", "{{ [1, 2] is eq([1, 2]) }}", "{{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }}",
    # subscripts and slices
    "{{ nested.1.1.0 }} {{ nested[0][1] }} {{ nested.0.1 }}", "{{ list[-1] }} {{ list[5] }}| {{ name[0] }} {{ name[-2] }} {{ umlaut[1] }} {{ umlaut.2 }}", "{{ list[1:] }} {{ list[:-1] }} {{ list[::-1] }} {{ list[::2] }} {{ list[-9:2] }} {{ list[5:] }} {{ (1, 2, 3)[1:] }}",
    "{{ name[1:3] }} {{ umlaut[::-1] }} {{ name[:0] }}| {{ name[::2] }} {{ list[2:0:-1] }}", "{{ map['k'] }} {{ map.k }} {{ map['no'] }}| {{ map.no }}| {{ map.B[1].deep }} {{ map['B'].0 }}", "{{ {(1, 2): 'x'}[1, 2] }}", "{{ range(5)[1:3]|list }} {{ range(5)[-1] }}", "{{ list['x'] }}|", "{{ name.x }}|{{ n.x }}|{{ none_.x }}|",
    "{{ {'items': 5}['items'] }}", "{{ {'a': 1}.items()|list }}", "{{ map.get('k', 1) }}{{ map.get('q') }}{{ map.get('q', 'd') }}", "{{ list.index(2) }} {{ list.count(3) }} {{ (1, 2).index(2) }}", "{{ list.index(9) }}", "{{ list.append(1) }}", "{{ list[true] }}",
    # statements
    "{% if n == 3 %}three{% elif n == 4 %}four{% else %}other{% endif %}", "{% for i in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}",
    "{% for i in list %}{{ loop.previtem }}<{{ i }}<{{ loop.nextitem }} {% endfor %}", "{% for i in list %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }}{% endfor %}", "{% for i in list %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for i in [1, 1, 2, 2, 1] %}{{ loop.changed(i) }} {% endfor %}",
    "{% for p in people %}{% if loop.changed(p.age, 1) %}[{{ p.age }}]{% endif %}{{ p.name }}{% endfor %}", "{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}({{ loop(x) }}{{ loop.depth }}){% else %}{{ x }}{% endif %}{% endfor %}",
    "{% for x in [{'n': 1, 'c': [{'n': 2}]}, {'n': 3}] recursive %}<{{ loop.depth }}:{{ x.n }}{{ loop(x.c) if x.c }}>{% endfor %}", "{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in map %}{{ k }}{% endfor %}", "{% for (a, b) in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}",
    "{% for i, (a, b) in [(0, (1, 2))] %}{{ i }}{{ a }}{{ b }}{% endfor %}", "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}", "{% for p in people if p.age > 26 %}{{ p.name }}{{ loop.length }}{% endfor %}", "{% for i in [] %}x{% else %}none{% endfor %}", "{% for i in list if i > 5 %}x{% else %}none{% endfor %}",
    "{% for c in 'äb' %}[{{ c }}]{% endfor %}", "{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "{% for i in list %}{% for j in list %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% set a = 1 %}{% for i in list %}{{ a }}{% set a = i %}{{ a }}{% endfor %}{{ a }}", "{% set a = 1 %}{% if true %}{% set a = 2 %}{% endif %}{{ a }}", "{% for i in list %}{% set last = i %}{% endfor %}{{ last is defined }}", "{% set ns = namespace(a=1, b='x') %}{% for i in list %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}{{ ns['a'] }}",
    "{% set ns = namespace({'a': 1}) %}{{ ns.a }}", "{% set ns = namespace() %}{% set ns.x %}t{{ n }}{% endset %}{{ ns.x }}", "{% set a, b = 1, 2 %}{{ b }}{{ a }}", "{% set a, (b, c) = 1, (2, 3) %}{{ a }}{{ b }}{{ c }}", "{% set t = 1, 2 %}{{ t }}", "{% set text %}<{{ name }}>{% endset %}{{ text }}{{ text|length }}",
    "{% set t | upper %}a{{ n }}{% endset %}{{ t }}", "{% set t | replace('a', 'b') | upper %}aa{% endset %}{{ t }}", "{% filter upper | trim %} abc{{ n }} {% endfilter %}", "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}", "{% set a = 0 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}",
    "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}", "{% with a = [1, 2] %}{% for i in a %}{{ i }}{% endfor %}{% endwith %}", "{% block main %}<{{ n }}>{% endblock %}", "{% block main %}a{% endblock main %}", "{% raw %}{{ n }}{% if %}{% endraw %}", "{% generation %}a{{ n }}{% endgeneration %}",
    "{% for i in list %}{{ i }}{% endfor %}{% for i in list %}{% if loop.last %}{{ i }}{% endif %}{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}", "{% set x.y = 1 %}", "{% break %}", "{% endif %}", "{% if n %}", "{% for i in n %}{% endfor %}", "{% for i in none %}{% endfor %}", "{% for i in missing %}x{% else %}none{% endfor %}",
    "{% unknown %}", "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{% do list %}", "{{ n|nope }}", "{{ n is nope }}", "{{ nope() }}", "{{ n() }}", "{{ n n }}", "{{ }}", "{{ 'a", "{# x", "{{ n", "{% if n", "{{ (1 }}", "{{ [1 }}", "{{ {1} }}", "{{ 1 | }}", "{{ 1 2 }}", "{{ a.1b }}", "{{ $ }}",
    # macros
    "{% macro m(a, b='x') %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(b=3, a=4) }}{{ m() }}", "{% macro m(a) %}{{ kwargs }}{% endmacro %}{{ m(1, c=3) }}", "{% macro m(a, b=2) %}{{ a }}{{ b }}{{ kwargs }}{% endmacro %}{{ m(1, b=5, d='x', e=[1]) }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, c=3) }}{{ m() }}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(b=2) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, a=2) }}", "{% macro m(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ m(7) }}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(x) %}{{ x is defined }}{% endmacro %}{{ m() }}{{ m(none) }}",
    "{% macro m() %}<{{ caller('q') }}>{% endmacro %}{% call(v) m() %}{{ v }}{{ name }}{% endcall %}", "{% macro m() %}<{{ caller() }}{{ caller() }}>{% endmacro %}{% call m() %}c{% endcall %}", "{% macro m(a) %}{{ a }}{{ caller(1, k=2) }}{% endmacro %}{% call(x, k=0) m('A') %}{{ x }}{{ k }}{% endcall %}", "{% macro m() %}x{% endmacro %}{% call m() %}c{% endcall %}",
    "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}{% call m() %}{% endcall %}", "{% macro f(i) %}{% if i > 0 %}{{ i }}{{ f(i - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "{% macro m() %}{{ later }}{% endmacro %}{% set later = 5 %}{{ m() }}", "{% set outer = 1 %}{% macro m() %}{% set outer = 2 %}{{ outer }}{% endmacro %}{{ m() }}{{ outer }}",
    "{% macro m(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2], **{'c': 3}) }}{{ m(*(1, 2, 3)) }}", "{% macro m(x) %} {{ x }} {% endmacro %}[{{ m(1)|trim }}]{{ m(2) ~ 'z' }}", "{% for i in list %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}", "{% macro a() %}A{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
    "{{ [1, 2]|map('string')|map('upper')|join }}", "{% macro m() %}x{% endmacro %}{{ m is callable }}{{ m is string }}",
    # functions
    "{{ range(3)|list }}{{ range(1, 7, 2)|list }}{{ range(3, 0, -1)|list }}{{ range(0)|list }}", "{{ dict(a=1, b=2) }} {{ dict([('x', 1)], y=2) }} {{ dict({'q': 1}, r=2) }} {{ dict() }}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }}{% set _ = c.reset() %}{{ c.next() }}",
    "{% set j = joiner('|') %}{% for i in list %}{{ j() }}{{ i }}{% endfor %}", "{% set j = joiner() %}{{ j() }}a{{ j() }}b", "{{ raise_exception('no') }}", "{{ strftime_now('%%') }}", "{{ namespace(a=1).a }}", "{{ range() }}",
    # filters with attributes
    "{{ people|selectattr('in')|map(attribute='name')|list }}", "{{ people|selectattr('age', 'lt', 27)|map(attribute='name')|list }}", "{{ people|rejectattr('age', '==', 30)|list|length }}", "{{ people|selectattr('in', 'defined')|list|length }}", "{{ people|map(attribute='zip', default='-')|list }}", "{{ people|map(attribute='zip')|list }}",
    "{{ people|sort(attribute='age')|map(attribute='name')|list }}", "{{ people|sort(attribute='age,name', reverse=true)|map(attribute='name')|list }}", "{{ people|sort(attribute='age', reverse=true)|map(attribute='name')|list }}", "{{ people|sort(attribute='name')|map(attribute='name')|join(',') }}", "{{ people|sum(attribute='age') }}", "{{ people|max(attribute='age') }}",
    "{{ people|min(attribute='name')|tojson }}", "{{ people|unique(attribute='age')|map(attribute='name')|list }}", "{% for k, g in people|groupby('age') %}{{ k }}:{{ g|map(attribute='name')|join(',') }};{% endfor %}", "{% for g in people|groupby('age') %}{{ g.grouper }}{{ g.list|length }}{{ g[0] }}{% endfor %}", "{{ ['a', 'A', 'b']|groupby('0')|list }}",
    "{{ ['a', 'A', 'b']|groupby('0', case_sensitive=true)|list|length }}", "{% for k, g in people|groupby('in', default=false) %}{{ k }}{{ g|length }} {% endfor %}", "{{ [{'n': [1]}, {'n': [2]}]|sum('n', []) }}", "{{ [[1], [2]]|sum(start=[]) }}", "{{ [1, 2]|sum(start=0.5) }}", "{{ people|join('+', attribute='name') }}", "{{ messages|map(attribute='tool_calls.0.function.name', default='')|list }}",
    "{{ messages|map(attribute='content')|map('trim')|list }}", "{{ words|map('replace', 'a', 'x')|list }}", "{{ [1.55, 2]|map('round', 1)|list }}", "{{ nested|map('first')|list }}", "{{ nested|map(attribute='0')|list }}", "{{ map|attr('k') }}|", "{{ namespace(q=5)|attr('q') }}", "{{ [3, 1]|sort|first }}", "{{ people|map('attr', 'name')|list|length }}",
    "{{ people|selectattr('name', 'in', ['Ann', 'Cy'])|list|length }}", "{{ people|selectattr('name', 'equalto', 'Ann')|first|tojson }}", "{{ (people|selectattr('age', '>', 100)|first) is undefined }}", "{{ people|selectattr('age', '>', 100)|list|length > 0 }}", "{{ 'yes' if people|selectattr('age', '>', 100) else 'no' }}", "{% set g = list|map('string') %}{{ g|join }}{{ g|join }}",
    "{% set g = list|select %}{{ g|first }}{{ g|first }}{{ g|list }}", "{{ list|map('string')|length }}", "{{ list|map('string')|last }}", "{{ 3 in list|map('int') }}", "{{ list|reverse|first }}", "{{ map.items()|first }}", "{{ map.keys()|list|tojson }}", "{{ map.values()|list }} {{ map.keys() }} {{ map.values() }} {{ {'a': 1}.items() }}", "{{ map.keys()|length }}", "{{ map.keys()[0] }}|",
    # formatting
    "{{ '%s-%02d' % ('a', 7) }}{{ '%s!' % 'x' }}{{ '%5.2f|%x|%d%%' % (3.14159, 255, 5) }}", "{{ '%-5s|%5s|%.2s' % ('a', 'b', 'cde') }}", "{{ '%+d % d %05d %-5d|' % (1, 2, -3, 4) }}", "{{ '%e %E %g %G' % (12345.678, 0.00012, 1e10, 1e-10) }}", "{{ '%r %s' % ('a', [1]) }}", "{{ '%(a)s %(b)d' % {'a': 1, 'b': 2} }}", "{{ '%c%c' % (65, 'b') }}", "{{ '%*d' % (5, 1) }}",
    "{{ '%s' % (1, 2) }}", "{{ '%s %s' % 1 }}", "{{ '%d' % 'a' }}", "{{ '%s' % [1, 2] }}", "{{ '%#x %#o %X' % (255, 8, 255) }}", "{{ '%d' % 3.9 }} {{ '%s' % none }} {{ '%5.1f%%' % 99.55 }}", "{{ '%q' % 1 }}", "{{ 'a%'  % () }}",
    "{{ '{}!'.format(3) }}{{ '{1}{0}{a:>3}'.format('x', 'y', a=2) }}", "{{ '{:5}|{:<5}|{:^5}|{:>5}|{:*^7}'.format('a', 'b', 'c', 'd', 'e') }}", "{{ '{:d} {:5d} {:<5d}| {:05d} {:+d} {: d}'.format(1, 2, 3, 4, 5, 6) }}", "{{ '{:,} {:_} {:,.2f}'.format(1234567, 1234567, 1234567.891) }}", "{{ '{:x} {:X} {:#x} {:b} {:o} {:c}'.format(255, 255, 255, 5, 8, 65) }}",
    "{{ '{:.2f} {:8.3f} {:e} {:g} {:%} {:.1%}'.format(3.14159, 2.5, 12345.6, 0.0001, 0.25, 0.256) }}", "{{ '{:.3} {:10.4}|'.format('abcdef', 'abcdef') }}", "{{ '{0[a]} {0[b][1]} {1.a}'.format({'a': 1, 'b': [2, 3]}, namespace(a=4)) }}", "{{ '{!r} {!s}'.format('a', 'b') }}", "{{ '{{}} {{{}}}'.format(1) }}", "{{ '{:{}}|{:>{w}}'.format('a', 4, 'b', w=3) }}", "{{ '{}'.format() }}", "{{ '{' .format(1) }}", "{{ '{a}'.format(b=1) }}",
    "{{ '{:d}'.format('a') }}", "{{ '{} {}'.format(none, [1, 'a']) }}", "{{ '{:5}|{:5}|'.format(true, 1.5) }}", "{{ '{:=+6d} {:010.2f} {:08b}'.format(5, -3.14159, 5) }}", "{{ '%s and %s'|format('a', 2) }}", "{{ '%(x)s'|format(x=5) }}", "{{ '{:.0f} {:.0f} {:.3g} {:g}'.format(0.5, 1.5, 1234.5, 1e20) }}",
    # tojson
    "{{ map|tojson }} {{ 'ä\"\\n<\\u2028\\x7f\\x01'|tojson }} {{ [1, none, true, 1.5, 1e16, -0.0]|tojson }} {{ {}|tojson }} {{ []|tojson }}", "{{ {'a': [1, {}], 'b': []}|tojson(indent=2) }}", "{{ 'ä😀\\x7f'|tojson(ensure_ascii=true) }}", "{{ {'b': 1, 'a': {'d': 1, 'c': 2}}|tojson(sort_keys=true) }}", "{{ {'a': 1, 'b': [1, 2]}|tojson(separators=(',', ':')) }}",
    "{{ {'a': 1}|tojson(indent=2, separators=(', ', ' = ')) }}", "{{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }}", "{{ (1, 2)|tojson }}", "{{ missing|tojson }}", "{{ messages|tojson }}", "{{ messages[2].tool_calls|tojson(indent=4) }}", "{{ map|tojson(False, 2) }}", "{{ map|tojson(nope=1) }}", "{{ range(3)|tojson }}", "{{ map|items|tojson }}", "{{ (1e300 * 1e10)|tojson }}",
    # white space
    "a\n{% if true %}\nb\n{% endif %}\nc", "a\n   {% if true %}\nb\n  {% endif %}\nc", "a {% if true %} b {% endif %} c", "a  {{- n -}}  b", "a \n {%- if true -%} \n b \n {%- endif %}\n c", "  {%+ if true %}x{% endif +%}\ny", "{{ n }}\nx\n", "{{ n }}\nx\n\n", "a\n  {# note #}\nb", "a {#- note -#} b", "a\n {#+ note +#}\nb", "{{ n }}\n{{ n }}",
    "a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc\r\n", "a\r{% if true %}\rb\r{% endif %}\rc\r", "x\r\n\r\n{{ 'p\r\nq' }}\r\n", "\t {% if true %}\ta\t{% endif %}\t\n\tb", "a\u00a0\n\u00a0{% if true %}\u00a0b{% endif %}", "\u3000{%- if true %}x{% endif -%}\u3000y", "{% raw %}\n  a\n  {% endraw %}\nb", "{% raw -%}\n  a\n  {%- endraw -%}\nb", "  {% raw %} a {% endraw %}  \n",
    "  {% if true %}  {% if true %}\n  x\n  {% endif %}  {% endif %}\n", "\n\n  {% set a = 1 %}\n\n  {{ a }}\n", "{% if true -%}\n   x   {%- endif %}", "{{- ' a ' -}}", "a\n  {{ n }}\n  b", "{% for i in list %}\n  {{ i }}\n{% endfor %}\nend", "{% for i in list -%}\n  {{ i }}\n{%- endfor %}\nend", "a{# x #}\nb{# y -#}\n  c", "{{ {'a': {'b': 1}}}}", "{{ {'a': {'b': 1}}.a.b }}{{ {} }}", "a\x0b{%- if true %}b{% endif %}",
    "{{ '}}' }}{{ '%}' }}{# '#' #}", "{%if n%}a{%endif%}", "{{n}}{{-n}}{{+n}}", "{{ n }}}", "{ {{ n }} } {%- if 1 %}{% endif %}", "{{ '{{ n }}' }}", "#{ n }#", "a\n    {%- for i in list %}\n    {{- i }}\n    {%- endfor %}\n", "\n{% if true %}\n\n\nx\n\n\n{% endif %}\n\n\ny\n\n",
    # text that is escaped
    "{{ html|e }}", "{{ (html|e)|e }}{{ '<'|e|upper }}", "{{ '<' ~ ('<'|e) }}", "{{ html|e|length }}", "{{ '<'|safe }}{{ ['<'|e] }}", "{{ [1, '<']|join('<') }}",
]
UNSUPPORTED = [
    "{{ ('<'|e) + '<' }}", "{{ ('<'|e).replace('<', '>') }}", "{{ html|striptags }}", "{{ text|wordwrap(5) }}", "{{ 'http://a.b'|urlize }}", "{{ {'a': 1}|xmlattr }}", "{{ list|random }}", "{{ list|map('string') }}", "{{ range(3) }}", "{{ 2 ** 70 }}", "{{ 99999999999999999999 }}", "{{ 'abc'.encode() }}", r"{{ '\N{BULLET}' }}",
    "{{ '%.3d' % 5 }}", "{% for i in list %}{% block b scoped %}{{ i }}{% endblock %}{% endfor %}", "{{ namespace(a=1) }}", "{% autoescape true %}{{ '<' }}{% endautoescape %}", "{{ dict }}", "{{ '一'.isnumeric() }}", r"{{ '\ud83d'|length }}", "{{ 'a'.translate({}) }}", "{{ ('x' * 90)|pprint }}",
]


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


def refuse(message):
    raise jinja2.exceptions.TemplateError(message)


def environment():
    """As transformers' apply_chat_template has it."""
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"])
    env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    env.globals["raise_exception"] = refuse
    env.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return env


def rendered(env, template):
    try:
        return env.from_string(template).render(**VARIABLES)
    except Exception:  # whatever it is that Jinja refuses
        return None


def printable(result):
    """Without what no one could mean: an object's address, one within a list included."""
    return result is None or (" object at 0x" not in result and "<built-in" not in result and "<function" not in result and "<bound method" not in result and "<Namespace" not in result
                              and "<class" not in result and "range(" not in result)


def unlike(template, result):
    """What we refuse among what is put together from lists: complex numbers, pprint of several lines, tests of what has no text worth it."""
    if result is None:
        return False
    hollow = any(x in template for x in ("range(3)", "map('string')", "namespace()", "dict ", "'a'.upper"))
    return result.endswith("j)") or ("pprint" in template and "\n" in result) or (hollow and (template.endswith("is lower }}") or template.endswith("is upper }}")))


def templates():
    for kind, (inputs, uses) in SEPARATE.items():
        for value in inputs:
            for use in uses:
                if kind in ("text filters", "lists", "mapping filters"):
                    yield f"{{{{ ({value})|{use} }}}}" if value[0] == "-" or "+" in value or "*" in value else f"{{{{ {value}|{use} }}}}"
                elif kind in ("strings", "mappings"):
                    yield f"{{{{ {value}.{use} }}}}"
                else:
                    yield f"{{{{ {value} {use} }}}}"
    yield from TEMPLATES


def main():
    env = environment()
    lines = [json.dumps(VARIABLES, ensure_ascii=False)]
    seen = set()
    for template in templates():
        result = rendered(env, template)
        if template in seen or not printable(result) or unlike(template, result):
            continue
        seen.add(template)
        lines.append(json.dumps(template, ensure_ascii=False) + "\t" + json.dumps(result, ensure_ascii=False))
    for template in UNSUPPORTED:
        lines.append(json.dumps(template, ensure_ascii=False) + "\tfalse")
    pathlib.Path(__file__).with_suffix(".tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(len(lines) - 1, "templates,", jinja2.__version__)


if __name__ == "__main__":
    main()
