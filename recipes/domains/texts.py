#!/usr/bin/env python3
"""Unpacked packages to texts of two domains: texts.py FILES OUT (called by texts.sh)."""
import gzip
import hashlib
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'default'))
import readers

TABLES = {'unicore', 'Collate', 'Locale'}  # of perl: numbers and names, hardly code
PARTS = ['heldout', 'valid', 'train', 'train', 'train', 'train', 'train', 'train', 'train', 'train']


def french(path):
    blocks = readers.man(gzip.decompress(path.read_bytes()).decode())
    return [b for b in (re.sub(r'\s+', ' ', text).strip() for _, text in blocks) if b]


def perl(path):
    code = path.read_text('utf-8', 'replace')
    code = re.split(r'(?m)^__(?:END|DATA)__$', code)[0]
    code = re.sub(r'(?ms)^=[a-z].*?(^=cut$|\Z)', '', code)
    return [b for b in re.split(r'\n\s*\n', code) if b.strip()]


def write(out, domain, files, read):
    """A document is in the part that the hash of its path says; of blocks that are in several documents one is kept,
    the held-out one first."""
    parts = {part: [] for part in PARTS}
    for path in files:
        name = str(path.name)
        parts[PARTS[hashlib.sha256(name.encode()).digest()[0] % len(PARTS)]].append((hashlib.sha256(name.encode()).digest(), path))
    seen = set()
    (out / domain).mkdir(parents=True, exist_ok=True)
    for part, members in parts.items():
        documents = []
        for _, path in sorted(members):
            blocks = read(path)
            fresh = [b for b in blocks if len(b) < 40 or b not in seen]
            seen.update(b for b in blocks if len(b) >= 40)
            if sum(map(len, fresh)) > 400:
                documents.append('\n\n'.join(fresh))
        text = '\0'.join(documents)
        (out / domain / f'{part}.txt').write_text(text)
        print(f'{domain}/{part}: {len(documents)} documents, {len(text.encode())} bytes')


def main():
    files, out = map(pathlib.Path, sys.argv[1:])
    write(out, 'french', sorted(files.glob('usr/share/man/fr/man*/*.gz')), french)
    write(out, 'perl', sorted(p for p in files.glob('usr/share/perl/**/*.p[ml]') if not TABLES.intersection(p.parts)), perl)


if __name__ == '__main__':
    main()
