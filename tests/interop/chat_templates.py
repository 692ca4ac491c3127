#!/usr/bin/env python3
"""Real chat templates, rendered by us and by Jinja itself with the settings of transformers' apply_chat_template.

    chat_templates.py TEXT_PROBE FILE …

A FILE is a template (*.jinja) or a tokenizer_config.json. Exit code 77 (skipped) without the jinja2 package or without templates.
"""
import json
import pathlib
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "text/jinja"))
try:
    from cases import environment
except ImportError:
    print("SKIPPED: there is no jinja2")
    sys.exit(77)

TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Tells the \"weather\" <now>",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "Größe", "enum": ["A", "B"]}, "days": {"type": "integer"}},
                       "required": ["city"]}}}
CALL = {"id": "call00001", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Köln", "days": 2}}}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


SYSTEM = {"role": "system", "content": "You are  terse.\n"}
CONVERSATIONS = {
    "one turn": [user("Hello")],
    "system": [SYSTEM, user("Hi\n\nthere ")],
    "three turns": [user(" a "), assistant("b\n"), user("c"), assistant(" d "), user("日本 🦙 <|x|>")],
    "thinking": [SYSTEM, user("q"), assistant("<think>\nhm\n</think>\n\nanswer"), user("more")],
    "reasoning content": [user("q"), assistant("answer", reasoning_content="because"), user("more")],
    "ends with an answer": [user("q"), assistant("answer")],
    "tool": [user("Weather?"), assistant("", tool_calls=[CALL]), {"role": "tool", "name": "get_weather", "tool_call_id": "call00001", "content": "{\"t\": 20}"},
             user("Thanks")],
    "parts": [{"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}],
    "wrong order": [assistant("a"), assistant("b"), user("c")],
    "nobody": [],
    "developer": [{"role": "developer", "content": "Be brief."}, user("q")],
    "only a system": [SYSTEM],
    "content is null": [user("q"), assistant(None, tool_calls=[CALL]), {"role": "tool", "tool_call_id": "call00001", "content": [{"type": "text", "text": "20"}]}],
    "arguments as text": [user("q"), assistant("x", tool_calls=[{**CALL, "function": {"name": "get_weather", "arguments": "{\"city\": \"Köln\"}"}}]), {"role": "tool", "content": "20", "name": "get_weather"},
                          assistant("It is 20.", thinking="hm"), user("Thanks")],
    "two calls": [SYSTEM, user("q"), assistant("", tool_calls=[CALL, {**CALL, "id": "call00002"}]), {"role": "tool", "tool_call_id": "call00001", "content": "1"}, {"role": "tool", "tool_call_id": "call00002", "content": "2"}],
    "an image": [{"role": "user", "content": [{"type": "image"}, {"type": "image_url", "image_url": {"url": "a.png"}}, {"type": "text", "text": "What is this?"}]}],
    "line ends": [user("a\r\nb\r\n"), assistant("\n\n c \n\n"), user("\u00a0d\u3000")],
}


def templates(path):
    """(name, source) of a file's templates."""
    if path.suffix == ".jinja":
        return [(path.stem, path.read_text())]
    given = json.loads(path.read_text()).get("chat_template") or []
    name = path.parent.parent.name
    return [(name, given)] if isinstance(given, str) else [(f"{name} {t['name']}", t["template"]) for t in given]


def main():
    probe, *files = sys.argv[1:]
    cases = []
    for file in map(pathlib.Path, files):
        for name, source in templates(file):
            for conversation, messages in CONVERSATIONS.items():
                for more in ({"add_generation_prompt": True}, {"add_generation_prompt": False, "tools": [TOOL], "enable_thinking": False},
                             {"add_generation_prompt": True, "enable_thinking": True, "reasoning_effort": "high", "date_string": "1 Jan 2026", "documents": [{"title": "T", "text": "x"}]}):
                    variables = {"messages": messages, "bos_token": "<s>", "eos_token": "</s>", **more}
                    cases.append((f"{name}: {conversation}{' with tools' if 'tools' in more else ''}", source, variables))
    if not cases:
        print("SKIPPED: there are no templates")
        return 77
    result = subprocess.run([probe, "render"], input=json.dumps([{"template": s, "variables": v} for _, s, v in cases]), capture_output=True, text=True, check=True)
    different = refused = 0
    for (name, source, variables), ours in zip(cases, json.loads(result.stdout)):
        try:
            expected = environment().from_string(source).render(**variables)
        except Exception as error:  # whatever it is that Jinja refuses, we refuse
            expected, reason = None, error
        if ours.get("text") == expected:
            refused += expected is None
            continue
        different += 1
        if different <= 20:
            print(f"{name}\n  expected {expected!r:.600}\n  ours     {ours!r:.600}" + (f"\n  {reason!r:.200}" if expected is None else ""))
    print(f"{len(cases) - different} of {len(cases)} renderings equal ({refused} refused by both), {len({n.split(':')[0] for n, _, _ in cases})} templates")
    return 1 if different else 0


sys.exit(main())
