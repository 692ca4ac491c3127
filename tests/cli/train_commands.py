"""Training and measuring, as a user types it (commands.py runs this)."""
import json

from program import Commands, gremium


class TrainCommands(Commands):
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

    def test_train_refuses_to_overwrite_and_resumes(self):
        self.assertIn("out", gremium("train", "recipe.toml", code=1))
        text = gremium("train", "recipe.toml", "--resume", "--set", "train.steps=8", "--json", "-q")
        self.assertEqual(json.loads(text.splitlines()[-1])["steps"], 8)

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

    def test_recipes_and_overrides(self):
        text = gremium("convert", "tiny.gguf", "q4.gguf", "--type", "q4_0", "--type-for", "ffn_.*_exps=mxfp4", "--type-for", "ffn=q8_0")
        self.assertIn("Q4_0", text)
        self.assertIn("bits a weight", text)
        self.assertNotIn("\x1b", text)  # progress is for terminals
        self.assertIn("Document", gremium("run", "-m", "q4.gguf", "-p", "Document", "-n", 4))
        gremium("convert", "tiny.gguf", "pure.gguf", "--type", "Q4_0", "--pure", "-q")
        sizes = [(self.folder / name).stat().st_size for name in ("pure.gguf", "q4.gguf", "tiny.gguf")]
        self.assertEqual(sizes, sorted(sizes))
