#!/usr/bin/env python3
"""What an earlier program wrote opens with this one: each folder here holds samples that the program of the commit in its name
wrote (write.py), and is opened by each test. Numbers are those of the reference kernels, the same on every machine.

    opens.py GREMIUM_PROGRAM
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
HERE = pathlib.Path(__file__).resolve().parent
MODEL = "run/ckpt-000002"
EXACT = ("--kernels", "reference")


class Opens:
    samples = None

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name) / "samples"
        shutil.copytree(self.samples, self.folder)
        self.expected = json.loads((self.folder / "expected.json").read_text())

    def gremium(self, *arguments):
        done = subprocess.run([PROGRAM, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True, errors="replace", timeout=120)
        self.assertEqual(done.returncode, 0, f"{arguments}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def report(self, *arguments):
        return json.loads(self.gremium(*arguments, "--json"))

    def bytes_of(self, name):
        return (self.folder / name).read_bytes()

    def assert_weights(self, directory, name):
        for file, digest in self.expected[name].items():
            self.assertEqual(hashlib.sha256(self.bytes_of(f"{directory}/{file}")).hexdigest(), digest, f"{directory}/{file}")

    def test_recipe_trains_the_same_model(self):
        self.gremium("train", "recipe.toml", "--set", "output.dir=again", "-q", *EXACT)
        self.assertEqual(self.bytes_of("again/ckpt-000002/model.safetensors"), self.bytes_of(f"{MODEL}/model.safetensors"))
        self.assert_weights("again/ckpt-000004", "resumed")

    def test_run_directory_resumes_bit_for_bit(self):
        self.gremium("train", "recipe.toml", "--resume", "-q", *EXACT)
        self.assert_weights("run/ckpt-000004", "resumed")
        self.assertEqual([p.name for p in sorted((self.folder / "run").glob("ckpt-*"))], ["ckpt-000002", "ckpt-000004"])

    def test_store_tells_its_history_and_gives_out_versions(self):
        self.assertIn("; 0 files unused", self.gremium("experts", "fsck", "store"))
        log = self.report("experts", "log", "store")
        self.assertEqual([v["message"] for v in log][0], "Without 1.2")
        self.assertEqual(log[0]["by"], ["experts apply reset expert=1.2"])
        self.assertEqual(log[0]["parent"], log[1]["version"])
        self.assertEqual([e["expert"] for e in self.report("experts", "diff", "store")["difference"]["experts"]], ["1.2"])
        self.gremium("experts", "checkout", "store", "main~", "-b", "first", "-o", "first")
        self.assertEqual(self.bytes_of("first/model.safetensors"), self.bytes_of(f"{MODEL}/model.safetensors"))
        self.assertIn("1 experts: 1.2", self.gremium("experts", "import", "store", "expert.safetensors"))
        self.gremium("experts", "export", "store", "1.2", "--from", "main", "-o", "again.safetensors")
        self.assertEqual(self.bytes_of("again.safetensors"), self.bytes_of("expert.safetensors"))
        texts = [json.loads(self.gremium("run", "-m", m, "-p", "The end", "-n", 6, "--temp", 0, "--json"))["tokens"] for m in ("store@main", "store")]
        self.assertEqual(*texts)

    def test_trace_gives_its_statistics_and_an_atlas(self):
        self.assertEqual(self.report("trace", "-o", "trace"), json.loads(self.bytes_of("trace/statistics.json")))
        self.gremium("atlas", "trace", "-o", "atlas.html")
        self.assertIn('"name":"sample"', (self.folder / "atlas.html").read_text().replace(" ", ""))

    def test_adapter_makes_the_tuned_model(self):
        self.gremium("experts", "apply", "-m", MODEL, "--edit", "adapt file=adapter.safetensors", "-o", "adapted", "-q", *EXACT)
        self.assert_weights("adapted", "adapted")

    def test_audit_is_replayed(self):
        record = [json.loads(line) for line in self.bytes_of("audit.jsonl").splitlines()]
        replayed = self.report("replay", "audit.jsonl")
        self.assertEqual(replayed[-1]["tokens"], record[-1]["tokens"])

    def test_profile_steers_as_it_did(self):
        record = [json.loads(line) for line in self.bytes_of("audit.jsonl").splitlines()]
        tokens = [line["chose"]["token"] for line in record if "chose" in line]
        now = self.report("run", "-m", MODEL, "-p", "Document 1", "-n", 6, "-s", 5, "--ignore-eos", "--profile", "profile.toml", *EXACT)
        self.assertEqual(now["tokens"], tokens)

    def test_list_of_edits_is_applied(self):
        self.gremium("experts", "apply", "-m", MODEL, "--recipe", "edits.toml", "--calibrate", "text.txt", "--tokens", 512, "--window", 16,
                     "-o", "edited", "-q")
        moe = self.report("inspect", "-m", "edited")["moe"]
        self.assertEqual((moe["experts"], moe["top_k"]), (3, 1))

    def test_importance_weighs_a_conversion(self):
        for name, more in (("plain.gguf", ()), ("weighed.gguf", ("--importance", "importance.gguf"))):
            self.gremium("convert", MODEL, name, "--type", "q4_0", "--pure", "-q", *more)
        plain, weighed = self.bytes_of("plain.gguf"), self.bytes_of("weighed.gguf")
        # As long but for the keys quantize.imatrix.*, which later programs write.
        self.assertIn(b"quantize.imatrix.file", weighed)
        self.assertTrue(0 < len(weighed) - len(plain) < 512)


for samples in sorted(p.parent for p in HERE.glob("*/expected.json")):
    name = f"Of_{samples.name}"
    globals()[name] = type(name, (Opens, unittest.TestCase), {"samples": samples})

if __name__ == "__main__":
    unittest.main(verbosity=1)
