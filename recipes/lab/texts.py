#!/usr/bin/env python3
"""Makes the texts of docs/lab.md from downloaded packages: texts.py OUT (called by texts.sh)."""
import functools
import glob
import os
import pickle
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'default'))
import corpus  # noqa: E402 (what is read of a package, and how, is the default model's recipe)

# Manuals in both languages, so that languages differ and not subjects; and code in the manner of the corpus.
MANUALS = '''kbackup kdf ksystemlog tellico-data kaffeine skanlite kruler kmag kmousetool kmouth kblackbox
    kjumpingcube kshisen ksirk ksnakeduel kspaceduel ksquares kubrick bovo bomber granatier kapman katomic kblocks kbreakout
    kdiamond kfourinline killbots kiriki klines klickety kmahjongg knavalbattle knetwalk knights kolf kollision konquest
    kreversi lskat palapeli picmi kwave kget kgamma5 kfloppy kontrast kteatime kdialog kamoso'''.split()
PACKAGES = {'english': MANUALS, 'german': MANUALS,
            'c': ['lttng-modules-dkms', 'openafs-modules-dkms'], 'python': ['python3-prompt-toolkit', 'python3-docker']}
HELDOUT, TRAIN = 150_000, 1_000_000  # bytes

corpus.LINUX = re.compile('')


@functools.cache
def read(kind, package):
    os.makedirs('documents', exist_ok=True)
    corpus.package_documents((kind, package, '', glob.glob(f'debs/{package}_*.deb')[0], '.'))
    with open(f'documents/{kind}-{package}', 'rb') as f:
        return pickle.load(f)[3]


def documents(domain, package):
    for of, path, text in read(domain if domain in ('c', 'python') else 'prose', package):
        if of == domain:
            yield corpus.rank('lab', domain, package, path), text


def main():
    if sys.argv[1] == 'packages':
        print(*sorted(set(sum(PACKAGES.values(), []))), sep='\n')
        return
    os.chdir(sys.argv[1])
    for domain, packages in PACKAGES.items():
        parts, size, seen, heldout = {'heldout': [], 'train': []}, {'heldout': 0, 'train': 0}, set(), set()
        for _, text in sorted(d for p in packages for d in documents(domain, p)):
            part = 'heldout' if size['heldout'] < HELDOUT else 'train'
            text, pieces = corpus.dedupe(domain, text, seen, heldout)
            if text is None or size[part] >= TRAIN:
                continue
            seen.update(pieces)
            if part == 'heldout':
                heldout.update(pieces)
            parts[part].append(text)
            size[part] += len(text.encode()) + 1
        os.makedirs(domain, exist_ok=True)
        for part, texts in parts.items():
            with open(f'{domain}/{part}.txt', 'wb') as f:
                f.write('\0'.join(texts).encode())
        print(f'{domain}: train {size["train"]:,} bytes, held out {size["heldout"]:,} bytes')


main()
