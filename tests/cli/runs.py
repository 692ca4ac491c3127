#!/usr/bin/env python3
"""Runs that are stopped, that meet each other, that get odd files, and what they print for programs.

    runs.py GREMIUM_PROGRAM
"""
import json
import math
import os
import shutil
import signal
import struct
import subprocess
import time
import unittest

from program import PROGRAM, RECIPE, Commands, gremium

ODD = 'o"d\\d \u00fc'


def strict(text):
    """JSON as the standard has it."""
    def refuse(word):
        raise ValueError(f"{word} is no JSON")
    return json.loads(text, parse_constant=refuse)


def tensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    return {name: (t["shape"], struct.unpack(f"<{(t['data_offsets'][1] - t['data_offsets'][0]) // 4}f", data[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]]))
            for name, t in header.items() if name != "__metadata__"}


class Runs(Commands):
    def start(self, *arguments):
        # Shells that start programs in the background let them ignore Ctrl-C.
        heard = lambda: [signal.signal(s, signal.SIG_DFL) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        return subprocess.Popen([PROGRAM, *map(str, arguments)], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heard)

    def stop(self, program, when, number):
        """Sends the signal once something is there; the exit code and what was said."""
        end = time.monotonic() + 60
        while not when() and program.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        program.send_signal(number)
        out, err = program.communicate(timeout=60)
        return program.returncode, out.decode(), err.decode()

    def test_whatever_the_command_json_is_json(self):
        folder = self.folder / ODD
        folder.mkdir()
        for name in ("tiny.gguf", "text.txt"):
            shutil.copy(self.folder / name, folder)
        (folder / "recipe.toml").write_text(RECIPE)
        model, text = ("-m", "tiny.gguf"), "text.txt"
        sample = ("--tokens", 512, "--window", 32)
        store = "st'o\"re"
        runs = [
            ("train", "recipe.toml", "--set", "output.dir='r\"u\\n'"),
            ("train", "recipe.toml", "--set", "output.dir='r\"u\\n'", "--set", "train.steps=7", "--resume"),
            ("convert", "tiny.gguf", 'c"d.gguf'), ("convert", "tiny.gguf", "directory"),
            ("inspect", *model), ("tokenize", *model, "The end"), ("tokenize", *model, "--file", text),
            ("run", *model, "-p", "The end", "-n", 2), ("bench", *model, "-p", 8, "-n", 2, "-r", 1),
            ("eval", *model, "--file", text), ("eval", *model, "--file", text, "--count", "llama.cpp", "--window", 64),
            ("eval", *model, "--tokens", "1,2,3"),
            ("trace", *model, "--data", f"text={text}", "-o", "tr", "--tokens", 200), ("trace", "-o", "tr"), ("atlas", "tr", "-o", 'a"t.html'),
            ("experts", "find", *model, "--for", text, "--against", text, *sample, "--quick"),
            ("experts", "apply", *model, "--edit", "reset expert=1.2", "--eval", text, *sample, "-o", 'e"d.gguf'),
            ("experts", "tune", *model, "--text", text, "--experts", "1.2", "--steps", 2, "--window", 32, "-o", 't"u.gguf'),
            ("versions", "init", *model, store),
            ("experts", "apply", "-m", store, "--edit", "reset expert=1.2", "--commit", store, "--message", 'a "message"\\'),
            ("versions", "commit", store, "-m", 't"u.gguf', "--message", "tuned"),
            ("versions", "log", store), ("versions", "diff", store), ("versions", "diff", store, "--eval", text, *sample),
            ("versions", "branch", store), ("versions", "branch", store, "other"), ("versions", "branch", store, "other", "-d"),
            ("versions", "checkout", store, "main~", "-b", "new", "-o", 'w"r.gguf'), ("versions", "export", store, "1.2", "--from", "main", "-o", 'x"p.safetensors'),
            ("versions", "import", store, 'x"p.safetensors'), ("versions", "revert", store), ("versions", "fsck", store), ("versions", "gc", store),
        ]
        for arguments in runs:
            with self.subTest(arguments):
                out = gremium(*arguments, "--json", cwd=folder)
                values = [strict(line) for line in out.splitlines()]
                self.assertGreaterEqual(len(values), 1)
                written = [a for flag, a in zip(arguments, arguments[1:]) if flag in ("-o", "convert")]
                if arguments[0] in ("convert", "atlas") or arguments[:2] == ("versions", "export"):
                    name = written[-1] if arguments[0] != "convert" else arguments[2]
                    self.assertIn(name, json.dumps(values, ensure_ascii=False).replace('\\"', '"'))

    def test_train_is_stopped_by_any_signal_and_goes_on(self):
        recipe = lambda out: ("train", "recipe.toml", "--set", f"output.dir={out}", "--set", "train.checkpoint_every=0", "--set", "train.eval_every=0", "-t", 1)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            out = f"stopped-{number.name}"
            metrics = self.folder / out / "metrics.jsonl"
            program = self.start(*recipe(out), "--set", "train.steps=100000", "--set", "train.log_every=1")
            code, said, _ = self.stop(program, lambda: metrics.exists() and metrics.stat().st_size > 0, number)
            self.assertEqual(code, 128 + number)
            self.assertIn("--resume", said)
            step = max(int(p.name[5:]) for p in (self.folder / out).glob("ckpt-*"))
            more = json.loads(gremium(*recipe(out), "--set", f"train.steps={step + 2}", "--resume", "--json", "-q"))
            self.assertEqual((more["steps"], more["finished"]), (step + 2, True))
        self.assertIn("train.weight_decay", gremium(*recipe(out), "--set", "train.weight_decay=0.2", "--resume", code=1))

    def test_tune_is_stopped_and_goes_on_bit_for_bit(self):
        tune = lambda out, *more: ("experts", "tune", "-m", "tiny.gguf", "--text", "text.txt", "--experts", "1.2,0.1", "--steps", 2000, "--window", 32, "-t", 1, "-o", out, *more)
        for kind in ((), ("--lora", 2, "--no-routers")):
            name = "lora" if kind else "full"
            whole, parts = f"whole-{name}.gguf", f"parts-{name}.gguf"
            program = self.start(*tune(parts, *kind))
            program.stdout.readline()
            time.sleep(0.3)
            code, _, err = self.stop(program, lambda: True, signal.SIGTERM)
            self.assertEqual(code, 128 + signal.SIGTERM, err)
            self.assertIn("--resume", err)
            state = self.folder / f"{parts}.unfinished"
            self.assertTrue(state.exists())
            self.assertFalse((self.folder / parts).exists())
            self.assertIn("--resume goes on", gremium(*tune(parts, *kind), code=1))
            self.assertIn("seed is not what", gremium(*tune(parts, *kind, "--resume", "-s", 7), code=1))
            self.assertTrue(state.exists())
            gremium(*tune(parts, *kind, "--resume"), "-q")
            gremium(*tune(whole, *kind), "-q")
            self.assertEqual((self.folder / parts).read_bytes(), (self.folder / whole).read_bytes())
            self.assertFalse(state.exists())

    def test_find_and_apply_show_what_they_have(self):
        (self.folder / "long.txt").write_text("".join(f"Line {i} tells that {i} and 1 make {i + 1}.\n" for i in range(20000)))
        program = self.start("experts", "apply", "-m", "tiny.gguf", "--edit", "reset expert=0.1", "--edit", "reset expert=0.2", "--eval", "long.txt",
                             "--tokens", 400000, "--window", 32, "-t", 1, "-o", "half.gguf")
        first = program.stdout.readline().decode()  # the other edit is still to be measured
        code, out, err = self.stop(program, lambda: True, signal.SIGINT)
        self.assertEqual(code, 128 + signal.SIGINT, err)
        self.assertIn("reset expert=0.1", first)
        self.assertNotIn("reset expert=0.2", out)
        self.assertFalse((self.folder / "half.gguf").exists())

    def test_files_at_fault_keep_no_others_back(self):
        (self.folder / "empty.txt").write_text("")
        alone = json.loads(gremium("eval", "-m", "tiny.gguf", "--file", "text.txt", "--json"))[0]
        for files in (("empty.txt", "text.txt"), ("text.txt", "none.txt", "empty.txt")):
            result = subprocess.run([PROGRAM, "eval", "-m", "tiny.gguf", "--json", "--file", *files], cwd=self.folder, capture_output=True)
            self.assertEqual(result.returncode, 1)
            rows = {row["file"]: row for row in strict(result.stdout)}
            self.assertEqual(rows["text.txt"], alone)
            for bad in set(files) - {"text.txt"}:
                self.assertIn(bad, rows[bad]["error"])
                self.assertIn(bad, result.stderr.decode())
            self.assertEqual(result.stderr.decode().count("\n"), len(files) - 1)
        gremium("trace", "-m", "tiny.gguf", "-q", "--data", "a=empty.txt", "--data", "b=text.txt", "-o", "half", "--tokens", 100, code=1)
        self.assertEqual([d["name"] for d in json.loads((self.folder / "half/trace.json").read_text())["domains"]], ["b"])
        gremium("atlas", "half", "-o", "half.html")
        gremium("trace", "-m", "tiny.gguf", "-q", "--data", "a=empty.txt", "-o", "nothing", code=1)
        self.assertFalse((self.folder / "nothing").exists())

    def test_counts_as_llama_perplexity(self):
        (self.folder / "windows.txt").write_text("Document 17 tells that 17 and 18 make 35.\nThe end of it.\n" * 12)
        window = 50
        ids = json.loads(gremium("tokenize", "-m", "tiny.gguf", "--json", (self.folder / "windows.txt").read_text()[:-1]))["ids"]
        bos = json.loads((self.folder / "out/ckpt-000006/config.json").read_text())["bos_token_id"]
        nats, count = 0.0, 0
        for begin in range(0, len(ids) - window + 1, window):
            chunk = [bos] + ids[begin + 1:begin + window]
            gremium("eval", "-m", "tiny.gguf", "--tokens", ",".join(map(str, chunk)), "--logprobs", "chunk.json")
            rows = json.loads((self.folder / "chunk.json").read_text())["logprobs"]
            for i in range(window // 2, window - 1):
                nats -= rows[str(i)][chunk[i + 1]]
                count += 1
        self.assertGreater(count, 2 * (window // 2 - 1))
        row = json.loads(gremium("eval", "-m", "tiny.gguf", "--file", "windows.txt", "--count", "llama.cpp", "--window", window, "--json"))[0]
        self.assertEqual(row["tokens"], count)
        self.assertAlmostEqual(row["perplexity"], math.exp(nats / count), places=2)
        self.assertIn("at least 128 expected", gremium("eval", "-m", "tiny.gguf", "--file", "windows.txt", "recipe.toml", "--count", "llama.cpp", "--window", 64, code=1)
                      if len(ids) < 128 else "at least 128 expected")
        gremium("eval", "-m", "tiny.gguf", "--file", "windows.txt", "--count", "llama.cpp", "--stride", 8, "--window", 16, code=1)

    def test_adapters_in_the_layout_of_peft(self):
        tune = ("experts", "tune", "-m", "tiny.gguf", "--text", "text.txt", "--experts", "1.2,0.1", "--steps", 20, "--window", 32, "--lora", 2, "--no-routers", "-q")
        gremium(*tune, "--adapter", "peft", "-o", "tuned.gguf")
        gremium(*tune, "--adapter", "own.safetensors", "-o", "again.gguf")
        config = json.loads((self.folder / "peft/adapter_config.json").read_text())
        self.assertEqual((config["peft_type"], config["r"], config["lora_alpha"]), ("LORA", 2, 16))
        names = tensors(self.folder / "peft/adapter_model.safetensors")
        self.assertIn("base_model.model.model.layers.1.mlp.experts.2.gate_proj.lora_A.weight", names)
        self.assertEqual(len(names), 2 * 3 * 2)
        self.assertEqual(sorted(config["target_modules"]), sorted({n[len("base_model.model."):-len(".lora_A.weight")] for n in names}))
        model = lambda name: (self.folder / name).read_bytes()
        apply = lambda file, out, **code: gremium("experts", "apply", "-m", "tiny.gguf", "--edit", f"adapt file={file}", "-o", out, "-q", **code)
        for file in ("peft", "peft/adapter_model.safetensors", "own.safetensors"):
            apply(file, "adapted.gguf")
            self.assertEqual(model("adapted.gguf"), model("tuned.gguf"), file)

        def refused(fact, **keys):
            (self.folder / "peft/adapter_config.json").write_text(json.dumps({**config, **keys}))
            message = apply("peft", "adapted.gguf", code=1)
            self.assertIn(fact, message)
            self.assertEqual(message.count("\n"), 1)
        for key, value in (("use_dora", True), ("bias", "all"), ("fan_in_fan_out", True), ("modules_to_save", ["lm_head"]), ("init_lora_weights", "pissa"),
                           ("target_parameters", ["mlp.experts.gate_up_proj"]), ("layer_replication", [[0, 2]]), ("lora_bias", True), ("a_key_of_tomorrow", 3)):
            refused(key, **{key: value})
        refused("LOHA", peft_type="LOHA")
        refused("rank 3 expected", r=3)
        refused("lora_alpha", lora_alpha=None)
        refused("regular expression", rank_pattern={".*gate_proj": 2})
        # The same factors at another scale, said in three ways.
        for keys in ({"lora_alpha": 32}, {"use_rslora": True, "lora_alpha": 32 / math.sqrt(2)},
                     {"alpha_pattern": {"gate_proj": 32, "up_proj": 32, "model.layers.0.mlp.experts.1.down_proj": 32, "layers.1.mlp.experts.2.down_proj": 32}}):
            (self.folder / "peft/adapter_config.json").write_text(json.dumps({**config, **keys, "use_dora": False, "megatron_config": None}))
            apply("peft", "scaled.gguf")
            self.assertNotEqual(model("scaled.gguf"), model("tuned.gguf"))
            gremium("convert", "scaled.gguf", "scaled", "-q")
            gremium("convert", "tiny.gguf", "plain", "-q")
            name = "model.layers.1.mlp.experts.2.down_proj"
            (rows, width), before = tensors(self.folder / "plain/model.safetensors")[name + ".weight"]
            after = tensors(self.folder / "scaled/model.safetensors")[name + ".weight"][1]
            (a, b) = (names[f"base_model.model.{name}.lora_{factor}.weight"][1] for factor in "AB")
            for r in range(0, rows, 5):
                for c in range(0, width, 3):
                    change = 16 * sum(b[2 * r + k] * a[width * k + c] for k in range(2))
                    self.assertAlmostEqual(after[width * r + c], before[width * r + c] + change, places=5)

    def test_what_an_adapter_changes_beside_experts_is_named(self):
        gremium("experts", "tune", "-m", "tiny.gguf", "--text", "text.txt", "--experts", "1.2", "--steps", 2, "--window", 32, "--lora", 2, "--no-routers", "--adapter", "other", "-q")
        path = self.folder / "other/adapter_model.safetensors"
        whole = path.read_bytes()
        for old, new, fact in ((b"mlp.experts.2.gate_proj.lora_A", b"mlp.experts.9.gate_proj.lora_A", "experts.9.gate_proj"),
                               (b"experts.2.gate_proj.lora_B", b"experts.2.gate_proj.lora_M", "lora_M")):
            path.write_bytes(whole.replace(old, new))
            self.assertIn(fact, gremium("experts", "apply", "-m", "tiny.gguf", "--edit", "adapt file=other", "-o", "x.gguf", code=1))
        self.assertFalse((self.folder / "x.gguf").exists())

    def test_results_that_could_not_be_written_are_refused_before_the_work(self):
        tune = ("experts", "tune", "-m", "tiny.gguf", "--text", "text.txt", "--experts", "1.2", "--steps", 1000000, "--window", 32, "-q")
        gremium("versions", "init", "-m", "tiny.gguf", "early")
        for more, fact in ((("-o", "no/where/x.gguf"), "x.gguf"), (("-o", "tiny.gguf"), "is never changed"), (("-o", "x.gguf", "--state", "no/where/y"), "where/y"),
                           (("--commit", "early", "--message", "\x1b[31m"), "message"), (("--commit", "early", "--message", " "), "message"),
                           (("--commit", "tiny.gguf", "--message", "x"), "not a store")):
            self.assertIn(fact, gremium(*tune, *more, code=1))


if __name__ == "__main__":
    unittest.main(verbosity=1)
