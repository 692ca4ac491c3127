#!/usr/bin/env python3
"""Checks who includes whom: each room of src/ may include itself and what ARCHITECTURE.md's table allows, transitively."""
import pathlib
import re
import sys

ALLOWED = {  # room: the rooms it may include directly
    "base": [], "tensor": ["base"], "kernels": ["tensor"], "ops": ["kernels"], "moe": ["ops"],
    "formats": ["tensor"], "text": ["base"], "model": ["moe", "formats", "text"], "train": ["model"],
    "lab": ["train"], "serve": ["lab"], "cli": ["serve"],
}

def reachable(room):
    rooms = {room}
    for below in ALLOWED[room]:
        rooms |= reachable(below)
    return rooms

source = pathlib.Path(sys.argv[1]) / "src"
faults, files = [], 0
for path in sorted(source.rglob("*")):
    if path.suffix not in (".h", ".cpp"):
        continue
    files += 1
    room = path.relative_to(source).parts[0]
    if room not in ALLOWED:
        faults.append(f"{path}: the room {room} is not in the table")
        continue
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([a-z_]+)/', line)
        if match and match[1] in ALLOWED and match[1] not in reachable(room):
            faults.append(f"{path}:{number}: {room} must not include {match[1]}")
print("\n".join(faults) or f"{files} files keep to the include directions")
sys.exit(bool(faults) or files == 0)
