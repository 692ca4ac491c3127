"""Conversations, as a user types it (commands.py runs this)."""
import json
import os
import pty
import select
import subprocess
import time

import program
from program import Commands, gremium


class ChatCommands(Commands):
    def test_chat_is_run_on_the_rendered_conversation(self):
        first, second = map(json.loads, self.chat("Hi\nAgain\n", "--json").splitlines())
        prompt = "user: Hi\nassistant: "
        for answer in first, second:
            ran = json.loads(gremium("run", "-m", "chatty", "-n", 4, "--temp", 0, "--ignore-eos", "--json", "-p", prompt))
            self.assertEqual(answer["content"], ran["text"])
            self.assertEqual(answer["prompt_tokens"], ran["prompt_tokens"])
            prompt += answer["content"] + "\nuser: Again\nassistant: "
        self.assertEqual(first["evaluated_prompt_tokens"], first["prompt_tokens"])
        self.assertLess(second["evaluated_prompt_tokens"], second["prompt_tokens"] - first["prompt_tokens"] // 2)  # the rest was kept
        self.assertEqual(self.chat("Hi\nAgain\n"), first["content"] + "\n" + second["content"] + "\n")

    def test_chat_says_what_is_missing(self):
        self.assertIn("tiny.gguf: holds no chat template", gremium("chat", "-m", "tiny.gguf", code=1, input=b"Hi\n"))
        long = "word " * 100 + "\n"
        self.make_chatty()
        self.assertIn("more than the context of", gremium("chat", "-m", "chatty", code=1, input=long.encode()))

    def test_chat_takes_several_lines_as_one_message(self):
        one = self.prompt_sizes("a b c\n")
        for text in ("a\\\nb\\\nc\n", '"""\na\nb\nc\n"""\n', '"""a\nb\nc"""\n', "a\\\r\nb\\\r\nc\r\n"):
            sizes = self.prompt_sizes(text)
            self.assertEqual(len(sizes), 1, text)
            self.assertLess(abs(sizes[0] - one[0]), 6, text)
        self.assertEqual([len(self.prompt_sizes(text)) for text in ('"""/help"""\n', "/help/me\n", "/help\n")], [1, 1, 0])

    def test_chat_commands_change_the_conversation(self):
        hi, again = self.prompt_sizes("Hi\nAgain\n")
        self.assertEqual(self.prompt_sizes("Hi\n/undo\nHi\n"), [hi, hi])
        self.assertEqual(self.prompt_sizes("Hi\n/regen\n"), [hi, hi])
        self.assertEqual(self.prompt_sizes("Hi\nAgain\n/clear\nHi\n"), [hi, again, hi])
        self.assertEqual(self.prompt_sizes("No\n/edit Hi\nAgain\n")[1:], [hi, again])
        self.assertGreater(self.prompt_sizes("/system Be kind.\nHi\n")[0], hi)
        self.assertEqual(self.prompt_sizes("/system Be kind.\nHi\n"), self.prompt_sizes("Hi\n", "--system", "Be kind."))
        self.assertEqual(self.prompt_sizes("Hi\n/save talk.json\n/clear\n/load talk.json\nAgain\n"), [hi, again])
        roles = [m["role"] for m in json.loads((self.folder / "talk.json").read_text())["messages"]]
        self.assertEqual(roles, ["user", "assistant"])
        self.make_chatty()
        for line, words in (("/load absent.json", "absent.json"), ("/load text.txt", "text.txt"), ("/fly", "/fly is no command"),
                            ("/regen", "nothing was said"), ("/think maybe", "on or off")):
            self.assertIn(words, gremium("chat", "-m", "chatty", code=1, input=(line + "\n").encode()))
        (self.folder / "odd.json").write_text('[{"role": "wizard", "content": "x"}]')
        self.assertIn('message 1 has the role "wizard"', gremium("chat", "-m", "chatty", code=1, input=b"/load odd.json\n"))

    def test_chat_gives_the_template_what_it_looks_for(self):
        self.make_chatty()
        template = self.folder / "say.jinja"
        template.write_bytes(b"\xef\xbb\xbf{{ 'thinks ' if enable_thinking else '' }}{{ reasoning_effort }}{{ tone }}:{{ messages[-1].content }}")
        size = lambda *flags: self.prompt_sizes("x\n", "--chat-template-file", template, *flags)[0]
        plain = size()
        self.assertEqual(size("--thinking", "off"), plain)
        self.assertGreater(size("--thinking", "on"), plain)
        self.assertEqual(size("--thinking", "on"), size("--chat-template-kwargs", '{"enable_thinking": true}'))
        self.assertEqual(size("--reasoning-effort", "high"), size("--chat-template-kwargs", '{"reasoning_effort": "high"}'))
        self.assertGreater(size("--chat-template-kwargs", '{"tone": "a very kind one"}'), plain)
        for wrong in ("[1]", "{", '{"messages": []}'):
            self.assertIn("--chat-template-kwargs", gremium("chat", "-m", "chatty", "--chat-template-kwargs", wrong, code=1))

    def test_chat_drops_the_oldest_turns_and_says_so(self):
        self.make_chatty()
        lines = b"One, two, three.\n" * 6
        result = subprocess.run([program.PROGRAM, "chat", "-m", "chatty", "-n", "4", "--temp", "0", "--ignore-eos", "--json"], cwd=self.folder,
                                input=lines, capture_output=True, check=True)
        answers = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(answers), 6)
        self.assertTrue(all(a["prompt_tokens"] + 4 <= 64 for a in answers))
        self.assertGreater(answers[-1]["dropped_messages"], 0)
        self.assertIn(b"the context of 64 tokens is full", result.stderr)

    def test_chat_on_a_terminal(self):
        self.make_chatty()
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execv(program.PROGRAM, [program.PROGRAM, "chat", "-m", "chatty", "--temp", "0", "--ignore-eos", "-n", "-1", "-c", "50000"])
        out = b""

        def until(done, seconds=60):
            nonlocal out
            end = time.time() + seconds
            while not done() and time.time() < end:
                if select.select([fd], [], [], 0.05)[0]:
                    try:
                        out += os.read(fd, 65536)
                    except OSError:
                        break
            self.assertTrue(done(), out[-400:])

        until(lambda: b"> " in out)
        os.write(fd, b"\x1b[200~Tell me\rmore\x1b[201~\r")  # pasted: one message
        at = len(out)
        until(lambda: len(out) > at + 200)
        os.write(fd, b"\x03")
        until(lambda: b"(stopped)" in out)
        os.write(fd, b"/history\r")
        until(lambda: b"user: Tell me" in out and b"assistant: " in out)
        os.write(fd, b"unfinished\x03")  # gives the line up
        os.write(fd, b"/undo\r/history\r/regen\r")
        until(lambda: b"nothing was said yet" in out)
        os.write(fd, b"\x04")
        end = time.time() + 20
        status = None
        while status is None and time.time() < end:
            if select.select([fd], [], [], 0.05)[0]:
                try:
                    out += os.read(fd, 65536)
                except OSError:
                    pass
            pid_over, code = os.waitpid(pid, os.WNOHANG)
            status = code if pid_over else None
        os.close(fd)
        self.assertEqual(status, 0)

    def test_a_conversation_is_steered_anew_halfway(self):
        (self.folder / "calm.toml").write_text('mute = ["0.1"]\n')
        lines = self.chat("Hi\n/steer --profile calm.toml --bias 1.2=0.5\nB\n/steer --mute 9.9\nC\n/steer\nD\n", "--json", "-c", 200).splitlines()
        answers = list(map(json.loads, lines))
        self.assertEqual(len(answers), 4)
        self.assertEqual(["steering" in a for a in answers], [False, True, True, False])  # the impossible one changed nothing
        prompt, steering = "", [(), ("--mute", "0.1", "--bias", "1.2=0.5")]
        for text, answer, flags in zip(("Hi", "B", "C", "D"), answers, (0, 1, 1, 0)):
            prompt += f"user: {text}\nassistant: "
            ran = json.loads(gremium("run", "-m", "chatty", "-n", 4, "--temp", 0, "--ignore-eos", "--json", "-c", 200, "-p", prompt, *steering[flags]))
            self.assertEqual(answer["content"], ran["text"])
            prompt += answer["content"] + "\n"
        self.assertEqual(answers[1]["evaluated_prompt_tokens"], answers[1]["prompt_tokens"])  # nothing is kept
        self.assertLess(answers[2]["evaluated_prompt_tokens"], answers[2]["prompt_tokens"])
