"""Looking at models and texts, and converting, as a user types it (commands.py runs this)."""
import json
import subprocess

import program
from program import Commands, gremium


class FileCommands(Commands):
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

    def test_keys_that_are_not_understood_are_named(self):
        gremium("convert", "tiny.gguf", "named", "-q")
        path = self.folder / "named" / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"key_of_the_future": 1}))
        for command in (("run", "-m", "named", "-p", "a", "-n", "1"), ("eval", "-m", "named", "--tokens", "1,2"),
                        ("convert", "named", "x.gguf", "-q")):
            result = subprocess.run([program.PROGRAM, *command], cwd=self.folder, capture_output=True, timeout=120, check=True)
            self.assertIn(b"warning: named/config.json: key_of_the_future is not understood", result.stderr)

    def test_importance_is_collected_and_used(self):
        def run(*arguments):
            result = subprocess.run([program.PROGRAM, *arguments], cwd=self.folder, capture_output=True, timeout=120, check=True)
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
