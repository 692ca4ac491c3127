"""Turns one file of a package into text: prose as (kind, paragraph) blocks, code with its
licence header cut off.  kind is 'h' for a heading and 'p' for a paragraph."""
import html
import re
import struct
import zlib

# ---- markup languages: HTML, DocBook, Mallard ------------------------------------------
# Verbatim blocks (programs, terminal output), credits and navigation are no prose.
DROP = re.compile(r'(?is)<(script|style|head|nav|header|footer|pre|screen|programlisting|info|bookinfo|'
                  r'articleinfo|legalnotice|literallayout|synopsis|cmdsynopsis|funcsynopsis|indexterm|'
                  r'math|svg|select|button|refentryinfo|sect1info|sidebar|syntaxhighlight)\b[^>]*(?<!/)>.*?</\1\s*>|'
                  r'<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<!DOCTYPE[^\[>]*(\[.*?\]\s*)?>|'
                  r'<a class="(?:headerlink|anchor)[^>]*>.*?</a>|<span class="(?:lineno|keycap-sep)[^>]*>.*?</span>')
HEAD = re.compile(r'(?i)<(h[1-6]|title|refname|bridgehead)(\s[^>]*)?>')
BLOCK = re.compile(r'(?i)</?(p|div|li|dd|dt|h[1-6]|t[dhr]|table|[uod]l|blockquote|section|article|main|body|hr|title|'
                   r'para|simpara|listitem|entry|row|term|varlistentry|note|tip|warning|caution|important|page|'
                   r'item|list|steps|terms|desc|figure|figcaption|caption|media|comment|sect\d|chapter|refname|refpurpose|'
                   r'question|answer|step|center|form|option|lg|verse|bridgehead|subtitle|quote)(\s[^>]*)?/?>')
TAG = re.compile(r'(?s)<[^<>]*>')


def markup(s):
    s = DROP.sub('', s)
    s = re.sub(r'(</gui\w*>)\s*(<(guimenu|guisub|guiitem|gui)\w*)', r'\1 → \2', s)  # a path through menus
    s = re.sub(r'(</key(?:cap)?>)\s*(<key)', r'\1+\2', s)
    s = HEAD.sub('\x01\x02', s)
    s = TAG.sub('', BLOCK.sub('\x01', re.sub(r'(?i)<br[^>]*>', '\n', s)))
    # a manual's own entities (&kappname;) stand for a name
    s = re.sub(r'&([A-Za-z][\w.-]*);', lambda m: m[0] if m[0] != html.unescape(m[0]) else m[1], s)
    s = html.unescape(s).replace('¶', '')
    for b in s.split('\x01'):
        yield ('h', b[1:].rstrip().removesuffix('#')) if b[:1] == '\x02' else ('p', b)


# ---- manual pages (man macros; mdoc pages are skipped) ---------------------------------
ESC = [(r'\\f(\[[^]]*\]|\(..|.)', ''), (r'\\s[-+]?\d', ''), (r'\\m\[[^]]*\]', ''), (r'\\\((lq|rq)', '"'),
       (r'\\\*\((lq|rq|L"|R")', '"'), (r'\\\*\(Aq|\\\(aq', "'"), (r'\\\(em', '—'), (r'\\\(en', '–'), (r'\\\(bu', ''),
       (r'\\\[u([0-9A-F]{4})\]', lambda m: chr(int(m[1], 16))), (r'\\[(*]..', ''), (r'\\\*?\[[^]]*\]', ''),
       (r'\\[&%|^/,:)]', ''), (r'\\[ ~0]', ' '), (r'\\-', '-'), (r'\\e', r'\\'), (r'\\(.)', r'\1')]
ESC = [(re.compile(a), b) for a, b in ESC]


def man(s):
    if re.search(r'(?m)^\.Dd ', s):
        return
    out, tag, mute = [], False, False
    for line in s.split('\n'):
        m = re.match(r"[.']\s*(\w*|\\\")(.*)", line)
        mac, arg = (m[1], m[2].strip()) if m else ('', line)
        if mac in ('TS', 'nf', 'EX', 'de', 'ig', 'SY'):
            mute = True
        elif mac in ('TE', 'fi', 'EE', 'YS') or mute and line.rstrip() == '..':
            mute = False
        elif mute:
            continue
        if m and mac in ('SH', 'SS', 'PP', 'P', 'LP', 'TP', 'IP', 'HP', 'sp', 'RS', 'RE', 'TH', 'TQ'):
            yield 'p', ' '.join(out)
            out, tag = [], mac == 'TP'
            if mac in ('SH', 'SS'):
                yield 'h', roff(arg.strip('"'))
            elif mac == 'IP' and arg and not arg.startswith('\\('):
                out = [roff(words(arg)[0]) + ':'] if words(arg)[0] else []
            continue
        if m and mac not in ('B', 'I', 'R', 'BR', 'RB', 'IR', 'RI', 'BI', 'IB', 'SM', 'SB', 'CW', 'UR', 'MT'):
            continue
        if m:
            arg = (' ' if len(mac) == 1 else '').join(words(arg))
        elif not arg.strip():
            yield 'p', ' '.join(out)
            out, tag = [], False
            continue
        text = roff(arg)
        if tag and text:
            text, tag = text + ':', False
        out.append(text)
    yield 'p', ' '.join(out)


def words(a):
    return [x[0] or x[1] for x in re.findall(r'"([^"]*)"?|(\S+)', a)] or ['']


def roff(s):
    for a, b in ESC:
        s = a.sub(b, s)
    return s


# ---- plain text and light markup ---------------------------------------------------------
def text(s):
    for b in re.split(r'\n[ \t]*\n', s.replace('\f', '\n\n')):
        lines = b.strip('\n').split('\n')
        indents = [len(x) - len(x.lstrip()) for x in lines]
        # deep indents are tables or verbatim, as are runs of wide gaps
        if min(indents) <= 8 and not re.search(r'\S {3,}\S.*\n.*\S {3,}\S', b):
            yield 'p', re.sub(r'^([*o•-]|\d+[.)])\s+', '', ' '.join(x.strip() for x in lines))


def rst(s):
    s = re.sub(r':[\w:+.-]+:`([^`<]*?)(\s*<[^`]*>)?`', r'\1', s)
    s = re.sub(r'`([^`<]*?)\s*<[^`]*>`__?', r'\1', s).replace('`', '')
    s = re.sub(r'(?<!\w)\*\*?(\S[^*\n]*)\*\*?', r'\1', s)
    s = re.sub(r'\|(\w+)\|', r'\1', s)
    skip = False
    for b in re.split(r'\n[ \t]*\n', s):
        lines = b.strip('\n').split('\n')
        body = [x for x in lines if not re.fullmatch(r'([=\-~^"\'#*+.:_])\1{2,}\s*', x)]
        if lines[0][:1] in ' \t' or lines[0].startswith(('..', '>>>', ':', '|', '+-')):
            continue
        if len(body) == 1 and len(lines) > 1:
            yield 'h', body[0]
        else:
            par = re.sub(r'^([*-]|\d+[.)]|#\.)\s+', '', ' '.join(x.strip() for x in body))
            yield 'p', par.replace('::', ':') if par.endswith('::') else par


def markdown(s):
    s = re.sub(r'(?s)```.*?```', '', s)
    s = re.sub(r'!?\[([^]]*)\](\([^)]*\)|\[[^]]*\])', r'\1', s)
    for b in re.split(r'\n[ \t]*\n', s):
        if not b.startswith(('    ', '\t', '|', '<')):
            kind = 'h' if b.startswith('#') else 'p'
            yield kind, re.sub(r'[*`]|^[#>\-]+ *', '', re.sub(r'\s*\n[> ]*', ' ', b))


def pod(s):
    while re.search(r'[A-Z]<[^<>]*>', s):
        s = re.sub(r'[A-Z]<(?:[^<>|]*\|)?([^<>]*)>', r'\1', s)
    mute = False
    for b in re.split(r'\n[ \t]*\n', s):
        mute = mute and not b.startswith('=end') or b.startswith('=begin')
        if b[:5] == '=head':
            yield 'h', b[6:]
        elif not mute and b[:1] not in ' \t=':
            yield 'p', b


LYX = {'ldots': '…', 'menuseparator': ' ▹ ', 'breakableslash': '/', 'nobreakdash': '-', 'endofsentence': '.',
       'LyX': 'LyX', 'TeX': 'TeX', 'LaTeX': 'LaTeX', 'LaTeX2e': 'LaTeX2e'}


def lyx(s):
    s = re.sub(r'\\SpecialChar ?(\S+)\n?', lambda m: LYX.get(m[1], ''), s)
    stack, skip = [], False
    for line in s.split('\n'):
        if line.startswith('\\begin_layout'):
            stack.append([line[14:], ''])
            skip = False
        elif line.startswith('\\end_layout') and stack:
            name, t = stack.pop()
            if name != 'Plain Layout' and not name.startswith('LyX-Code'):
                yield ('h' if 'ection' in name or name.startswith(('Chapter', 'Title', 'Part')) else 'p'), t
        elif line.startswith('\\begin_inset'):
            skip = True
            if stack:
                stack[-1][1] += ' ' if line[13:18] == 'space' else '"' if line[13:19] == 'Quotes' else ''
        elif line.startswith('\\end_inset'):
            skip = False
        elif stack and not skip and not line.startswith(('\\', '#')):
            stack[-1][1] += line


def fortune(s):
    for b in re.split(r'\n%\n', s):
        yield 'p', ' '.join(b.split())


def catalogue(data):
    """(msgid, msgstr) pairs of a .mo file, in the file's order."""
    n, o, t = struct.unpack_from('<III', data, 8)

    def at(table, i):
        length, off = struct.unpack_from('<II', data, table + 8 * i)
        return data[off:off + length].decode('utf-8', 'replace').split('\0')[0].split('\x04')[-1]
    for i in range(n):
        yield at(o, i), at(t, i)


def sword(files):
    """A SWORD module: zlib blocks (.?zz), their index (.?zs) and the verses in them (.?zv)."""
    for path in sorted(files):
        if not path.endswith('zz'):
            continue
        zz, zs, zv = files[path], files[path[:-1] + 's'], files[path[:-1] + 'v']
        block = [zlib.decompress(zz[o:o + n]) for o, n, _ in struct.iter_unpack('<III', zs)]
        if '/comments/' in path:  # sizes of long comments do not fit into the verse index
            yield from ((f'{path}#{i}', [b.decode('utf-8', 'replace')]) for i, b in enumerate(block))
            continue
        verses = {}
        for b, o, n in struct.iter_unpack('<IIH', zv[:len(zv) // 10 * 10]):
            if n and b < len(block):
                verses.setdefault(b, []).append(block[b][o:o + n].decode('utf-8', 'replace'))
        for b, v in sorted(verses.items()):
            yield f'{path}#{b}', v


# ---- code ---------------------------------------------------------------------------------
LICENCE = re.compile(r'(?i)copyright|\(c\)\s*\d{4}|licen[sc]e|SPDX|warrant|redistribut|all rights reserved|-\*-|vim?:')


def strip_header(s, comment):
    """Cuts licence comments at the top of a file: repeated thousands of times, they would dominate."""
    kept = ''
    for _ in range(8):
        m = comment.match(s)
        if not m:
            break
        if not LICENCE.search(m[0]):
            kept += m[0]
        s = s[m.end():]
    return (kept.rstrip() + '\n' + s if kept else s).lstrip('\n')


C_COMMENT = re.compile(r'\s*(/\*.*?\*/[ \t]*|(//[^\n]*\n?)+)', re.S)
PY_COMMENT = re.compile(r'\s*(#[^\n]*(\n|$))+')


def c(s):
    return strip_header(s, C_COMMENT)


def python(s):
    return strip_header(s, PY_COMMENT)
