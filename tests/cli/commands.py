#!/usr/bin/env python3
"""The commands as a user types them: a tiny model is trained, converted, run and inspected; bad input gets one clear line.

    commands.py GREMIUM_PROGRAM
"""
import json
import os
import pathlib
import pty
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
RECIPE = """
[model]
architecture = "dots1"
name = "tiny"
dim = 32
layers = 2
heads = 2
kv_heads = 1
context = 64
qk_norm = "per_head"
tied_head = false
experts = 4
top_k = 2
expert_hidden = 32
shared_hidden = 32
score = "sigmoid"
correction_bias = true
[tokenizer]
vocab_size = 320
[[data]]
name = "text"
files = ["text.txt"]
heldout_share = 0.2
[train]
steps = 6
sequence = 32
batch_tokens = 128
micro_batch = 2
warmup = 2
eval_every = 3
eval_tokens = 512
checkpoint_every = 3
[output]
dir = "out"
"""


def gremium(*arguments, cwd=None, code=0, **kwargs):
    result = subprocess.run([PROGRAM, *map(str, arguments)], cwd=cwd or Commands.folder, capture_output=True, timeout=120, **kwargs)
    assert result.returncode == code, f"{arguments}: exit {result.returncode}\n{result.stdout.decode()}\n{result.stderr.decode()}"
    return result.stdout.decode(errors="replace") if code == 0 else result.stderr.decode(errors="replace")


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        documents = [f"Document {i} tells that {i} and {i + 1} make {2 * i + 1}.\nThe end of it.\n" * 3 for i in range(300)]
        (cls.folder / "text.txt").write_text("\0".join(documents))
        (cls.folder / "recipe.toml").write_text(RECIPE)
        cls.training = gremium("train", "recipe.toml")
        gremium("convert", "out/ckpt-000006", "tiny.gguf", "-q")

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def test_train_shows_progress_and_writes_everything(self):
        self.assertIn("held-out bits per byte", self.training)
        self.assertIn("step 6", self.training.replace("step      6", "step 6"))
        kinds = {json.loads(line)["kind"] for line in (self.folder / "out/metrics.jsonl").read_text().splitlines()}
        self.assertIn("train", kinds)
        self.assertIn("<svg", (self.folder / "out/report.html").read_text())

    def test_train_prints_the_reference_of_recipes(self):
        reference = gremium("train", "--help-recipe")
        for line in ("[model]", "[[data]]", 'architecture = "dots1"', "sequence = 512", "window = 0"):
            self.assertIn(line + "\n", reference)
        self.assertIn('one of "softmax" "softmax_selected" "sigmoid" "sparsemixer"', reference)

    def test_run_prints_the_reference_of_profiles_and_takes_it(self):
        reference = gremium("run", "--help-profile")
        self.assertIn('mute = ["3.17", "4.1"]\n', reference)
        (self.folder / "reference.toml").write_text(reference)
        self.assertIn("there is no", gremium("run", "-m", "tiny.gguf", "-p", "a", "--profile", "reference.toml", code=1))

    def test_train_refuses_to_overwrite_and_resumes(self):
        self.assertIn("out", gremium("train", "recipe.toml", code=1))
        text = gremium("train", "recipe.toml", "--resume", "--set", "train.steps=8", "--json", "-q")
        self.assertEqual(json.loads(text.splitlines()[-1])["steps"], 8)

    def test_run_is_deterministic_and_plain(self):
        first = gremium("run", "-m", "tiny.gguf", "-p", "Document 1", "-n", 12, "-s", 3, "--stats")
        again = gremium("run", "-m", "tiny.gguf", "-p", "Document 1", "-n", 12, "-s", 3)
        self.assertTrue(first.startswith("Document 1"))
        self.assertNotIn("\x1b", first)
        self.assertTrue(first.startswith(again.rstrip("\n")))
        self.assertIn("layer 1", first)
        self.assertIn("FLOPs per token", first)

    def test_run_batch_answers_as_run_does(self):
        prompts = ["Document 1", "The end", "", "Document 7 is"]
        (self.folder / "prompts.txt").write_text("\n".join(prompts) + "\n")
        flags = ("-n", 9, "-s", 3, "--ignore-eos")
        out = gremium("run", "-m", "tiny.gguf", "--batch", "prompts.txt", "--sequences", 2, "-q", *flags)
        answers = {a["line"]: a for a in map(json.loads, out.splitlines())}
        self.assertEqual(sorted(answers), [1, 2, 4])
        for line, answer in answers.items():
            alone = json.loads(gremium("run", "-m", "tiny.gguf", "-p", prompts[line - 1], "--json", *flags))
            self.assertEqual((answer["prompt"], answer["tokens"], answer["text"]), (alone["prompt"], alone["tokens"], alone["text"]))
            self.assertEqual(answer["finish"], "length")
        gremium("run", "-m", "tiny.gguf", "--batch", "prompts.txt", "-p", "x", code=2)

    def test_stop_texts_end_answers_everywhere(self):
        flags = ("-m", "tiny.gguf", "-n", 30, "-s", 3, "--ignore-eos")
        prompts = ["Document 1", "The end of"]
        whole = [json.loads(gremium("run", *flags, "-p", prompt, "--json")) for prompt in prompts]
        self.assertEqual([w["finish"] for w in whole], ["length"] * 2)
        # Characters from the middle of an answer, more than a token has.
        text = whole[0]["text"]
        stop = next(text[i:i + 4] for i in range(6, len(text) - 3) if text[i:i + 4].isprintable())
        cut = [w["text"].split(stop)[0] for w in whole]
        stopped = json.loads(gremium("run", *flags, "-p", prompts[0], "--stop", "never there", "--stop", stop, "--json"))
        self.assertEqual((stopped["text"], stopped["finish"]), (cut[0], "stop"))
        self.assertEqual(stopped["tokens"], whole[0]["tokens"][: len(stopped["tokens"])])
        self.assertLess(len(stopped["tokens"]), 30)
        self.assertEqual(gremium("run", *flags, "-p", prompts[0], "--stop", stop), prompts[0] + cut[0] + "\n")
        (self.folder / "stops.txt").write_text("\n".join(prompts) + "\n")
        batch = {a["line"]: a for a in map(json.loads, gremium("run", *flags, "--batch", "stops.txt", "--stop", stop, "-q").splitlines())}
        self.assertEqual([batch[1]["text"], batch[2]["text"]], cut)
        self.assertEqual((batch[1]["tokens"], batch[1]["finish"]), (stopped["tokens"], "stop"))
        gremium("run", *flags, "-p", prompts[0], "--stop", stop, "--audit", "stopped.jsonl")
        self.assertEqual(json.loads(gremium("replay", "stopped.jsonl", "--json"))[0]["tokens"], len(stopped["tokens"]))
        said = json.loads(self.chat("Hi\n", "--json"))
        self.assertEqual(said["finish"], "length")
        stop = next(c for c in said["content"] if c.isprintable() and c != " ")
        again = json.loads(self.chat("Hi\n", "--json", "--stop", stop))
        self.assertEqual((again["content"], again["finish"]), (said["content"].split(stop)[0], "stop"))
        self.assertIn("stop text is empty", gremium("run", *flags, "-p", "x", "--stop", "", code=1))

    def test_every_command_has_help_with_examples(self):
        def commands(*above):
            lines = gremium(*above, "--help").splitlines()
            listed = lines[lines.index("Subcommands:") + 1:] if "Subcommands:" in lines else []
            return [line.split()[0] for line in listed if line.startswith("  ") and line[2] not in " -" and "gremium" not in line.split()[0]]
        top = commands()
        self.assertIn("versions", top)
        self.assertEqual(commands("experts"), ["find", "apply", "tune"])
        self.assertEqual(sorted(commands("versions")), sorted(self.VERBS))
        for command in [(c,) for c in top] + [("experts", c) for c in commands("experts")] + [("versions", c) for c in self.VERBS]:
            with self.subTest(command):
                text = gremium(*command, "--help")
                examples = text[text.index("Example"):].splitlines()[1:]
                self.assertGreaterEqual(len(examples), 1)
                for example in examples:
                    self.assertTrue(example.startswith("  gremium "), example)

    def test_run_json_and_trace(self):
        report = json.loads(gremium("run", "-m", "tiny.gguf", "-p", "The end", "-n", 5, "--ignore-eos", "--json", "--trace", "trace.jsonl"))
        self.assertEqual(len(report["tokens"]), 5)
        events = [json.loads(line) for line in (self.folder / "trace.jsonl").read_text().splitlines()]
        # Every token but the last one made went through both layers.
        self.assertEqual(len(events), 2 * (report["prompt_tokens"] + 4))
        for event in events:
            self.assertEqual(len(event["experts"]), 2)
            self.assertAlmostEqual(sum(event["weights"]), 1, places=5)
            self.assertGreaterEqual(event["margin"], 0)

    def test_bench_profile_accounts_for_all_time(self):
        report = json.loads(gremium("bench", "-m", "tiny.gguf", "-p", 24, "-n", 8, "-r", 1, "-t", 2, "--profile", "--json"))
        for phase, ms in report["profile_ms"].items():
            total, waiting = ms.pop("all"), ms.pop("waiting")
            self.assertAlmostEqual(total * report[phase]["tps"], 1000, delta=1)
            self.assertAlmostEqual(sum(ms.values()), total, delta=1e-6 * total)
            self.assertTrue(0 <= waiting < total, ms)
            for stage, took in ms.items():
                self.assertTrue(took == 0 if stage == "state_space" else took > 0, ms)
        # What shares were divided by is what is reported: with one repetition, exactly.
        work = {p: report["share"][p] * report["limits"][limit] / report[p]["tps"] for p, limit in (("tg", "read_gbs"),)}
        gflops = report["share"]["pp"] * report["limits"]["gemm_gflops"]["f32"] / report["pp"]["tps"]
        facts = json.loads(gremium("inspect", "-m", "tiny.gguf", "--json"))
        self.assertAlmostEqual(gflops * 1e9, facts["flops_per_token"], delta=1)
        self.assertGreater(work["tg"] * 1e9, facts["bytes"]["read_per_token"])
        self.assertNotIn("profile_ms", json.loads(gremium("bench", "-m", "tiny.gguf", "-p", 8, "-n", 0, "-r", 1, "--json")))

    def test_run_threads_change_nothing(self):
        one, two = (gremium("run", "-m", "tiny.gguf", "-p", "Document 7", "-n", 16, "-t", t) for t in (1, 2))
        self.assertEqual(one, two)

    def test_trace_statistics_exports_and_atlas(self):
        (self.folder / "other.txt").write_text("One and two are 3. " * 40)
        data = ("--data", "text=text.txt", "--data", "other=other.txt")
        table = gremium("trace", "-m", "tiny.gguf", *data, "-o", "traces", "--tokens", 150, "--norms", "--jsonl", "--csv")
        self.assertIn("150 tokens of text", table)
        self.assertIn("entropy", table)
        statistics = json.loads((self.folder / "traces/statistics.json").read_text())
        self.assertEqual([d["name"] for d in statistics["domains"]], ["text", "other"])
        for layer in statistics["layers"]:
            for domain in layer["domains"]:
                self.assertEqual(sum(domain["chosen"]), 2 * 150)
        events = [json.loads(line) for line in (self.folder / "traces/text.jsonl").read_text().splitlines()]
        self.assertEqual(len(events), 2 * 150)
        chosen = [sum(e["layer"] == 0 and x in e["experts"] for e in events) for x in range(4)]
        self.assertEqual(chosen, statistics["layers"][0]["domains"][0]["chosen"])
        self.assertEqual(len((self.folder / "traces/text.csv").read_text().splitlines()), 1 + 2 * 2 * 150)
        again = json.loads(gremium("trace", "-o", "traces", "--json"))
        self.assertEqual(again, statistics)
        self.assertIn("traces", gremium("atlas", "traces", "-o", "traces.html"))
        self.assertIn('"name":"tiny"', (self.folder / "traces.html").read_text().replace(" ", ""))

    def test_trace_compares_checkpoints(self):
        gremium("trace", "-m", "out/ckpt-000006", "--data", "text=text.txt", "-o", "late", "--tokens", 100, "--compare", "out/ckpt-000003", "tiny.gguf", "-q")
        early, same = json.loads((self.folder / "late/saturation.json").read_text())
        self.assertEqual(same["saturation"], [1, 1])
        for x in early["saturation"]:
            self.assertTrue(0 < x <= 1)

    def test_explain_sums_to_the_difference(self):
        report = json.loads(gremium("run", "-m", "tiny.gguf", "-p", "Document 1", "-n", 4, "--explain", "--json", "--ignore-eos"))
        self.assertEqual([t["token"] for t in report["explain"]], report["tokens"])
        for token in report["explain"]:
            self.assertEqual(len(token["parts"]), 1 + 2 * (1 + 2 + 1))
            self.assertAlmostEqual(sum(p["value"] for p in token["parts"]) + token["constant"], token["difference"], places=4)
        self.assertIn("rival", gremium("run", "-m", "tiny.gguf", "-p", "Document 1", "-n", 4, "--explain"))

    def test_audit_is_replayed_bit_for_bit(self):
        gremium("run", "-m", "tiny.gguf", "-p", "Document 1", "-p", "The end", "-n", 6, "-s", 5, "--mute", "0.1", "--audit", "audit.jsonl", "--ignore-eos")
        self.assertEqual(json.loads(gremium("replay", "audit.jsonl", "--json", "-t", 1))[1]["tokens"], 6)
        lines = (self.folder / "audit.jsonl").read_text().splitlines()
        line = json.loads(lines[4])
        line["layers"][1]["weights"][1] += 0.125
        (self.folder / "changed.jsonl").write_text("\n".join([*lines[:4], json.dumps(line, separators=(",", ":")), *lines[5:]]) + "\n")
        self.assertIn("line 5: /layers/1/weights/1", gremium("replay", "changed.jsonl", code=1))
        gremium("convert", "tiny.gguf", "rounded.gguf", "--type", "q8_0", "-q")
        self.assertIn("hash", gremium("replay", "audit.jsonl", "-m", "rounded.gguf", code=1))

    def test_inspect(self):
        facts = json.loads(gremium("inspect", "-m", "tiny.gguf", "--json"))
        self.assertEqual(facts["architecture"], "dots1")
        self.assertEqual(facts["moe"]["experts"], 4)
        self.assertLess(facts["parameters"]["active"], facts["parameters"]["total"])
        self.assertIn("top 2 of 4", gremium("inspect", "-m", "tiny.gguf"))

    def test_inspect_predicts_memory(self):
        small, large = (json.loads(gremium("inspect", "-m", "tiny.gguf", "-c", c, "--json"))["memory"] for c in (64, 640))
        self.assertEqual(small["cache"]["keys_values"], 64 * 2 * 2 * (16 + 16) * 4)  # 2 layers, 2 heads of 16 keys and 16 values
        self.assertEqual(large["cache"]["keys_values"], 10 * small["cache"]["keys_values"])
        self.assertAlmostEqual(small["weights_mapped"], (self.folder / "tiny.gguf").stat().st_size, delta=30000)
        self.assertEqual(small["total"], small["weights_mapped"] + small["cache"]["keys_values"] + small["activations"] + small["program"])
        self.assertIn("for 640 tokens of context", gremium("inspect", "-m", "tiny.gguf", "-c", 640))

    def test_contexts_beyond_memory_are_refused(self):
        context = 1 << 30
        need = json.loads(gremium("inspect", "-m", "tiny.gguf", "-c", context, "--json"))["memory"]
        if need["cache"]["keys_values"] < need["available"]:
            self.skipTest("this machine has the memory")
        self.assertIn("the context does not fit", gremium("inspect", "-m", "tiny.gguf", "-c", context))
        self.make_chatty()
        for command in ("run", "-m", "tiny.gguf", "-p", "Document"), ("chat", "-m", "chatty"):
            message = gremium(*command, "-c", context, code=1)
            self.assertIn(f"a context of {context} tokens does not fit into memory", message)
            self.assertEqual(message.count("\n"), 1)

    def test_tokenize_file_and_text(self):
        ids = json.loads(gremium("tokenize", "-m", "tiny.gguf", "Document 1", "--json"))["ids"]
        (self.folder / "t").write_text("Document 1")
        self.assertEqual(json.loads(gremium("tokenize", "-m", "out/ckpt-000006", "--file", "t", "--json"))["ids"], ids)

    def test_tokenize_byte_level_directory(self):
        folder = self.folder / "bpe"
        folder.mkdir(exist_ok=True)
        model = {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "Ġab": 4}, "merges": ["a b", "Ġ ab"]}
        (folder / "tokenizer.json").write_text(json.dumps({
            "added_tokens": [{"id": 5, "content": "<|end|>", "special": True}],
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False}, "model": model}))
        self.assertEqual(json.loads(gremium("tokenize", "-m", "bpe", "ab ab<|end|>", "--json"))["ids"], [3, 4, 5])
        model["type"] = "Phrases"
        (folder / "tokenizer.json").write_text(json.dumps({"model": model}))
        self.assertIn('tokenizer.json: model "Phrases" is not supported; supported: BPE, Unigram, WordPiece', gremium("tokenize", "-m", "bpe", "a", code=1))

    def chat(self, text, *arguments):
        """Answers to the lines of `text`, of a model that has a template."""
        self.make_chatty()
        return gremium("chat", "-m", "chatty", "-n", 4, "--temp", 0, "--ignore-eos", *arguments, input=text.encode())

    def make_chatty(self):
        if not (self.folder / "chatty").exists():
            shutil.copytree(self.folder / "out/ckpt-000006", self.folder / "chatty")
            config = json.loads((self.folder / "chatty/tokenizer_config.json").read_text())
            config["chat_template"] = ("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
                                       "{% if add_generation_prompt %}assistant: {% endif %}")
            (self.folder / "chatty/tokenizer_config.json").write_text(json.dumps(config))

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

    def prompt_sizes(self, text, *arguments):
        return [json.loads(line)["prompt_tokens"] for line in self.chat(text, "--json", "-c", 400, *arguments).splitlines()]

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
        result = subprocess.run([PROGRAM, "chat", "-m", "chatty", "-n", "4", "--temp", "0", "--ignore-eos", "--json"], cwd=self.folder,
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
            os.execv(PROGRAM, [PROGRAM, "chat", "-m", "chatty", "--temp", "0", "--ignore-eos", "-n", "-1", "-c", "50000"])
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

    def test_prompts_come_from_files_and_pipes(self):
        flags = ("run", "-m", "tiny.gguf", "-n", 6, "--temp", 0, "--json")
        tokens = lambda *arguments, **kwargs: json.loads(gremium(*flags, *arguments, **kwargs))["tokens"]
        want = tokens("-p", "Document 1 tells")
        text = "Document 1 tells"
        for i, data in enumerate((text, text + "\n", text + "\r\n", "\ufeff" + text)):
            (self.folder / "p.txt").write_bytes(data.encode())
            self.assertEqual(tokens("-f", "p.txt"), want, repr(data))
        for encoding in ("utf-16", "utf-16-le", "utf-32"):
            (self.folder / "p.txt").write_bytes(text.encode(encoding))
            self.assertEqual(tokens("-f", "p.txt"), want, encoding)
        self.assertEqual(tokens("-f", "-", input=text.encode()), want)
        self.assertEqual(tokens("-f", "/dev/stdin", input=text.encode()), want)
        a, b = socket.socketpair()
        a.sendall(text.encode()), a.close()
        self.assertEqual(tokens("-f", "-", stdin=b), want)
        self.assertEqual(tokens("-e", "-p", "Doc\\x75ment 1 tells"), want)
        self.assertEqual(tokens("-e", "-p", "a\\nb\\q"), tokens("-p", "a\nb\\q"))
        (self.folder / "p.txt").write_bytes(b"a\0b")
        self.assertIn("byte 1 is zero", gremium(*flags, "-f", "p.txt", code=1))
        (self.folder / "lines.txt").write_bytes(b"a\rb\r\ncd\n")
        prompts = [json.loads(line)["prompt"] for line in gremium("run", "-m", "tiny.gguf", "-n", 1, "--batch", "lines.txt").splitlines()]
        self.assertEqual(sorted(prompts), ["a\rb", "cd"])
        # Whatever the encoding and the line ends, a text has the same figures.
        lines = "".join(f"Line {i} of a text.\n" for i in range(40))
        figures = set()
        for data in (lines.encode(), lines.replace("\n", "\r\n").encode(), lines.encode("utf-16"), ("\ufeff" + lines).encode()):
            (self.folder / "t.txt").write_bytes(data)
            report = json.loads(gremium("eval", "-m", "tiny.gguf", "--file", "t.txt", "--json"))[0]
            figures.add((report["bytes"], report["tokens"], report["nats_per_token"]))
        self.assertEqual(len(figures), 1)

    def test_flags_mean_what_llama_cpp_means(self):
        base = ("run", "-m", "tiny.gguf", "-p", "Document", "--ignore-eos", "--json")
        run = lambda *flags: json.loads(gremium(*base, *flags))
        everything = ("--temp", 1, "--top-k", 0, "--top-p", 1, "--min-p", 0)
        runs = [run("-n", 12, "-s", -1, *everything) for _ in range(3)]
        self.assertEqual(len({str(r["tokens"]) for r in runs}), 3)
        self.assertEqual(run("-n", 12, "-s", runs[0]["seed"], *everything)["tokens"], runs[0]["tokens"])
        best = run("-n", 8, "--temp", 0)["tokens"]
        self.assertEqual(run("-n", 8, "--temp", 1, "--top-k", 0, "--min-p", 0, "--top-p", 0)["tokens"], best)
        full = run("-n", -1, "--temp", 0)
        self.assertEqual((full["finish"], full["prompt_tokens"] + len(full["tokens"])), ("context", 65))
        self.assertEqual(run("-n", 8, "-c", 0, "--temp", 0)["tokens"], best)
        self.assertEqual(run("-n", 8, "-s", 3, "--top-k", -1)["tokens"], run("-n", 8, "-s", 3, "--top-k", 0)["tokens"])
        never_again = run("-n", 50, "--temp", 0, "--repeat-penalty", 1000, "--repeat-last-n", -1)["tokens"]
        self.assertEqual(len(set(never_again)), 50)
        for flag, value in (("--temp", "nan"), ("--temp", "1e999"), ("--temp", -1), ("--top-p", 1.5), ("--top-p", "nan"), ("-n", -3),
                            ("-s", -2), ("-s", "2e3"), ("-c", -1), ("--repeat-last-n", -2), ("--repeat-penalty", 0)):
            with self.subTest((flag, value)):
                message = gremium(*base, flag, value, code=2)
                self.assertIn("expected", message)
                self.assertLess(len(message), 300)

    def test_output_that_does_not_arrive_is_an_error(self):
        commands = (("run", "-p", "a", "-n", 2), ("run", "-p", "a", "-n", 2, "--json"), ("tokenize", "the"), ("inspect",),
                    ("eval", "--tokens", "1,2,3"), ("chat",), ("run", "--batch", "one.txt", "-n", 2), ("bench", "-p", 4, "-n", 2, "-r", 1), ("--help",))
        self.make_chatty()
        (self.folder / "one.txt").write_text("a\n")
        for command in commands:
            arguments = [PROGRAM, *map(str, command), *(("-m", "chatty") if len(command) > 1 or command[0] in ("inspect", "chat") else ())]
            with self.subTest(command):
                with open("/dev/full", "wb") as full:
                    result = subprocess.run(arguments, cwd=self.folder, stdout=full, stderr=subprocess.PIPE, input=b"Hi\n")
                self.assertEqual(result.returncode, 1)
                self.assertIn(b"gremium: standard output: cannot write: No space left", result.stderr)
                reading, writing = os.pipe()
                os.close(reading)
                result = subprocess.run(arguments, cwd=self.folder, stdout=writing, stderr=subprocess.PIPE, input=b"Hi\n")
                os.close(writing)
                self.assertEqual(result.returncode, 1)
                self.assertNotIn(b"gremium:", result.stderr)  # quietly
                closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *arguments], cwd=self.folder, stderr=subprocess.PIPE, input=b"Hi\n")
                self.assertEqual(closed.returncode, 1)

    def test_eval_agrees_between_containers_and_chunks(self):
        tokens = ",".join(str(5 + i * 7 % 300) for i in range(40))
        rows = []
        for i, arguments in enumerate([("tiny.gguf",), ("out/ckpt-000006",), ("tiny.gguf", "--chunk", 7), ("tiny.gguf", "--chunk", 1)]):
            gremium("eval", "-m", arguments[0], *arguments[1:], "--tokens", tokens, "--logprobs", f"{i}.json")
            rows.append(json.loads((self.folder / f"{i}.json").read_text())["logprobs"])
        self.assertEqual(rows[0].keys(), {str(i) for i in range(40)})
        for other in rows[1:]:
            worst = max(abs(a - b) for p in rows[0] for a, b in zip(rows[0][p], other[p]))
            self.assertLess(worst, 1e-4)
        report = json.loads(gremium("eval", "-m", "tiny.gguf", "--file", "text.txt", "--json"))[0]
        self.assertGreater(report["bits_per_byte"], 0)

    def test_arithmetic_is_exact_for_measurements_and_running_for_answers(self):
        gremium("convert", "out/ckpt-000006", "eight.gguf", "--type", "q8_0", "-q")
        tokens = ("--tokens", ",".join(str(5 + i * 7 % 300) for i in range(40)))
        def logprobs(*flags):
            gremium("eval", "-m", "eight.gguf", *tokens, "--logprobs", "rows.json", *flags)
            return (self.folder / "rows.json").read_text()
        exact, running = logprobs("--arithmetic", "exact"), logprobs("--arithmetic", "running")
        self.assertEqual(logprobs(), exact)
        self.assertNotEqual(running, exact)
        perplexity = lambda *flags: json.loads(gremium("eval", "-m", "eight.gguf", "--file", "text.txt", "--json", *flags))[0]["perplexity"]
        self.assertEqual(perplexity(), perplexity("--arithmetic", "exact"))
        self.assertNotEqual(perplexity(), perplexity("--arithmetic", "running"))
        def trace(*flags):
            gremium("trace", "-m", "eight.gguf", "--data", "text=text.txt", "-o", "numbers", "--tokens", 200, "--jsonl", "-q", *flags)
            return (self.folder / "numbers/text.jsonl").read_text()
        self.assertEqual(trace(), trace("--arithmetic", "exact"))
        self.assertNotEqual(trace(), trace("--arithmetic", "running"))

        answer = ("run", "-m", "eight.gguf", "-p", "Document 1", "-n", 8, "--ignore-eos")
        def audited(*flags):
            gremium(*answer, "--audit", "audit.jsonl", *flags)
            self.assertIn("equal bit for bit", gremium("replay", "audit.jsonl"))
            return (self.folder / "audit.jsonl").read_text()
        self.assertEqual(audited(), audited("--arithmetic", "running"))
        self.assertNotEqual(audited(), audited("--arithmetic", "exact"))
        def says(*arguments):
            return subprocess.run([PROGRAM, *map(str, arguments)], cwd=self.folder, capture_output=True, timeout=120, check=True).stderr.decode()
        self.assertIn("arithmetic: running", says(*answer, "-v"))
        self.assertIn("arithmetic: exact", says("eval", "-m", "eight.gguf", *tokens, "-q", "-v"))
        self.assertNotIn("arithmetic", says("eval", "-m", "eight.gguf", *tokens, "-q"))
        for command in (answer, ("bench", "-m", "eight.gguf"), ("chat", "-m", "eight.gguf")):
            gremium(*command, "--arithmetic", "fast", code=2)

    def test_eval_ends_documents_at_zero_bytes(self):
        eos = json.loads((self.folder / "out/ckpt-000006/config.json").read_text())["eos_token_id"]
        texts = ["Document 1 tells that", "The end of it."]
        one, two = (json.loads(gremium("tokenize", "-m", "tiny.gguf", text, "--json"))["ids"] for text in texts)
        (self.folder / "documents").write_text("\0".join(texts))
        by_file = json.loads(gremium("eval", "-m", "tiny.gguf", "--file", "documents", "--json"))[0]
        tokens = ",".join(map(str, one + [eos] + two))
        by_tokens = json.loads(gremium("eval", "-m", "tiny.gguf", "--tokens", tokens, "--json"))
        self.assertEqual(by_file["tokens"], len(one) + len(two))  # all but the first
        self.assertAlmostEqual(by_file["nats_per_token"], by_tokens["nats_per_token"], places=4)

    def test_steering_by_flags_and_profiles(self):
        (self.folder / "p.toml").write_text('name = "calm"\nmute = ["0.1"]\n[bias]\n"1.2" = 0.5\n')
        plain = json.loads(gremium("eval", "-m", "tiny.gguf", "--file", "text.txt", "--json"))[0]
        by_file = json.loads(gremium("eval", "-m", "tiny.gguf", "--file", "text.txt", "--json", "--profile", "p.toml"))[0]
        by_flags = json.loads(gremium("eval", "-m", "tiny.gguf", "--file", "text.txt", "--json", "--mute", "0.1", "--bias", "1.2=+0.5"))[0]
        self.assertNotIn("steering", plain)
        self.assertEqual(by_file["steering"]["name"], "calm")
        self.assertEqual(by_file["steering"]["hash"], by_flags["steering"]["hash"])
        self.assertEqual(by_file["nats_per_token"], by_flags["nats_per_token"])
        self.assertNotEqual(by_file["nats_per_token"], plain["nats_per_token"])
        gremium("run", "-m", "tiny.gguf", "-p", "The end", "-n", 4, "--num-experts", "3:90%", "--force", "1.0", "--trace", "steered.jsonl")
        events = [json.loads(line) for line in (self.folder / "steered.jsonl").read_text().splitlines()]
        self.assertTrue(all(e["experts"][0] == 0 for e in events if e["layer"] == 1))
        self.assertTrue(all(1 <= len(e["experts"]) <= 3 for e in events))
        answer = json.loads(self.chat("Hi\n", "--json", "--mute", "0.1", "--bias", "1.2=0.5").splitlines()[0])
        self.assertEqual(answer["steering"]["hash"], by_file["steering"]["hash"])

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

    def test_traces_under_steering(self):
        data = ("--data", "text=text.txt", "--tokens", 100, "-m", "tiny.gguf", "--jsonl")
        gremium("trace", *data, "-o", "steered", "--mute", "0.1", "--force", "1.0")
        events = [json.loads(line) for line in (self.folder / "steered/text.jsonl").read_text().splitlines()]
        self.assertTrue(all(1 not in e["experts"] for e in events if e["layer"] == 0))
        self.assertTrue(all(0 in e["experts"] for e in events if e["layer"] == 1))
        self.assertRegex(json.loads((self.folder / "steered/trace.json").read_text())["model"], r"^tiny, steered \([0-9a-f]{12}\)$")

    def test_impossible_steering_is_refused_with_the_layers_facts(self):
        for flags, fact in ((("--mute", "0.4"), "layer 0 has 4 experts (0 to 3), of which a token uses 2"),
                            (("--mute", "2.0"), "layers 0 to 1"), (("--mute", "0.0,0.1,0.2"), "3 are muted"),
                            (("--force", "1.0,1.1,1.2"), "3 experts of layer 1 are forced"),
                            (("--mute", "1.0", "--force", "1.0"), "forced and taken away"), (("--bias", "1.0"), "LAYER.EXPERT=NUMBER"),
                            (("--num-experts", "5"), "must use 5"), (("--profile", "absent.toml"), "absent.toml")):
            message = gremium("run", "-m", "tiny.gguf", "-p", "x", *flags, code=1)
            self.assertIn(fact, message)
            self.assertEqual(message.count("\n"), 1, message)

    def test_experts_are_found_and_taken_away(self):
        (self.folder / "letters").write_text("\0".join("zyx wvu tsr qpo nml kji hgf edc ba " * 3 + str(i) for i in range(100)))
        arguments = ("experts", "find", "-m", "tiny.gguf", "--for", "letters", "--against", "text.txt", "--window", 32, "--tokens", 1024)
        report = json.loads(gremium(*arguments, "--percent", 13, "--draws", 20, "--json", "-o", "found.toml"))
        self.assertEqual(len(report["experts"]), 8)
        self.assertEqual(len(report["found"]), 1)
        self.assertEqual(len(report["check"]["random_muted"]), 20)
        self.assertIn(report["found"][0], (self.folder / "found.toml").read_text())
        gremium("eval", "-m", "tiny.gguf", "--file", "letters", "--profile", "found.toml")
        self.assertIn("times what it loses by chance", gremium(*arguments, "--percent", 13, "--quick"))
        (self.folder / "few.txt").write_text("Document 1 tells that 1 and 2 make 3.\n")
        self.assertIn("too few", gremium("experts", "find", "-m", "tiny.gguf", "--for", "few.txt", "--against", "text.txt", code=1))

    def test_edits_are_measured_and_written(self):
        before = (self.folder / "tiny.gguf").read_bytes()
        (self.folder / "edits.toml").write_text('[[edit]]\ndo = "prune"\nshare = "25%"\nby = "frequency"\n')
        arguments = ("experts", "apply", "-m", "tiny.gguf", "--recipe", "edits.toml", "--edit", "shrink-k k=1",
                     "--calibrate", "text.txt", "--eval", "text=text.txt", "--tokens", 1024, "--window", 32)
        report = json.loads(gremium(*arguments, "--json", "-o", "pruned.gguf"))
        self.assertEqual([e["edit"] for e in report], ["prune by=frequency share=25%", "shrink-k k=1"])
        self.assertEqual(report[0]["texts"]["text"]["before"]["kl"], 0)
        self.assertGreater(report[0]["texts"]["text"]["after"]["kl"], 0)
        self.assertEqual(report[1]["texts"]["text"]["before"], report[0]["texts"]["text"]["after"])
        self.assertEqual(json.loads(gremium("inspect", "-m", "pruned.gguf", "--json"))["moe"]["experts"], 3)
        self.assertIn("top 1 of 3", gremium("inspect", "-m", "pruned.gguf"))
        self.assertIn("nats/token", gremium(*arguments, "-o", "pruned-hf"))
        self.assertEqual(gremium("run", "-m", "pruned-hf", "-p", "The end", "-n", 8), gremium("run", "-m", "pruned.gguf", "-p", "The end", "-n", 8))
        tuned = json.loads(gremium("experts", "tune", "-m", "tiny.gguf", "--text", "text.txt", "--replay", "recipe.toml", "--percent", 25, "--routers",
                                   "--steps", 3, "--window", 32, "--eval", "text=text.txt", "--tokens", 1024, "--json", "-o", "tuned.gguf"))
        self.assertEqual(len(tuned["changed"]), 2 * (3 + 1))
        self.assertLess(tuned["texts"]["text"]["after"]["loss"], tuned["texts"]["text"]["before"]["loss"])
        tune = ("experts", "tune", "-m", "tiny.gguf", "--text", "text.txt", "--steps", 3, "--window", 32, "--json")
        low = json.loads(gremium(*tune, "--experts", "1.0,1.2", "--lora", 2, "--adapter", "delta.safetensors", "-o", "low.gguf"))
        self.assertLessEqual(set(low["changed"]), set(low["trained"]))
        self.assertEqual(len(low["trained"]), 6)
        gremium("experts", "apply", "-m", "tiny.gguf", "--edit", "adapt file=delta.safetensors", "-o", "adapted.gguf", "-q")
        texts = [json.loads(gremium("run", "-m", m, "-p", "The end", "-n", 8, "--json"))["text"] for m in ("low.gguf", "adapted.gguf")]
        self.assertEqual(*texts)
        grown = json.loads(gremium(*tune, "--replay", "recipe.toml", "--grow", 5, "--routers", "-o", "grown.gguf"))
        self.assertEqual(len(grown["trained"]), 2 * (3 + 1))
        self.assertEqual(json.loads(gremium("inspect", "-m", "grown.gguf", "--json"))["moe"]["experts"], 5)
        self.assertIn("blk.1: ffn_gate_inp.weight of experts 0 2", gremium(*tune[:-1], "--experts", "1.0,1.2"))
        self.assertNotIn("ffn_gate_inp", gremium(*tune[:-1], "--experts", "1.0,1.2", "--no-routers"))
        self.assertIn("--everything expected", gremium("experts", "tune", "-m", "tiny.gguf", "--text", "text.txt", code=1))
        self.assertEqual((self.folder / "tiny.gguf").read_bytes(), before)
        for wrong, fact in ((("--edit", "prune share=25%"), "--calibrate"), (("--edit", "prune"), "needs share"),
                            (("--edit", "fly high=1"), "is not an edit"), ((), "--edit or --recipe"),
                            (("--edit", "shrink-k k=1", "-o", "tiny.gguf"), "never changed")):
            self.assertIn(fact, gremium("experts", "apply", "-m", "tiny.gguf", *wrong, code=1))

    VERBS = ("init", "commit", "log", "diff", "branch", "checkout", "revert", "export", "import", "fsck", "gc")

    # As it was spelt before there was `gremium versions`.
    def test_version_verbs_are_still_known_below_experts(self):
        for verb in self.VERBS:
            with self.subTest(verb):
                new, old = (gremium(command, verb, "--help").replace(f"gremium {command} {verb} [", "[") for command in ("versions", "experts"))
                self.assertEqual(new, old)
        gremium("experts", "init", "-m", "tiny.gguf", "old-store")
        gremium("experts", "apply", "-m", "old-store", "--edit", "reset expert=0.3", "--commit", "old-store", "--message", "Without 0.3")
        self.assertEqual(gremium("experts", "log", "old-store", "--json"), gremium("versions", "log", "old-store", "--json"))
        self.assertEqual(gremium("experts", "diff", "old-store", "--json"), gremium("versions", "diff", "old-store", "--json"))
        gremium("experts", "fly", code=2)

    def test_versions_are_committed_compared_and_opened(self):
        def versions(verb, *arguments, **kwargs):
            return gremium("versions" if verb in self.VERBS else "experts", verb, *arguments, **kwargs)

        base = (self.folder / "tiny.gguf").read_bytes()
        self.assertIn("on main is that model", versions("init", "-m", "tiny.gguf", "store"))
        message = ("--message", "Without 1.2")
        said = versions("apply", "-m", "store", "--edit", "reset expert=1.2", "--commit", "store", *message, "-o", "edited.gguf")
        self.assertIn("weights of 1 experts: 1.2", said)
        log = json.loads(versions("log", "store", "--json"))
        self.assertEqual([v["message"] for v in log][:1], ["Without 1.2"])
        self.assertEqual(log[0]["by"], ["experts apply reset expert=1.2"])
        self.assertEqual(log[0]["parent"], log[1]["version"])
        self.assertIn("HEAD -> main", versions("log", "store", "-n", 1))
        self.assertIn("has checked out", versions("apply", "-m", "tiny.gguf", "--edit", "reset expert=1.1", "--commit", "store", *message, code=1))

        tokens = ("--tokens", "1,70,71,72", "--logprobs")
        for model, out in (("store", "a.json"), ("edited.gguf", "b.json"), ("store@main~", "c.json"), ("tiny.gguf", "d.json")):
            gremium("eval", "-m", model, *tokens, out)
        a, b, c, d = (json.loads((self.folder / f"{x}.json").read_text())["logprobs"] for x in "abcd")
        self.assertEqual(a, b)
        self.assertEqual(c, d)
        self.assertNotEqual(a, c)

        diff = json.loads(versions("diff", "store", "--json", "--eval", "text.txt", "--tokens", 512, "--window", 32))
        self.assertEqual([e["expert"] for e in diff["difference"]["experts"]], ["1.2"])
        self.assertNotEqual(*(diff["texts"]["text.txt"][x]["loss"] for x in ("before", "after")))
        self.assertRegex(versions("diff", "store"), r"1\.2 +[0-9.]+ %")
        versions("checkout", "store", "main", "-o", "out.gguf")
        self.assertEqual((self.folder / "out.gguf").read_bytes(), (self.folder / "edited.gguf").read_bytes())
        versions("checkout", "store", "main~", "-b", "try")
        self.assertRegex(versions("branch", "store"), r"  main .*\n\* try ")
        self.assertIn("nothing differs", versions("commit", "store", "-m", "tiny.gguf", "--message", "x", code=1))
        versions("export", "store", "1.2", "--from", "main", "-o", "expert.safetensors")
        self.assertIn("1 experts: 1.2", versions("import", "store", "expert.safetensors"))
        self.assertEqual(json.loads(versions("diff", "store", "main", "try", "--json"))["difference"], {"layers": [], "experts": [], "tensors": []})
        versions("revert", "store", "HEAD")
        self.assertIn('Revert "Without 1.2"', versions("log", "store", "-n", 1))
        self.assertIn("; 0 files unused", versions("fsck", "store"))
        versions("checkout", "store", "main")
        versions("branch", "store", "try", "-d")
        self.assertIn("2 versions, 0 files of weights", versions("gc", "store"))
        self.assertEqual((self.folder / "tiny.gguf").read_bytes(), base)
        gremium("convert", "store@main", "half.gguf", "--type", "q8_0")
        self.assertEqual(*(gremium("tokenize", "-m", model, "--json", "The end") for model in ("store", "tiny.gguf")))
        for wrong, fact in ((("log", "tiny.gguf"), "not a store of versions"), (("log", "store", "nobody"), "no branch or version"),
                            (("checkout", "store", "main", "-o", "tiny.gguf"), "is never changed"), (("branch", "store", "../x"), "cannot name"),
                            (("import", "store", "tiny.gguf"), "tiny.gguf"), (("init", "-m", "tiny.gguf", "store"), "exists already")):
            message = versions(*wrong, code=1)
            self.assertIn(fact, message)
            self.assertEqual(message.count("\n"), 1)
        victim = sorted((self.folder / "store/objects").iterdir())[0]
        victim.write_bytes(victim.read_bytes()[:-1] + b"?")
        self.assertIn("1 problems", versions("fsck", "store", code=1))

    def test_quantised_model_runs(self):
        gremium("convert", "tiny.gguf", "q8.gguf", "--type", "q8_0")
        self.assertIn("Document", gremium("run", "-m", "q8.gguf", "-p", "Document", "-n", 4))
        self.assertLess((self.folder / "q8.gguf").stat().st_size, (self.folder / "tiny.gguf").stat().st_size)

    def test_recipes_and_overrides(self):
        text = gremium("convert", "tiny.gguf", "q4.gguf", "--type", "q4_0", "--type-for", "ffn_.*_exps=mxfp4", "--type-for", "ffn=q8_0")
        self.assertIn("Q4_0", text)
        self.assertIn("bits a weight", text)
        self.assertNotIn("\x1b", text)  # progress is for terminals
        self.assertIn("Document", gremium("run", "-m", "q4.gguf", "-p", "Document", "-n", 4))
        gremium("convert", "tiny.gguf", "pure.gguf", "--type", "Q4_0", "--pure", "-q")
        sizes = [(self.folder / name).stat().st_size for name in ("pure.gguf", "q4.gguf", "tiny.gguf")]
        self.assertEqual(sizes, sorted(sizes))

    def test_types_by_the_names_of_llama_quantize(self):
        def size(*flags):
            gremium("convert", "tiny.gguf", "typed.gguf", "--type", "q4_0", "--pure", "-q", *flags)
            return (self.folder / "typed.gguf").stat().st_size
        plain = size()
        for flags in (("--output-tensor-type", "F16"), ("--token-embedding-type", "q8_0"), ("--leave-output-tensor",),
                      ("--tensor-type", "ffn_down=Q8_0")):
            self.assertGreater(size(*flags), plain, flags)
        self.assertIn("no element type", gremium("convert", "tiny.gguf", "x.gguf", "--output-tensor-type", "q77", code=1))
        gremium("convert", "tiny.gguf", "upper.gguf", "--type", "BF16", "-q")

    def test_sampling_defaults_come_from_the_model(self):
        gremium("convert", "tiny.gguf", "first", "-q")
        path = self.folder / "first" / "generation_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"do_sample": True, "temperature": 1.0, "top_k": 1}))
        gremium("convert", "first", "first.gguf", "-q")
        gremium("convert", "first.gguf", "back", "-q")
        self.assertEqual(json.loads((self.folder / "back" / "generation_config.json").read_text())["top_k"], 1)
        prompt = ("-p", "Document", "-n", 12)
        likeliest = gremium("run", "-m", "tiny.gguf", *prompt, "--temp", 0)
        for model in ("first", "first.gguf"):
            for seed in (1, 2, 3):
                self.assertEqual(gremium("run", "-m", model, *prompt, "-s", seed), likeliest)
            self.assertNotEqual(gremium("run", "-m", model, *prompt, "--temp", 5, "--top-k", 300, "-s", 1), likeliest)

    def test_keys_that_are_not_understood_are_named(self):
        gremium("convert", "tiny.gguf", "named", "-q")
        path = self.folder / "named" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"key_of_the_future": 1}))
        for command in (("run", "-m", "named", "-p", "a", "-n", "1"), ("eval", "-m", "named", "--tokens", "1,2"),
                        ("convert", "named", "x.gguf", "-q")):
            result = subprocess.run([PROGRAM, *command], cwd=self.folder, capture_output=True, timeout=120, check=True)
            self.assertIn(b"warning: named/config.json: key_of_the_future is not understood", result.stderr)

    def test_importance_is_collected_and_used(self):
        def run(*arguments):
            result = subprocess.run([PROGRAM, *arguments], cwd=self.folder, capture_output=True, timeout=120, check=True)
            return result.stderr.decode()
        (self.folder / "short.txt").write_text("Document 1 tells that")
        warning = run("eval", "-m", "tiny.gguf", "--file", "short.txt", "--importance", "short.gguf", "-q")
        self.assertRegex(warning, r"^warning: short.gguf: 8 experts met fewer than 64 tokens, more text helps: layer \d expert \d \(\d\), ")
        self.assertEqual(run("convert", "tiny.gguf", "x.gguf", "--type", "q4_0", "--importance", "short.gguf", "-q"), warning)
        (self.folder / "x.gguf").unlink()

        self.assertEqual(run("eval", "-m", "tiny.gguf", "--file", "text.txt", "--importance", "importance.gguf", "-q"), "")
        for name, more in (("plain.gguf", ()), ("weighed.gguf", ("--importance", "importance.gguf"))):
            gremium("convert", "tiny.gguf", name, "--type", "q4_0", "--pure", "-q", *more)
        plain, weighed = ((self.folder / name).read_bytes() for name in ("plain.gguf", "weighed.gguf"))
        self.assertIn(b"quantize.imatrix.file", weighed)  # the keys that say so are all that is longer
        self.assertTrue(0 < len(weighed) - len(plain) < 512)
        self.assertNotEqual(plain[-len(plain) // 2:], weighed[-len(plain) // 2:])
        for name, flags in (("imatrix.gguf", ("--imatrix", "importance.gguf")),
                            ("none.gguf", ("--imatrix", "importance.gguf", "--include-weights", "no_such")),
                            ("all.gguf", ("--imatrix", "importance.gguf", "--exclude-weights", "no_such"))):
            gremium("convert", "tiny.gguf", name, "--type", "q4_0", "--pure", "-q", *flags)
            same = weighed if name != "none.gguf" else plain
            self.assertEqual((self.folder / name).read_bytes()[-len(plain) // 2:], same[-len(plain) // 2:], name)
        self.assertEqual(run("eval", "-m", "tiny.gguf", "--file", "text.txt", "--importance", "importance.dat", "-q"), "")
        gremium("convert", "tiny.gguf", "old.gguf", "--type", "q4_0", "--pure", "-q", "--importance", "importance.dat")
        gremium("eval", "-m", "old.gguf", "--tokens", "1,2,3")
        self.assertIn("no importance matrix", gremium("convert", "tiny.gguf", "x.gguf", "--type", "q4_0", "--importance", "tiny.gguf", code=1))
        self.assertIn("--importance FILE", gremium("convert", "tiny.gguf", "x.gguf", "--type", "q2_k_s", code=1))
        gremium("convert", "tiny.gguf", "small.gguf", "--type", "q2_k_s", "--importance", "importance.gguf", "-q")
        self.assertIn("Document", gremium("run", "-m", "small.gguf", "-p", "Document", "-n", 2))

    def test_bad_input_is_one_line_and_exit_1(self):
        whole = (self.folder / "tiny.gguf").read_bytes()
        (self.folder / "cut.gguf").write_bytes(whole[: len(whole) // 2])
        (self.folder / "junk.gguf").write_bytes(b"not a model" * 100)
        (self.folder / "empty").write_text("")
        cases = {
            "no such file": ("run", "-m", "absent.gguf", "-p", "x"),
            "truncated": ("run", "-m", "cut.gguf", "-p", "x"),
            "junk": ("inspect", "-m", "junk.gguf"),
            "empty prompt": ("run", "-m", "tiny.gguf", "-p", ""),
            "prompt beyond the context": ("run", "-m", "tiny.gguf", "-p", "Document 17 " * 100, "-n", 1),
            "token out of range": ("eval", "-m", "tiny.gguf", "--tokens", "1,99999"),
            "not tokens": ("eval", "-m", "tiny.gguf", "--tokens", "1,x"),
            "empty file": ("eval", "-m", "tiny.gguf", "--file", "empty"),
            "unknown type": ("convert", "tiny.gguf", "x.gguf", "--type", "q77"),
            "override without a type": ("convert", "tiny.gguf", "x.gguf", "--type", "q4_k_m", "--type-for", "ffn"),
            "blocks in safetensors": ("convert", "tiny.gguf", "x", "--type", "q4_0"),
            "unwritable": ("convert", "tiny.gguf", "no/where/x.gguf"),
            "no recipe": ("train", "none.toml"),
            "unknown key": ("train", "recipe.toml", "--set", "train.stepps=3", "--set", "output.dir=out2"),
            "no traces": ("trace", "-o", "nowhere"),
            "trace without a name": ("trace", "-m", "tiny.gguf", "--data", "text.txt", "-o", "refused"),
            "trace outside its directory": ("trace", "-m", "tiny.gguf", "--data", "../x=text.txt", "-o", "refused"),
            "trace of no file": ("trace", "-m", "tiny.gguf", "--data", "x=none.txt", "-o", "refused"),
            "window beyond the context": ("trace", "-m", "tiny.gguf", "--data", "x=text.txt", "-o", "refused", "--window", 65),
            "no atlas of a model": ("atlas", "tiny.gguf", "-o", "x.html"),
            "no record": ("replay", "text.txt"),
            "the second prompt beyond the context": ("run", "-m", "tiny.gguf", "-p", "a", "-p", "Document 17 " * 100, "-n", 1),
            "a trace that cannot be written": ("run", "-m", "tiny.gguf", "-p", "a", "--trace", "no/where"),
            "unknown kernels": ("inspect", "-m", "tiny.gguf", "--kernels", "sse9"),
        }
        for name, arguments in cases.items():
            with self.subTest(name):
                result = subprocess.run([PROGRAM, *map(str, arguments)], cwd=self.folder, capture_output=True)
                message = result.stderr.decode()
                self.assertEqual(result.returncode, 1)
                if arguments[0] == "run":
                    self.assertEqual(result.stdout, b"")
                self.assertEqual(message.count("\n"), 1, message)
                self.assertTrue(message.startswith("gremium: "), message)
        self.assertFalse((self.folder / "x.gguf").exists())

    def test_wrong_usage_is_exit_2(self):
        for arguments in ((), ("fly",), ("run",), ("run", "-p", "x", "--temp", "-1"), ("eval",), ("bench", "--shape", "1"),
                          ("bench", "--train", "--profile")):
            with self.subTest(arguments):
                gremium(*arguments, code=2)


if __name__ == "__main__":
    unittest.main(verbosity=1)
