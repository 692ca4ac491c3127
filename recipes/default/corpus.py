#!/usr/bin/env python3
"""Builds the corpus from downloaded packages: corpus.py CACHE OUT (called by corpus.sh)."""
import bz2
import collections
import glob
import gzip
import hashlib
import io
import lzma
import multiprocessing
import os
import pickle
import re
import subprocess
import sys
import tarfile
import unicodedata
import zlib

import readers

HERE = os.path.dirname(os.path.abspath(__file__))
MB = 1000 * 1000
TRAIN = {'english': 80 * MB, 'german': 80 * MB, 'c': 80 * MB, 'python': 80 * MB}
HELDOUT = 530 * 1000
# One package must not be the domain: at most this much of it.  C is the exception, made of Linux alone.
PACKAGE = 8 * MB
# Of Linux, a few large subsystems instead of a thin sample of everything: a model this small
# learns one house style and its interfaces, not twenty.
LINUX = re.compile(r'^linux-source-[^/]*/(fs|sound|drivers/media|drivers/usb)/')


def rank(*key):
    """The deterministic dice of the recipe: a hash of names, the same on every machine."""
    return hashlib.sha256('\0'.join(key).encode('utf-8', 'replace')).digest()


# ---- what of a package is read -------------------------------------------------------------
FOREIGN = set('''af am an ar ast az be be@latin bg bn bn_IN br bs ca ca@valencia cs cy da el eo es et eu fa fi fr fur
    ga gd gl gu he hi hr hu hy id is it ja ka kk km kn ko ku ky lt lv mk ml mn mr ms my nb ne nl nn no oc or pa pl pt
    pt_BR pt-br pt_br pt-BR ro ru si sk sl sq sr sr@latin sr@ijekavian sv sw ta te tg th tr ug uk uz vi wa xh zh zh_CN zh_TW
    zh-cn zh-tw zh-CN zh-TW zh-Hans zh-Hant zh_Hans zh_Hant en_GB en@shaw es_MX de_CH de_AT'''.split())
BORING = re.compile(r'(?i)(^|/)(copyright|changelog|news|authors|thanks|credits|contributors|copying|licen[sc]e|gpl|fdl|lgpl|'
                    r'genindex|search|index-all|py-modindex|bookindex)[^/]*$|/(_sources|licenses?|release[-_]?notes|whatsnew|rfc)/|'
                    r'-members\.html|(gpl|fdl)[^/]*\.(html|xml|docbook|page)')
# Register maps, firmware blobs and machine-written tables of otherwise ordinary sources.
TABLES = re.compile(r'drm/amd/include|/asic_reg/|nvif/class|dt-bindings|/tables?/|unicode|charset|/locale|_regs?\.h$|'
                    r'/roms/|_table[s.]|_data\.|_tables?\.|/testdata/|third[_-]?party|/vendor/|/generated|messages_|snowball/lib')
C = re.compile(r'\.[ch]$')


def wanted(kind, path):
    if kind == 'python':
        return path.endswith('.py') and not TABLES.search(path)
    if kind == 'c':
        return bool(C.search(path) and LINUX.match(path)) and not TABLES.search(path)
    if FOREIGN.intersection(path.split('/')) or BORING.search(path):
        return False
    if path.endswith('.mo'):
        return '/de/' in path
    if '/rust-doc/' in path:  # the books, not the generated reference of the library
        return bool(re.search(r'/html/(book|reference|nomicon|cargo|rustc|rust-by-example|edition-guide|rustdoc|embedded-book)/', path)) \
            and not re.search(r'print\.html|/src/', path)
    return bool(re.search(r'\.(x?html?(\.de|\.en)?|page|docbook|xml|[1-8]|pod|rst|md|txt|lyx|dict\.dz|info(-\d+)?|[a-z]zz|[a-z]zs|[a-z]zv|'
                          r'translation\.def)(\.gz)?$', path)) \
        or '/games/fortunes/' in path and '.' not in os.path.basename(path) \
        or '/doc/' in path and not re.search(r'\.[a-z]', os.path.basename(path)) or '/endless-sky/data/' in path


def members(stream, kind, prefix=''):
    with tarfile.open(fileobj=stream, mode='r|*') as tar:
        for m in tar:
            path = m.name.removeprefix('./')
            if not m.isfile() or m.size > 30 * MB and not path.endswith('.tar.xz'):
                continue
            if path.endswith('/copyright') and path.count('/') < 5:
                yield 'COPYRIGHT', tar.extractfile(m).read()
            elif kind == 'c' and path.endswith('.tar.xz'):
                yield from members(lzma.open(tar.extractfile(m)), kind)
            elif '/Documentation/' in path and path.endswith('.rst') and kind == 'c' and '/translations/' not in path:
                yield 'PROSE' + path, tar.extractfile(m).read()
            elif wanted(kind, path):
                data = tar.extractfile(m).read()
                yield path, gzip.decompress(data) if data[:2] == b'\x1f\x8b' else data


def decode(data):
    try:
        s = data.decode('utf-8')
    except UnicodeDecodeError:
        s = data.decode('latin-1')
    return s.replace('\r\n', '\n').replace('\r', '\n').replace('\ufeff', '')


# ---- prose: which paragraphs stay, and in which language they are -----------------------------
STOP = {'german': set('der die das und ist nicht ein eine zu den dem des mit von für auf wird werden sie es im sich auch als '
                      'wenn oder kann bei einer einen aus nach wie durch zum zur dass wurde diese dieser sind hat ich er du '
                      'können nur noch um über sein ihr wir'.split()),
        'english': set('the of and to is in that a for are be with it as this on or by can not if from an you will which '
                       'have has at was but they when all his he i we your more their so'.split())}
LETTERS = re.compile(r'[^\W\d_]')


def stops(words):
    return {d: sum(w in s for w in words) for d, s in STOP.items()}


def paragraph(t):
    t = re.sub(r'\s+', ' ', unicodedata.normalize('NFC', t)).strip()
    return re.sub(r' ([,;])(?= )', r'\1', t)


def sentence_like(t):
    """Running text: long or ends like a sentence, made of words, many of them in lower case."""
    if len(t) < 32 or len(t) < 80 and not re.search(r'[.!?:…]["”“»\')]*$', t) or re.search(r'[{}|�]|Ã[¤¶¼Ÿ©]|â€|\\.*\\|https?:.*https?:|\.\.\.\.|==|::|&\w+;', t):
        return False
    w = t.split()
    letters = len(LETTERS.findall(t))
    return len(w) >= 5 and letters + len(w) >= 0.84 * len(t) and sum(x[0].islower() for x in w) >= 0.3 * len(w) \
        and len(t) < 13 * len(w) and not re.search(r'(?i)copyright|all rights reserved|©|free documentation license', t)


def prose(blocks):
    """The blocks of one document as (domain, text): headings stay where a paragraph follows them."""
    keep, heading, count, total = [], None, collections.Counter(), 0
    for kind, t in blocks:
        t = paragraph(t)
        if kind == 'h':
            heading = t if 3 <= len(t) <= 100 and len(LETTERS.findall(t)) > 0.6 * len(t) else None
        elif sentence_like(t):
            w = re.findall(r'\w+', t.lower())
            n = stops(w)
            lang = max(n, key=n.get)
            if n[lang] < 0.15 * len(w) or n[lang] < 2 * min(n.values()):
                continue
            keep.append((lang, heading, t))
            count[lang] += len(t)
            total += len(t)
            heading = None
    if not total:
        return
    lang = max(sorted(count), key=count.get)
    if count[lang] < 0.7 * total:
        return  # a mixed document, e.g. a half-finished translation
    parts, size = [], 0
    for l, h, t in keep:
        if l == lang:
            if h:
                parts.append(h)
            parts.append(t)
            size += len(t)
            if size > 60000:  # long books become several documents (of one unit)
                yield lang, '\n\n'.join(parts)
                parts, size = [], 0
    if parts:
        yield lang, '\n\n'.join(parts)


def prose_blocks(path, data):
    name = re.sub(r'\.gz$', '', path)
    if '/endless-sky/' in path:
        return [('p', t) for t in re.findall(r'`([^`]{50,})`', decode(data))]
    s = decode(data)
    if re.search(r'\.(x?html?(\.de|\.en)?|page|docbook|xml)$', name):
        return readers.markup(s)
    if '/man/' in name and re.search(r'\.[1-8]\w*$', name):
        return readers.man(s)
    if name.endswith('.translation.def'):
        return [('p', re.sub(r'\\\w+\{[^}]*\}|[{}\\%]', '', x)) for x in re.findall(r'(?m)^\\qt@newcmd[^{]*\{(.*)\}%', re.sub(r'\\qt@no\{.*?\}', '', s))]
    for end, f in (('.pod', readers.pod), ('.rst', readers.rst), ('.md', readers.markdown), ('.lyx', readers.lyx)):
        if name.endswith(end):
            return f(s)
    if '/fortunes/' in name:
        return readers.fortune(s)
    return readers.text(s)


def prose_documents(package, files):
    if package.startswith('sword-'):
        for path, verses in readers.sword(files):
            if '-text-' in package:  # a verse is no paragraph; twelve of them read like one
                v = [re.sub(r'<[^>]*>', '', re.sub(r'(?s)<(note|title)\b.*?</\1>', '', x)) for x in verses]
                blocks = [('p', ' '.join(v[i:i + 12])) for i in range(0, len(v), 12)]
            else:
                blocks = [b for x in verses for b in readers.markup(x)]
            for lang, t in prose(blocks):
                yield lang, path, t
        return
    for path, data in files.items():
        if path.endswith('.mo'):
            pairs = list(readers.catalogue(data))
            clean = [[('p', re.sub(r'<[^>]*>|&(?=\w)|(?<!\w)_(?=\w)', '', x)) for x in column] for column in zip(*pairs)]
            for column in clean[1:] + (clean[:1] if 'wesnoth' in path else []):
                for lang, t in prose(column):
                    yield lang, path, t
        else:
            for lang, t in prose(prose_blocks(path, data)):
                yield lang, path, t


# ---- quality of whole documents ---------------------------------------------------------------
def tidy(s):
    s = re.sub(r'[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u200b\ufffe\uffff]', '', s)
    return re.sub(r'\n{4,}', '\n\n\n', re.sub(r'[ \t\u00a0]+\n', '\n', s + '\n')).strip('\n') + '\n'


def ordinary(domain, s):
    """Keeps outliers out of training AND held-out text: tiny or huge files, tables of numbers,
    generated files, lists of near-equal lines, register maps, blobs."""
    code = domain in ('c', 'python')
    size = len(s.encode())
    if not (800 if code else 300) <= size <= 150000:
        return False
    if size > 2000:
        ratio = len(zlib.compress(s.encode(), 6)) / size
        if not (0.12 if code else 0.25) <= ratio <= (0.5 if code else 0.62):
            return False
    if not code:
        return True
    lines = [x.strip() for x in s.split('\n') if len(x.strip()) > 2]
    solid = sum(map(len, lines))
    return bool(lines) and max(map(len, lines)) <= 300 and 12 <= solid / len(lines) <= 60 \
        and len(set(lines)) >= 0.6 * len(lines) \
        and len(LETTERS.findall(s)) >= 0.55 * solid and len(re.findall(r'\d', s)) <= 0.1 * solid \
        and sum(x.startswith('#define') for x in lines) <= 0.4 * len(lines) \
        and sum(c > '\x7f' for c in s) <= 0.02 * size \
        and not re.search(r'(?i)generated (by|from|automatically|file)|automatically generated|autogenerated|do not edit', s[:3000])


# ---- stage 1: packages to documents -------------------------------------------------------------
# Copyright files that are links into another package, or in a diff.
LICENCE = {'gimp-help-de': 'GFDL-1.2+', 'gimp-help-en': 'GFDL-1.2+', 'cmake-doc': 'BSD-3-clause', 'gcc-12-locales': 'GPL-3+',
           'libpython3.11-stdlib': 'PSF-2', 'libpython3.11-testsuite': 'PSF-2',
           'manpages-dev': 'as manpages', 'wesnoth-1.16-core': 'GPL-2+', 'zsh-doc': 'Zsh (Expat-like)'}


def licences(text):
    names = re.findall(r'(?m)^License:[ \t]*(\S.*?)\s*$', text) or re.findall(r'common-licenses/([\w.+-]*\w)', text) \
        or re.findall(r'\b(GPL|LGPL|BSD|MIT|Artistic|public domain|PostgreSQL|PSF)\b', text) or ['see copyright']
    seen = list(dict.fromkeys(re.sub(r'[\t|]', ' ', n)[:40] for n in names))
    return ', '.join(seen[:6]) + (', …' if len(seen) > 6 else '')


def package_documents(job):
    kind, package, version, archive, cache = job
    done = f'{cache}/documents/{kind}-{package}'
    licence, files, docs = '', {}, []
    stream = subprocess.Popen(['dpkg-deb', '--fsys-tarfile', archive], stdout=subprocess.PIPE).stdout
    for path, data in members(stream, kind):
        if path == 'COPYRIGHT':
            licence = licence or licences(decode(data))
        elif path.startswith('PROSE'):
            docs += [(lang, path[5:], t) for lang, t in prose(readers.rst(decode(data)))]
        elif kind == 'prose':
            files[path] = data
        else:
            domain = 'python' if kind == 'python' else 'c'
            docs.append((domain, path, (readers.python if kind == 'python' else readers.c)(decode(data))))
    stream.close()
    docs += prose_documents(package, files)
    good = [(d, p, t) for d, p, t in ((d, p, tidy(t)) for d, p, t in docs) if ordinary(d, t)]
    with open(done, 'wb') as f:
        pickle.dump((package, version, licence or LICENCE.get(package, 'see copyright'), good), f)
    return package


def descriptions(cache):
    """The German package descriptions of apt: one document per family of packages."""
    families = collections.defaultdict(list)
    for path in sorted(glob.glob(f'{cache}/lists/*Translation-de')):
        for stanza in open(path, encoding='utf-8').read().split('\n\n'):
            m = re.match(r'(?s)Package: (\S+)\n.*?\nDescription-de: ([^\n]*)\n(.*)', stanza)
            if m:
                body = re.sub(r'(?m)^ \.$', '', m[3]).replace('<trans>', '')
                pars = [('h', m[2])] + [('p', ' '.join(p.split())) for p in body.split('\n\n') if not re.search(r'(?m)^  +\S', p)]
                families[re.split(r'[-.\d]', re.sub(r'^lib', '', m[1]))[0][:6]].extend(pars)
    docs = [(lang, f'family {f}', tidy(t)) for f in sorted(families) for lang, t in prose(families[f])]
    with open(f'{cache}/documents/descriptions', 'wb') as f:
        pickle.dump(('ddtp-translations', 'bookworm', 'GPL-2+', [d for d in docs if ordinary(*d[::2])]), f)


# ---- stage 2: documents to a domain ---------------------------------------------------------------
def pieces(domain, s):
    """What is compared to find copies: sentences of prose, runs of four lines of code."""
    if domain in ('c', 'python'):
        lines = [x.strip() for x in s.split('\n') if len(x.strip()) > 2]
        return [zlib.crc32('\n'.join(lines[i:i + 4]).encode()) for i in range(max(1, len(lines) - 3))]
    found = (re.sub(r'[\W\d]', '', x.lower()) for x in re.split(r'(?<=[.!?:])\s', s))
    return [zlib.crc32(x.encode()) for x in found if len(x) >= 25]


def title(p):
    return len(p) <= 100 and not re.search(r'[.!?:…]["”“»\')]*$', p)


def dedupe(domain, s, seen, heldout):
    """The document without paragraphs seen before; None where it is mostly a copy, or shares
    a tenth of its text with a held-out document."""
    if domain in ('german', 'english'):
        pars, size, own = [], len(s), set()
        for p in s.rstrip('\n').split('\n\n'):
            k = pieces(domain, p)
            if not k or 2 * sum(x in seen or x in own for x in k) < len(k):
                pars.append(p)
                own.update(k)
        # headings whose paragraph went away go, too
        pars = [p for p, n in zip(pars, pars[1:] + ['']) if not title(p) or n and not title(n)]
        s = '\n\n'.join(pars) + '\n'
        if len(s) < max(300, size / 2):
            return None, ()
    k = pieces(domain, s)
    if not k or sum(x in seen for x in k) > 0.3 * len(k) or sum(x in heldout for x in k) > 0.1 * len(k):
        return None, ()
    return s, k


def write_domain(job):
    domain, cache, out = job
    docs, info = [], {}
    for path in sorted(glob.glob(f'{cache}/documents/*')):
        with open(path, 'rb') as f:
            package, version, licence, found = pickle.load(f)
        info[package] = version, licence
        docs += [(rank('heldout', domain, package, p), package, p, i, t) for i, (d, p, t) in enumerate(found) if d == domain]
    docs.sort(key=lambda d: (d[0], d[3]))  # whole files (all parts of a book) in an order of dice
    length = collections.Counter()
    for d in docs:
        length[d[0]] += len(d[4].encode())
    used, seen, heldout, total = collections.Counter(), set(), set(), collections.Counter()
    chosen = {'heldout': [], 'train': []}
    units = set()  # of the held-out text, where no file is more than a twelfth of it
    for part in ('heldout', 'train'):
        limit = HELDOUT if part == 'heldout' else TRAIN[domain]
        for key, package, path, i, t in docs:
            if part == 'heldout' and (total[part] >= limit and key not in units or length[key] > HELDOUT / 12):
                continue
            if part == 'train' and (key in units or total[part] >= limit):
                continue
            if domain != 'c' and used[package] >= PACKAGE:
                continue
            s, k = dedupe(domain, t, seen, heldout)
            if part == 'heldout':
                units.add(key)  # also where it turned out a copy: it must not be trained on
            if s is None:
                continue
            seen.update(k)
            if part == 'heldout':
                heldout.update(k)
            chosen[part].append(s)
            n = len(s.encode())
            used[package] += n
            total[part] += n + 1
    os.makedirs(f'{out}/{domain}', exist_ok=True)
    for part, texts in chosen.items():
        with open(f'{out}/{domain}/{part}.txt', 'wb') as f:
            f.write('\0'.join(texts).encode())
    print(f'{domain}: train {total["train"]} bytes, {len(chosen["train"])} documents; '
          f'held-out {total["heldout"]} bytes, {len(chosen["heldout"])} documents', flush=True)
    return [(p, *info[p], domain, n) for p, n in used.items()]


def main():
    cache, out = sys.argv[1:3]
    os.makedirs(f'{cache}/documents', exist_ok=True)
    jobs = []
    for line in open(f'{HERE}/packages.txt'):
        kind, *names = line.split('#')[0].split() or ['']
        for name in names:
            found = sorted(glob.glob(f'{cache}/debs/{name}_*.deb'))[-1:]
            version = found[0].split('_')[-2].replace('%3a', ':') if found else ''
            if found:
                jobs.append((kind, name, version, found[0], cache))
            else:
                print(f'{name}: not available, left out', file=sys.stderr)
    jobs = sorted(set(jobs), key=lambda j: -os.path.getsize(j[3]))
    keep = {f'{j[0]}-{j[1]}' for j in jobs} | {'descriptions'}
    for old in set(os.listdir(f'{cache}/documents')) - keep:
        os.remove(f'{cache}/documents/{old}')
    only = sys.argv[3:]  # for work on the recipe: read just these packages or kinds again
    jobs = [j for j in jobs if not only or j[1] in only or j[0] in only]
    with multiprocessing.Pool(2) as pool:
        for n, package in enumerate(pool.imap_unordered(package_documents, jobs, 1), 1):
            if n % 50 == 0:
                print(f'{n} of {len(jobs)} packages read', flush=True)
        descriptions(cache)
        rows = sum(pool.map(write_domain, [(d, cache, out) for d in ('c', 'english', 'python', 'german')], 1), [])
    with open(f'{out}/manifest.tsv', 'w') as f:
        f.write('package\tversion\tlicence\tdomain\tbytes\n')
        for row in sorted(rows, key=lambda r: (r[3], r[0])):
            f.write('\t'.join(map(str, row)) + '\n')


if __name__ == '__main__':
    main()
