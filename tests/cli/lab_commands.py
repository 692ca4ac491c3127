"""Tracing, steering, editing, versions, as a user types it (commands.py runs this)."""
import json

from program import Commands, gremium


class LabCommands(Commands):
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
