"""What cannot be, as a user types it (commands.py runs this)."""
import subprocess

import program
from program import Commands, gremium


class Mistakes(Commands):
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
            "unknown type": ("convert", "tiny.gguf", "wrong.gguf", "--type", "q77"),
            "override without a type": ("convert", "tiny.gguf", "wrong.gguf", "--type", "q4_k_m", "--type-for", "ffn"),
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
                result = subprocess.run([program.PROGRAM, *map(str, arguments)], cwd=self.folder, capture_output=True)
                message = result.stderr.decode()
                self.assertEqual(result.returncode, 1)
                if arguments[0] == "run":
                    self.assertEqual(result.stdout, b"")
                self.assertEqual(message.count("\n"), 1, message)
                self.assertTrue(message.startswith("gremium: "), message)
        self.assertFalse((self.folder / "wrong.gguf").exists())

    def test_wrong_usage_is_exit_2(self):
        for arguments in ((), ("fly",), ("run",), ("run", "-p", "x", "--temp", "-1"), ("eval",), ("bench", "--shape", "1"),
                          ("bench", "--train", "--profile")):
            with self.subTest(arguments):
                gremium(*arguments, code=2)
