"""What the tests of commands share: the program, a tiny model trained with it, and how it is called."""
import atexit
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
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
    VERBS = ("init", "commit", "log", "diff", "branch", "checkout", "revert", "export", "import", "fsck", "gc")

    @classmethod
    def setUpClass(cls):
        if hasattr(Commands, "folder"):
            return
        temporary = tempfile.TemporaryDirectory()
        atexit.register(temporary.cleanup)
        Commands.folder = pathlib.Path(temporary.name)
        documents = [f"Document {i} tells that {i} and {i + 1} make {2 * i + 1}.\nThe end of it.\n" * 3 for i in range(300)]
        (cls.folder / "text.txt").write_text("\0".join(documents))
        (cls.folder / "recipe.toml").write_text(RECIPE)
        Commands.training = gremium("train", "recipe.toml")
        gremium("convert", "out/ckpt-000006", "tiny.gguf", "-q")

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

    def prompt_sizes(self, text, *arguments):
        return [json.loads(line)["prompt_tokens"] for line in self.chat(text, "--json", "-c", 400, *arguments).splitlines()]
