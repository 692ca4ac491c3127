#!/usr/bin/env python3
"""What a new kind of layer takes: its folder, its include and its place in a list of kinds, and one architecture.

    tests/toy_layer/diff.py SOURCE PATCH        SOURCE: the repository; PATCH: the program of that name

Checks that the two patches of the toy kind fit the sources as they are now, and that they touch nothing else."""
import pathlib
import re
import subprocess
import sys

source, patch = pathlib.Path(sys.argv[1]), sys.argv[2]
here = source / "tests/toy_layer"
faults = []


def lines_of(name, file):
    """The patch's lines that are no context, if it is one of `file` alone that fits."""
    text = (here / name).read_text()
    if re.findall(r"^\+\+\+ (\S+)", text, re.M) != [file]:
        faults.append(f"{name}: patches another file than {file}")
    done = subprocess.run([patch, "--dry-run", "--silent", "--fuzz=0", source / file, here / name], capture_output=True, text=True)
    if done.returncode:
        faults.append(f"{name}: does not fit {file}: {done.stdout}{done.stderr}")
    return [line for line in text.splitlines() if re.match(r"[+-](?![+-]{2} )", line)]


kinds = lines_of("kinds.patch", "src/model/layers/kinds.h")
include = '+#include "model/layers/running_mean/running_mean.h"'
added = {line[1:].replace(", RunningMeanSpec", "") for line in kinds if line.startswith("+") and line != include}
removed = {line[1:] for line in kinds if line.startswith("-")}
if include not in kinds or added != removed or len(removed) != 1:
    faults.append("kinds.patch: more than an include and a place in one list")
architecture = lines_of("llama.patch", "src/model/archs/llama.cpp")
folders = {path.parent.relative_to(here).as_posix() for path in here.rglob("*") if path.is_file() and path.parent != here}
if folders != {"model/layers/running_mean"}:
    faults.append(f"files of the toy kind lie in {sorted(folders)}, expected one folder")
print("\n".join(faults) or f"one folder, {len(kinds)} lines of kinds.h, {len(architecture)} lines of an architecture")
sys.exit(bool(faults))
