#!/usr/bin/env python3
"""Writes samples of every kind of file that Gremium keeps, with the program of a release, for opens.py to open with later ones.

    write.py GREMIUM_PROGRAM DIRECTORY      DIRECTORY, named after the commit of the program, must not exist
"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

program, directory = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
RECIPE = """\
[model]
architecture = "dots1"
name = "sample"
dim = 8
layers = 2
heads = 2
kv_heads = 1
context = 32
qk_norm = "per_head"
experts = 4
top_k = 2
expert_hidden = 8
shared_hidden = 8
score = "sigmoid"
correction_bias = true
[tokenizer]
vocab_size = 300
[[data]]
name = "text"
files = ["text.txt"]
heldout_share = 0.2
[train]
steps = 4
sequence = 16
batch_tokens = 64
micro_batch = 2
lr = 1e-2
warmup = 2
compute = "f32"
eval_every = 2
eval_tokens = 128
checkpoint_every = 2
log_every = 1
[output]
dir = "run"
"""
PROFILE = """\
name = "sample"
mute = ["0.1"]
drop = ["1.3"]
force = ["0.2"]
num_experts = 2
[bias]
"1.0" = 0.5
[layers]
1 = "90%"
"""
EDITS = """\
[[edit]]
do = "prune"
share = "25%"
by = "frequency"
[[edit]]
do = "shrink-k"
k = 1
"""


def gremium(command):
    subprocess.run([program, *command.split("|")], cwd=directory, check=True, stdout=subprocess.DEVNULL)


def hashes(path):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(path.glob("*.safetensors"))}


directory.mkdir(parents=True)
documents = [f"Document {i} tells that {i} and {i + 1} make {2 * i + 1}.\nThe end of it.\n" * 2 for i in range(40)]
(directory / "text.txt").write_text("\0".join(documents))
(directory / "other.txt").write_text("One and two are 3. " * 20)
for name, content in (("recipe.toml", RECIPE), ("profile.toml", PROFILE), ("edits.toml", EDITS)):
    (directory / name).write_text(content)
model, exact = "run/ckpt-000002", "--kernels|reference|-q"  # whose bits are those of every machine
gremium(f"train|recipe.toml|{exact}")
expected = {"resumed": hashes(directory / "run/ckpt-000004")}
shutil.rmtree(directory / "run/ckpt-000004")
gremium(f"trace|-m|{model}|--data|text=text.txt|--data|other=other.txt|--tokens|48|--norms|-o|trace|{exact}")
gremium(f"experts|init|-m|{model}|store")
(directory / "store/base.path").write_text(f"../{model}\n")
gremium(f"experts|apply|-m|store|--edit|reset expert=1.2|--commit|store|--message|Without 1.2|{exact}")
gremium("experts|export|store|1.2|-o|expert.safetensors")
gremium(f"experts|tune|-m|{model}|--text|text.txt|--steps|2|--window|16|--tokens|512|--experts|1.0|--no-routers|--lora|2"
        f"|--adapter|adapter.safetensors|-o|tuned|{exact}")
expected["adapted"] = hashes(directory / "tuned")
shutil.rmtree(directory / "tuned")
gremium(f"run|-m|{model}|-p|Document 1|-n|6|-s|5|--ignore-eos|--profile|profile.toml|--audit|audit.jsonl|{exact}")
gremium(f"eval|-m|{model}|--file|text.txt|--window|16|--importance|importance.gguf|{exact}")
(directory / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
