#!/usr/bin/env python3
"""Checks who includes whom, from the table src/rooms.txt, and prints it: a room may include itself, the rooms the table names and
theirs. Inside a room no two files may include each other, directly or in a circle; a header and its source are one file.
The headers of include/gremium include each other and the standard library, are at most ten, and are included by the room api
alone, but for the class Error."""
import pathlib
import re
import sys

source = pathlib.Path(sys.argv[1]) / "src"
allowed = {"cli": None}  # room: the rooms it may include directly; None: all
for line in (source / "rooms.txt").read_text().splitlines():
    if line and not line.startswith("#"):
        room, includes, _ = line.split("|")
        allowed[room.strip()] = includes.split()


def reachable(room):
    if allowed[room] is None:
        return set(allowed)
    return {room}.union(*(reachable(below) for below in allowed[room]))


def room_of(path):  # "lab/tune/tune.h" -> "lab/tune"
    return max((r for r in allowed if path.startswith(r + "/")), key=len, default=None)


def circle(arrows):  # a circle of a graph, or nothing
    done, way = set(), []

    def visit(node):
        if node in way:
            return way[way.index(node):] + [node]
        if node not in done:
            way.append(node)
            for after in sorted(arrows.get(node, ())):
                if found := visit(after):
                    return found
            way.pop()
            done.add(node)

    for node in sorted(arrows):
        if found := visit(node):
            return found


faults, files, arrows, lines = [], {}, {}, {}
for path in sorted(source.rglob("*")):
    if path.suffix not in (".h", ".cpp") or path.name == "pch.h":
        continue
    name = path.relative_to(source).as_posix()
    room = room_of(name)
    if not room:
        faults.append(f"{name}: its room is not in src/rooms.txt")
        continue
    text = path.read_text().splitlines()
    files[room] = files.get(room, 0) + 1
    lines[room] = lines.get(room, 0) + len(text)
    unit = name.rsplit(".", 1)[0]
    for number, line in enumerate(text, 1):
        if match := re.match(r'\s*#\s*include\s+"([\w/-]+)\.(?:h|cpp)"', line):
            other = room_of(match[1])
            if other and other not in reachable(room):
                faults.append(f"{name}:{number}: {room} must not include {other}")
            if other == room and match[1] != unit:
                arrows.setdefault(unit, set()).add(match[1])
door = sorted((source.parent / "include").rglob("*.h*"))
for path in door:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if re.match(r'\s*#\s*include', line) and not re.match(r"\s*#\s*include <(gremium/\w+\.hpp|\w+(\.h)?)>$", line):
            faults.append(f"include/gremium/{path.name}:{number}: a user of the library may not have what this includes")
if len(door) > 10:
    faults.append(f"include/gremium: {len(door)} headers, at most 10 expected")
for path in source.rglob("*.[hc]*"):
    name = path.relative_to(source).as_posix()
    if not name.startswith("api/") and name != "base/error.h" and "gremium/" in "".join(
            re.findall(r'#\s*include\s+[<"](.*)[>"]', path.read_text())):
        faults.append(f"{name}: only the room api implements include/gremium")
if found := circle(arrows):
    faults.append("a circle of includes: " + " -> ".join(found))
print("\n".join(faults))
for room in allowed:
    if room in files:
        below = "everything" if allowed[room] is None else ", ".join(sorted(reachable(room) - {room})) or "nothing"
        print(f"{room:<9} {files[room]:>4} files {lines[room]:>6} lines, may include {below}")
print(f"include/gremium: {len(door)} headers")
print(f"{sum(files.values())} files, {len(faults)} faults")
sys.exit(bool(faults) or not files)
