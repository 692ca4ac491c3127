// The template language, by cases whose results follow from Jinja's documentation.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace gremium {
namespace {

using Json = nlohmann::ordered_json;

Json variables() {
    return Json::parse(R"({
        "n": 3, "x": 2.5, "name": "World", "empty": "", "yes": true, "none_": null, "umlaut": "äöü",
        "list": [3, 1, 2], "words": ["b", "A", "c"], "map": {"k": "v", "two": 2},
        "people": [{"name": "Ann", "age": 30, "in": true}, {"name": "Bob", "age": 25}],
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello\n"}]})");
}

std::string render(std::string_view source) { return ChatTemplate(source).render(variables()); }

std::string message_of(std::string_view source) {
    try {
        return "no error: " + render(source);
    } catch (const Error& error) {
        return error.what();
    }
}

struct Case {
    const char *source, *result;
};

class ChatTemplateCases : public testing::TestWithParam<std::vector<Case>> {};

TEST_P(ChatTemplateCases, AsDocumented) {
    for (const auto& [source, result] : GetParam()) {
        try {
            EXPECT_EQ(render(source), result) << source;
        } catch (const Error& error) {
            ADD_FAILURE() << source << ": " << error.what();
        }
    }
}

const std::vector<Case> expressions = {
    {"Hello {{ name }}!", "Hello World!"},
    {"{{ 1 + 2 * 3 }} {{ (1 + 2) * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 }}",
     "7 9 3 -4 2 3.5 8"},
    {"{{ 4 / 2 }} {{ x }} {{ 0.1 + 0.2 }} {{ 1 if false else 5 }}", "2.0 2.5 0.30000000000000004 5"},
    {"{{ 'a' ~ 1 ~ none }} {{ 'ab' * 2 }} {{ 'a' 'b' }} {{ [1] + [2] }}", "a1None abab ab [1, 2]"},
    {"{{ true }} {{ none }} {{ [1, 'a', none, true, 1.0] }} {{ {'a': [1]} }} {{ \"it's\" }}{{ [\"it's\"] }}",
     "True None [1, 'a', None, True, 1.0] {'a': [1]} it's[\"it's\"]"},
    {"{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 1 == 1.0 }} {{ 'a' != 'b' }} {{ [1, 2] == [1, 2] }} {{ 'a' < 'b' }}",
     "True False True True True True"},
    {"{{ 1 in list }} {{ 9 not in list }} {{ 'or' in name }} {{ 'k' in map }} {{ not 1 in list }}",
     "True True True True False"},
    {"{{ '' or 'b' }} {{ 0 and 1 }} {{ 'a' and 'b' }} {{ not '' }}", "b 0 b True"},
    {"{{ 'a' if n > 2 else 'b' }} {{ 'a' if n > 5 }}|", "a |"},
    {"{{ list[0] }} {{ list[-1] }} {{ list[1:] }} {{ list[:-1] }} {{ list[::-1] }} {{ name[1:3] }} {{ "
     "umlaut[1] }} "
     "{{ list[5:] }} {{ umlaut[::-1] }} {{ list[-9:2] }}",
     "3 2 [1, 2] [3, 1] [2, 1, 3] or ö [] üöä [3, 1]"},
    {"{{ map.k }} {{ map['k'] }} {{ map.missing }}| {{ people[1]['name'] }} {{ people.0.name }}", "v v | Bob Ann"},
    {"{{ missing }}|{{ missing is defined }} {{ map.nothing is undefined }} {{ none_ is none }}", "|False True True"},
    {"{{ -n }} {{ +n }} {{ -n|abs }} {{ 10 - 2 - 3 }}", "-3 3 3 5"},
    {"{{ 'a\\nb' }}{{ 'tab\\t' }}{{ '\\'' }}", "a\nbtab\t'"},
    {"{{ (1, 2)|length }}{{ ()|length }}{{ (1,)|length }}{{ (1)|string }}", "2011"},
};

const std::vector<Case> statements = {
    {"{% if n == 3 %}three{% elif n == 4 %}four{% else %}other{% endif %}", "three"},
    {"{% if missing %}a{% elif empty %}b{% else %}c{% endif %}", "c"},
    {"{% for i in list %}{{ loop.index }}:{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}", "1:3, 2:1, 3:2"},
    {"{% for i in list %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.length }};{% endfor %}",
     "03True3;12False3;21False3;"},
    {"{% for i in list %}{{ loop.previtem }}<{{ i }}<{{ loop.nextitem }} {% endfor %}", "<3<1 3<1<2 1<2< "},
    {"{% for i in list %}{{ loop.cycle('a', 'b') }}{% endfor %}", "aba"},
    {"{% for k, v in map.items() %}{{ k }}={{ v }};{% endfor %}{% for k in map %}{{ k }}{% endfor %}",
     "k=v;two=2;ktwo"},
    {"{% for p in people if p.age > 26 %}{{ p.name }}{{ loop.length }}{% endfor %}", "Ann1"},
    {"{% for i in [] %}x{% else %}none{% endfor %}{% for c in 'äb' %}[{{ c }}]{% endfor %}", "none[ä][b]"},
    {"{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ "
     "i }}{% endfor %}",
     "02"},
    {"{% set a = 1 %}{% for i in list %}{% set a = i %}{% endfor %}{{ a }}", "1"},  // a loop has a scope
    {"{% set a = 1 %}{% if true %}{% set a = 2 %}{% endif %}{{ a }}", "2"},         // a condition has none
    {"{% set ns = namespace(a=1) %}{% for i in list %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}", "7"},
    {"{% set a, b = 1, 2 %}{{ b }}{{ a }}{% set text %}<{{ name }}>{% endset %}{{ text }}", "21<World>"},
    {"{% set t | upper %}a{{ n }}{% endset %}{{ t }}{% filter lower | trim %} ABC {% endfilter %}", "A3abc"},
    {"{% macro m(a, b='x') %}[{{ a }}{{ b }}]{% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(b=3, a=4) }}", "[1x][12][43]"},
    {"{% macro m() %}<{{ caller('q') }}>{% endmacro %}{% call(v) m() %}{{ v }}{{ name }}{% endcall %}", "<qWorld>"},
    {"{% macro f(i) %}{% if i > 0 %}{{ i }}{{ f(i - 1) }}{% endif %}{% endmacro %}{{ f(3) }}", "321"},
    {"{% generation %}a{{ n }}{% endgeneration %}{% raw %}{{ n }}{% endraw %}{# no #}", "a3{{ n }}"},
    {"{{ range(3)|list }}{{ range(1, 7, 2)|list }}{{ range(3, 0, -1)|list }}", "[0, 1, 2][1, 3, 5][3, 2, 1]"},
    {"{{ dict(a=1, b=2) }}", "{'a': 1, 'b': 2}"},
};

const std::vector<Case> white_space = {
    {"a\n{% if true %}\nb\n{% endif %}\nc", "a\nb\nc"},       // the line end after a statement goes
    {"a\n   {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc"},  // and the blanks before it
    {"a {% if true %} b {% endif %} c", "a  b  c"},           // not within a line
    {"a  {{- n -}}  b", "a3b"},
    {"a \n {%- if true -%} \n b \n {%- endif %}\n c", "ab c"},
    {"  {%+ if true %}x{% endif +%}\ny", "  x\ny"},
    {"{{ n }}\nx\n", "3\nx"},  // the last line end of the template goes
    {"a\n  {# note #}\nb", "a\nb"},
    {"a {#- note -#} b", "ab"},
    {"{{ n }}\n{{ n }}", "3\n3"},
    {"{{ {'a': {'b': 1}}.a.b }}{{ {'a': {'b': 1}} }}", "1{'a': {'b': 1}}"},
};

const std::vector<Case> filters = {
    {"{{ '  a '|trim }}|{{ name|upper }}{{ name|lower }}{{ 'hELLO wORLD'|title }}{{ 'aBC'|capitalize }}",
     "a|WORLDworldHello WorldAbc"},
    {"{{ list|length }}{{ umlaut|length }}{{ map|length }}{{ list|first }}{{ list|last }}{{ list|sum }}", "332326"},
    {"{{ list|join(', ') }} {{ people|join('+', attribute='name') }} {{ 'abc'|join('-') }}", "3, 1, 2 Ann+Bob a-b-c"},
    {"{{ list|sort }} {{ words|sort|join }} {{ list|sort(reverse=true) }} {{ "
     "people|sort(attribute='age')|map(attribute='name')|list }}",
     "[1, 2, 3] Abc [3, 2, 1] ['Bob', 'Ann']"},
    {"{{ list|max }}{{ list|min }} {{ list|reverse|list }} {{ 'abc'|reverse }} {{ [1, 1, 2]|unique|list }}",
     "31 [2, 1, 3] cba [1, 2]"},
    {"{{ missing|default('d') }} {{ empty|default('d') }}| {{ empty|default('d', true) }} {{ none_|d('x') }}",
     "d | d None"},
    {"{{ people|selectattr('in')|map(attribute='name')|first }} {{ people|selectattr('age', 'lt', "
     "27)|map(attribute='name')|list }} "
     "{{ people|rejectattr('age', 'equalto', 30)|list|length }} {{ list|select('odd')|list }} {{ "
     "list|reject('gt', 1)|list }}",
     "Ann ['Bob'] 1 [3, 1] [1]"},
    {"{{ none_|selectattr('a')|list|length }}{{ none_|map('upper')|list|length }}", "00"},
    {"{{ words|map('upper')|join }} {{ ['a-b']|map('replace', '-', '+')|first }}", "BAC a+b"},
    {"{{ 'aXbXc'|replace('X', '-') }} {{ 'aXbXc'|replace('X', '-', 1) }}", "a-b-c a-bXc"},
    {"{{ '42'|int + 1 }} {{ 'x'|int }} {{ 'x'|int(7) }} {{ 3.9|int }} {{ '1.5'|float }} {{ 42|string ~ '!' "
     "}}",
     "43 0 7 3 1.5 42!"},
    {"{{ 2.567|round(2) }} {{ 2.5|round|int }} {{ 2.1|round(0, 'ceil') }} {{ -3|abs }}", "2.57 2 3.0 3"},
    {"{{ map|tojson }} {{ 'ä\"\n<'|tojson }} {{ [1, none, true, 1.5]|tojson }} {{ {}|tojson }}",
     "{\"k\": \"v\", \"two\": 2} \"ä\\\"\\n<\" [1, null, true, 1.5] {}"},
    {"{{ {'a': [1, {}], 'b': []}|tojson(indent=2) }}", "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}"},
    {"{% for k, v in map|items %}{{ k }}{{ v }}{% endfor %} {{ (map|dictsort)[1][0] }} {{ 'a\nb'|indent(2) "
     "}} {{ '<a>'|e }} {{ '<'|safe }}",
     "kvtwo2 two a\n  b &lt;a&gt; <"},
};

const std::vector<Case> tests_and_methods = {
    {"{{ name is string }} {{ n is number }} {{ n is integer }} {{ x is float }} {{ yes is boolean }} {{ map "
     "is mapping }} "
     "{{ list is iterable }} {{ list is sequence }} {{ name is mapping }} {{ yes is true }} {{ yes is false "
     "}}",
     "True True True True True True True True False True False"},
    {"{{ 4 is even }} {{ 3 is odd }} {{ 9 is divisibleby 3 }} {{ 3 is divisibleby(2) }} {{ 1 is eq 1 }} {{ 2 "
     "is in [1, 2] }} "
     "{{ n is not none and name is defined }}",
     "True True True False True True True"},
    {"{{ '\u3000 a\u00A0\n'|trim }}|{{ none_.attribute }}|", "a||"},
    {"{{ ' a '.strip() }}|{{ 'xax'.strip('x') }} {{ 'xax'.lstrip('x') }} {{ 'xax'.rstrip('x') }}", "a|a ax xa"},
    {"{{ 'a,b,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ ' a  b '.split() }} {{ 'a,b,c'.rsplit(',', "
     "1)[0] }} "
     "{{ 'x</think>y'.split('</think>')[-1] }}",
     "['a', 'b', 'c'] ['a', 'b,c'] ['a', 'b'] a,b y"},
    {"{{ name.startswith('Wo') }} {{ name.endswith(('x', 'ld')) }} {{ name.upper() }} {{ name.lower() }} {{ "
     "'ab'.title() }} "
     "{{ 'a-b'.replace('-', '+') }} {{ name.find('r') }} {{ 'aXbX'.count('X') }} {{ '12'.isdigit() }}",
     "True True WORLD world Ab a+b 2 2 True"},
    {"{{ ', '.join(words) }} {{ 'a\nb'.splitlines() }} {{ 'abc'.removeprefix('a').removesuffix('c') }}",
     "b, A, c ['a', 'b'] b"},
    {"{{ map.get('k') }} {{ map.get('z') }} {{ map.get('z', 1) }} {{ map.keys()|list }} {{ map.values()|list "
     "}} "
     "{{ list.index(2) }} {{ list.count(3) }}",
     "v None 1 ['k', 'two'] ['v', 2] 2 1"},
};

INSTANTIATE_TEST_SUITE_P(Language, ChatTemplateCases,
                         testing::Values(expressions, statements, white_space, filters, tests_and_methods));

TEST(ChatTemplate, AConversation) {
    const char* source =
        "{{ bos_token }}{% for message in messages %}\n"
        "    {%- if loop.first and message['role'] == 'system' %}{% continue %}{% endif %}\n"
        "{{ '<|' + message.role + '|>\\n' + message['content'] | trim + '<|end|>\\n' }}{% endfor %}\n"
        "{%- if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}\n";
    Json given = variables();
    given["bos_token"] = "<s>";
    given["add_generation_prompt"] = true;
    EXPECT_EQ(ChatTemplate(source).render(given),
              "<s><|user|>\nHi<|end|>\n<|assistant|>\nHello<|end|>\n<|assistant|>\n");
}

TEST(ChatTemplate, ErrorsSayWhere) {
    EXPECT_EQ(message_of("a\n{{ raise_exception('roles must alternate') }}"),
              "chat template: line 2: the template refuses this conversation: roles must alternate");
    EXPECT_EQ(message_of("{{ missing.attribute }}"), "chat template: line 1: 'missing' (undefined) has no 'attribute'");
    EXPECT_EQ(message_of("{{ 1 + 'a' }}"), "chat template: line 1: expected an integer, not a string");
    EXPECT_EQ(message_of("{{ 1 // 0 }}"), "chat template: line 1: division by zero");
    EXPECT_EQ(message_of("{{ name.shout() }}"), "chat template: line 1: a string has no method 'shout'");
    EXPECT_TRUE(message_of("{{ n|fancy }}")
                    .starts_with("chat template: line 1: filter 'fancy' is not supported; supported: abs, "));
    EXPECT_TRUE(message_of("{{ n is fancy }}")
                    .starts_with("chat template: line 1: test 'fancy' is not supported; supported: "));
    EXPECT_EQ(message_of("\n\n{% if n %}x"), "chat template: 'endif' is missing");
    EXPECT_EQ(message_of("{% endfor %}"), "chat template: line 1: unexpected 'endfor'");
    EXPECT_EQ(message_of("{{ n"), "chat template: line 1: a tag has no end");
    EXPECT_EQ(message_of("{{ n n }}"), "chat template: line 1: unexpected 'n'");
    EXPECT_EQ(message_of("{{ 'a }}"), "chat template: line 1: a string has no end");
    EXPECT_EQ(message_of("{{ n ? 1 }}"), "chat template: line 1: unexpected '?'");
    EXPECT_EQ(message_of("{# n"), "chat template: line 1: a comment has no end");
    EXPECT_TRUE(message_of("{% include 'x' %}")
                    .starts_with("chat template: line 1: 'include' is not supported; supported: if, "));
    EXPECT_EQ(message_of("{% set map.k = 1 %}"), "chat template: line 1: 'map' is no namespace");
}

TEST(ChatTemplate, HostileTemplatesEnd) {
    const auto ends = [](const std::string& source) {
        const std::string message = message_of(source);
        EXPECT_TRUE(message.starts_with("chat template: ")) << source.substr(0, 80) << ": " << message.substr(0, 200);
    };
    ends("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}");
    ends("{{ range(10 ** 12) }}");
    ends("{{ 'abcdefgh' * 10 ** 10 }}");
    ends(
        "{% set ns = namespace(s='abcdefgh') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor "
        "%}");
    ends("{% set ns = namespace(l=[1]) %}{% for i in range(64) %}{% set ns.l = ns.l + ns.l %}{% endfor %}");
    ends("{% set ns = namespace(l=[]) %}{% for i in range(1000) %}{% set ns.l = [ns.l] %}{% endfor %}");
    ends("{% set ns = namespace() %}{% set ns.me = ns %}");
    ends("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
    ends("{{ " + std::string(100000, '(') + "1");
    ends("{{ " + std::string(100000, '-') + "1 }}");
    std::string deep, sum = "{{ 1";
    for (int i = 0; i < 100000; ++i) deep += "{% if 1 %}", sum += "+1";
    ends(deep);
    ends(sum + " }}");
    ends("{{ 9223372036854775807 + 1 }}");
    ends("{{ 99999999999999999999 }}");
}

// A value that holds another many times over is small until it is written out or compared.
TEST(ChatTemplate, ValuesOfManyRepetitionsEnd) {
    const std::string twice =
        "{% set ns = namespace(l=[1], m=[1]) %}"
        "{% for i in range(50) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}";
    const std::string long_text = "{% set a = 'a' * 4000000 %}{% set b = 'a' * 4000000 %}";
    for (const std::string& source :
         {twice + "{{ ns.l }}", twice + "{{ ns.l | tojson }}", twice + "{{ ns.l == ns.m }}",
          twice + "{{ ns.l < ns.m }}", twice + "{{ {1: 2}[ns.l] }}{{ [ns.l] | unique | list }}{{ {ns.l: 1, ns.m: 2} }}",
          long_text + "{% for i in range(100000) %}{{ 'x' if a == b }}{% endfor %}",
          long_text + "{% for i in range(100000) %}{{ 'x' if a | trim is upper }}{% endfor %}",
          long_text + "{% for i in range(100000) %}{{ 'x' if a.find('b') > 0 or a.islower is none }}{% endfor %}",
          long_text + "{% for i in range(100000) %}{{ 'x' if a.index(a) > 0 or a.isupper() }}{% endfor %}",
          long_text + "{% for i in range(100000) %}{{ '%99999d' % i }}{{ '{:>99999}'.format(i) }}{{ 'x'.center(999999) "
                      "}}{% endfor "
                      "%}",
          long_text + "{{ (a * 4) .rfind('a' * 4000000 ~ 'b') }}", long_text + "{{ b.strip('b' * 100000 ~ 'a') }}"})
        EXPECT_NE(message_of(source).find("the template takes too many steps"), std::string::npos) << source;
    // Copies of a variable cost nothing, and a search does not take the product of both sizes.
    EXPECT_EQ(
        message_of("{% set a = 'a' * 4000000 %}{% for i in range(100000) %}{% if not a %}x{% endif %}{% endfor %}"),
        "no error: ");
    EXPECT_EQ(message_of("{% set a = 'a' * 4000000 %}{{ a.find('a' * 2000000 ~ 'b') }}"), "no error: -1");
}

TEST(ChatTemplate, IntegersDoNotOverflow) {
    EXPECT_NE(message_of("{{ (-9223372036854775807 - 1) | abs }}").find("too large"), std::string::npos);
    EXPECT_NE(message_of("{{ [9223372036854775807, 1] | sum }}").find("too large"), std::string::npos);
    EXPECT_EQ(render("{{ [9007199254740993, 1] | sum }} {{ [1, 0.5] | sum }} {{ -0.5 | abs }} {{ true | abs }}"),
              "9007199254740994 1.5 0.5 1");  // a filter is of the signed number, as in Jinja
    EXPECT_EQ(render("{{ (10.0 ** 308 * 10 - 10.0 ** 308 * 10) | int }}"), "0");
}

}  // namespace
}  // namespace gremium
