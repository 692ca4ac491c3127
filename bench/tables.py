"""What the scripts beside this one share: where things are, running a program for its JSON, and the tables of README.md."""
import json
import os
import pathlib
import re
import subprocess
import sys

repository = pathlib.Path(__file__).resolve().parent.parent
build = repository / "build/release"
gremium = build / "gremium"
threads = len(os.sched_getaffinity(0))
if not gremium.exists():
    sys.exit("there is no build/release/gremium: scripts/build release makes it")


def run(*command, cwd=None):
    """What it prints, or the last line of that, as JSON."""
    done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True, cwd=cwd)
    text = done.stdout.strip()
    return json.loads(text if text.startswith("[") else text.splitlines()[-1])


def model(dtype="q4_0"):
    """A mixture with random weights, made where it is missing (2.7 GiB for q4_0)."""
    path = repository / f"build/bench/random-{dtype}.gguf"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([build / "bench/bench_random_model", path, dtype], check=True)
    return path


def node_llama_cpp():
    """The directory where npm's node-llama-cpp is installed."""
    path = pathlib.Path(os.environ.get("NODE_LLAMA_CPP", repository / "build/bench/npm"))
    if not (path / "node_modules/node-llama-cpp").exists():
        path.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-save", "--ignore-scripts", "--omit=optional", "--loglevel=error",
                        "node-llama-cpp@3", "@node-llama-cpp/linux-x64@3"], check=True, cwd=path)
    return path


def show(name, lines, write):
    """Prints a table; with `write` it also takes its place in README.md, between <!-- name --> and <!-- end -->."""
    print("\n".join(lines))
    if not write:
        return
    page = repository / "README.md"
    text, count = re.subn(rf"(<!-- {re.escape(name)} -->\n).*?(?=<!-- end -->)", lambda mark: mark[1] + "\n".join(["", *lines, "", ""]),
                          page.read_text(), flags=re.S)
    if count != 1:
        sys.exit(f"{page.name} has no <!-- {name} -->")
    page.write_text(text)
