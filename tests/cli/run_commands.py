"""Answers, as a user types it (commands.py runs this)."""
import json
import os
import pathlib
import socket
import subprocess

import program
from program import Commands, gremium


DEFAULT = pathlib.Path(__file__).resolve().parents[2] / "models/default.gguf"


class RunCommands(Commands):
    def test_run_prints_the_reference_of_profiles_and_takes_it(self):
        reference = gremium("run", "--help-profile")
        self.assertIn('mute = ["3.17", "4.1"]\n', reference)
        (self.folder / "reference.toml").write_text(reference)
        self.assertIn("there is no", gremium("run", "-m", "tiny.gguf", "-p", "a", "--profile", "reference.toml", code=1))

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

    def test_run_threads_change_nothing(self):
        one, two = (gremium("run", "-m", "tiny.gguf", "-p", "Document 7", "-n", 16, "-t", t) for t in (1, 2))
        self.assertEqual(one, two)

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
            arguments = [program.PROGRAM, *map(str, command), *(("-m", "chatty") if len(command) > 1 or command[0] in ("inspect", "chat") else ())]
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
            return subprocess.run([program.PROGRAM, *map(str, arguments)], cwd=self.folder, capture_output=True, timeout=120, check=True).stderr.decode()
        self.assertIn("arithmetic: running", says(*answer, "-v"))
        self.assertIn("arithmetic: exact", says("eval", "-m", "eight.gguf", *tokens, "-q", "-v"))
        self.assertNotIn("arithmetic", says("eval", "-m", "eight.gguf", *tokens, "-q"))
        for command in (answer, ("bench", "-m", "eight.gguf"), ("chat", "-m", "eight.gguf")):
            gremium(*command, "--arithmetic", "fast", code=2)

    def test_quantised_model_runs(self):
        gremium("convert", "tiny.gguf", "q8.gguf", "--type", "q8_0")
        self.assertIn("Document", gremium("run", "-m", "q8.gguf", "-p", "Document", "-n", 4))
        self.assertLess((self.folder / "q8.gguf").stat().st_size, (self.folder / "tiny.gguf").stat().st_size)

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

    def test_drafts_change_no_answer(self):
        gremium("convert", "tiny.gguf", "again.gguf", "--type", "f32", "-q")
        text = "Document 7 tells that 7 and 8 make 15. Document 7 tells that 7 and"
        for how in (["--temp", 0], ["--temp", 1.5, "--top-k", 0, "--seed", 3]):
            arguments = ["run", "-m", "tiny.gguf", "-p", text, "-n", 40, "--ignore-eos", "--json", *how]
            plain = json.loads(gremium(*arguments))
            for drafts in (["--draft-lookup"], ["--model-draft", "again.gguf", "--draft-max", 3]):
                with self.subTest(how=how, drafts=drafts):
                    drafted = json.loads(gremium(*arguments, *drafts))
                    self.assertEqual(drafted["tokens"], plain["tokens"])
                    steps = drafted["drafts"]
                    self.assertEqual(steps["steps_with_drafts"] + steps["steps_without"] + steps["accepted"], 39)
                    self.assertLessEqual(steps["accepted"], steps["drafted"])
        (self.folder / "drafted.txt").write_text(f"{text}\nThe end of\n{text}\n")
        batch = lambda *drafts: sorted(gremium("run", "-m", "tiny.gguf", "--batch", "drafted.txt", "-n", 20, "--temp", 0, *drafts).splitlines())
        self.assertEqual(batch("--draft-lookup"), batch())
        self.assertIn("drafted tokens were right", gremium("run", "-m", "tiny.gguf", "-p", text, "-n", 8, "--draft-lookup", "--stats"))
        self.assertIn("drafts for tiny.gguf need its vocabulary",
                      gremium("run", "-m", "tiny.gguf", "-p", "x", "--model-draft", DEFAULT, code=1))
