#!/usr/bin/env python3
"""Checks what formatters and compilers do not: no line is over 120 columns, comments too; files of tests are named *_test.cpp, and
no two rooms have a suite of tests of one name."""
import pathlib
import re
import sys

root, widest = pathlib.Path(sys.argv[1]), 120
not_tests = re.compile(r"source_directory\.cpp|interop/|toy_layer/model/|emulated_leaf\.cpp")
faults, suites = [], {}
for folder in ("src", "include", "tests", "bench", "examples", "fuzz"):
    for path in sorted((root / folder).rglob("*")):
        if path.suffix not in (".h", ".hpp", ".c", ".cpp"):
            continue
        name, text = path.relative_to(root).as_posix(), path.read_text()
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > widest:
                faults.append(f"{name}:{number}: {len(line)} columns, at most {widest} are allowed")
        if folder == "tests" and path.suffix == ".cpp" and not not_tests.search(name):
            if not name.endswith("_test.cpp"):
                faults.append(f"{name}: holds tests, but is not named *_test.cpp")
            for suite in re.findall(r"^TEST(?:_[FP])?\((\w+)", text, re.M):
                suites.setdefault(suite, set()).add(path.relative_to(root / "tests").parts[0])
faults += [f"the suite {suite} is in several rooms: {', '.join(sorted(rooms))}" for suite, rooms in suites.items() if len(rooms) > 1]
print("\n".join([*faults, f"{len(suites)} suites of tests, {len(faults)} faults"]))
sys.exit(bool(faults))
