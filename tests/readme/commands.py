#!/usr/bin/env python3
"""Runs every command that README.md shows, in its order, as it is shown: commands.py PROGRAM SOURCE

Lines that begin with "$ " in its code blocks, and lines of `gremium …` blocks without output. What takes minutes is shortened (the
table below), what installs or builds is left out. The commands run in a folder that holds texts/ and nothing else; `gremium` is PROGRAM.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

program, source = (pathlib.Path(p).resolve() for p in sys.argv[1:3])
LEFT_OUT = re.compile(r"^scripts/|^cmake |^build/|^bench/")
# What makes a command of minutes one of seconds, in the order of the README.
SHORTER = [
    (re.compile(r"^gremium train (\S+)(?!.*--set train.steps)"), r"gremium train \1 --set train.steps=2"),
    (re.compile(r"^(gremium experts (?:find|apply|tune).*)--tokens \d+"), r"\1--tokens 2048"),
    (re.compile(r"^(gremium experts find.*)"), r"\1 --draws 2"),
    (re.compile(r"^(gremium experts tune.*)"), r"\1 --steps 2"),
    (re.compile(r"^(gremium trace(?!.*--tokens).*)"), r"\1 --tokens 2048"),
    (re.compile(r"^gremium bench"), "gremium bench -p 16 -n 4 -r 1"),
]


def commands(text):
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S):
        lines = block.replace("\\\n", " ").splitlines()
        shown = [line[2:] for line in lines if line.startswith("$ ")]
        yield from shown or [line for line in lines if line.startswith("gremium ")]


def shortened(command):
    command = re.sub(r"\s+#.*", "", command)
    for pattern, replacement in SHORTER:
        command = pattern.sub(replacement, command)
    return command


failures = count = 0
with tempfile.TemporaryDirectory(prefix="gremium-readme-") as folder:
    path = pathlib.Path(folder)
    (path / "bin").mkdir()
    (path / "bin/gremium").symlink_to(program)
    for name in ("texts", "recipes", "models"):
        (path / name).symlink_to(source / name)
    environment = dict(os.environ, PATH=f"{path / 'bin'}:{os.environ['PATH']}")
    for command in commands((source / "README.md").read_text()):
        if LEFT_OUT.match(command):
            continue
        count += 1
        run = shortened(command)
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", run], cwd=folder, env=environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
        print(f"{'ok  ' if done.returncode == 0 else 'FAIL'} {run}", flush=True)
        if done.returncode:
            failures += 1
            print(done.stdout[-2000:] + done.stderr[-2000:])
print(f"{count} commands of README.md, {failures} failed")
sys.exit(bool(failures) or count < 15)
