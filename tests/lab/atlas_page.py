#!/usr/bin/env python3
"""The atlas in headless Chromium: at 1280 and 400 pixels, light and dark, it fits, draws, and answers to clicks and keys.

    atlas_page.py GREMIUM_PROGRAM MODEL [FOLDER FOR SCREENSHOTS]
"""
import html
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM, MODEL = map(os.path.abspath, sys.argv[1:3])
PICTURES = pathlib.Path(sys.argv[3]).absolute() if len(sys.argv) > 3 else None
CHROMIUM = shutil.which("chromium")
TEXTS = {
    "english": "The experts of a panel decide together what the next word is. Each of them knows a part of the matter. " * 60,
    "german": "Die Fachleute eines Gremiums entscheiden gemeinsam, welches Wort folgt. Jeder kennt einen Teil der Sache. " * 60,
}

# Runs in the page once it is ready; tells the frame around it what it found.
PROBE = """<script>
window.addEventListener('error', (event) => parent.postMessage(JSON.stringify({error: event.message}), '*'));
window.addEventListener('load', () => setTimeout(() => {
  const canvases = [...document.querySelectorAll('canvas')];
  const pixel = (canvas, row, column, rows, columns) => {
    const dots = canvas.width / canvas.clientWidth, side = (canvas.clientWidth - 18) / columns, tall = canvas.clientHeight / rows;
    return [...canvas.getContext('2d').getImageData((18 + (column + .5) * side) * dots, (row + .5) * tall * dots, 1, 1).data].slice(0, 3);
  };
  const place = (canvas, row, column, rows, columns) => {
    const box = canvas.getBoundingClientRect();
    return {bubbles: true, clientX: box.left + 18 + (column + .5) / columns * (box.width - 18), clientY: box.top + (row + .5) / rows * box.height};
  };
  const model = models[0], rows = model.layers.length, columns = model.layers[0].experts;
  const found = {
    ready: document.body.dataset.ready, width: innerWidth, overflow: document.documentElement.scrollWidth - innerWidth,
    background: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.body).color,
    canvases: canvases.length, first: document.querySelector('#expert h2').firstChild.textContent,
    small: [...document.querySelectorAll('select, button')].map((e) => e.getBoundingClientRect().height)
      .filter((height) => height > 0 && height < 24).length};
  const inside = (e) => e.right <= innerWidth + 1;
  found.outside = [...document.querySelectorAll('h1, h2, h3, p, canvas, select, button, li')].filter((e) => !inside(e.getBoundingClientRect())).length;
  const shares = model.layers[2].domains[0].chosen;
  const [most, least] = [shares.indexOf(Math.max(...shares)), shares.indexOf(Math.min(...shares))];
  found.most = pixel(canvases[0], 2, most, rows, columns);
  found.least = pixel(canvases[0], 2, least, rows, columns);
  canvases[0].dispatchEvent(new MouseEvent('click', place(canvases[0], 2, most, rows, columns)));
  found.clicked = document.querySelector('#expert h2').firstChild.textContent;
  found.expected = 'Expert ' + model.layers[2].layer + '.' + most;
  found.bars = [...document.querySelectorAll('#expert .bars span')].map((e) => e.textContent).filter((t) => t);
  found.tokens = [...document.querySelectorAll('#expert li .head')].map((e) => e.textContent);
  found.marks = [...document.querySelectorAll('#expert mark')].map((e) => e.textContent);
  found.pairs = document.querySelector('#layer').value;
  canvases[0].dispatchEvent(new PointerEvent('pointermove', place(canvases[0], 1, 3, rows, columns)));
  found.tip = document.querySelector('#tip').textContent;
  for (const key of ['ArrowRight', 'ArrowUp', 'Enter']) canvases[0].dispatchEvent(new KeyboardEvent('keydown', {key}));
  found.keyed = document.querySelector('#expert h2').firstChild.textContent;
  if (models.length > 1) {
    canvases[1].dispatchEvent(new MouseEvent('click', place(canvases[1], 0, 5, rows, columns)));
    found.other = document.querySelector('#expert h2').textContent;
  }
  found.address = location.hash;
  found.requests = performance.getEntriesByType('resource').length;
  parent.postMessage(JSON.stringify(found), '*');
}, 300));
</script>"""
FRAME = """<!doctype html><body style="margin:0"><iframe id="page" style="border:0;width:{width}px;height:{height}px"></iframe><pre id="found"></pre>
<script>addEventListener('message', (e) => document.getElementById('found').textContent = e.data);
document.getElementById('page').src = '{name}';</script>"""


def chromium(*arguments):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=4000", *arguments]
    return subprocess.run(command, capture_output=True, timeout=120).stdout.decode(errors="replace")


class Atlas(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        data = []
        for name, text in TEXTS.items():
            (cls.folder / f"{name}.txt").write_text(text)
            data += ["--data", f"{name}={name}.txt"]
        run = lambda *arguments: subprocess.run([PROGRAM, *arguments], cwd=cls.folder, check=True, capture_output=True, timeout=120)
        run("trace", "-m", MODEL, *data, "-o", "one", "--tokens", "600", "--window", "200")
        run("trace", "-m", MODEL, *data, "-o", "two", "--tokens", "600", "--window", "20")
        run("atlas", "one", "-o", "one.html")
        run("atlas", "one", "two", "-o", "two.html")
        for name in ("one", "two"):
            page = (cls.folder / f"{name}.html").read_text()
            (cls.folder / f"{name}-probed.html").write_text(page.replace("<head>", "<head>" + PROBE, 1))

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def look(self, name, width, dark):
        (self.folder / "frame.html").write_text(FRAME.format(width=width, height=3000, name=f"{name}-probed.html"))
        scheme = ["--force-dark-mode"] if dark else []
        dom = chromium(*scheme, "--window-size=1400,1000", "--dump-dom", f"file://{self.folder}/frame.html")
        found = json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', dom, re.S)[1]))
        self.assertNotIn("error", found, found)
        if PICTURES:
            height = 3400 if width < 600 else 2300
            (self.folder / "picture.html").write_text(FRAME.format(width=width, height=height, name=f"{name}.html"))
            PICTURES.mkdir(exist_ok=True)
            picture = PICTURES / f"{name}-{width}-{'dark' if dark else 'light'}.png"
            chromium(*scheme, f"--window-size={max(500, width)},{height}", f"--screenshot={picture}", f"file://{self.folder}/picture.html")
        return found

    def check(self, name, width, dark):
        found = self.look(name, width, dark)
        self.assertEqual((found["ready"], found["width"]), ("yes", width))
        self.assertEqual((found["overflow"], found["outside"], found["small"], found["requests"]), (0, 0, 0, 0), found)
        lightness = lambda css: sum(map(int, re.findall(r"\d+", css)[:3]))
        self.assertEqual(lightness(found["background"]) < lightness(found["ink"]), dark)
        self.assertGreater(sum(abs(a - b) for a, b in zip(found["most"], found["least"])), 120, "the map shows no difference")
        self.assertEqual(found["clicked"], found["expected"])
        self.assertEqual(found["pairs"], found["expected"].split()[1].split(".")[0])
        self.assertEqual([t for t in found["bars"] if t in TEXTS], list(TEXTS))
        self.assertGreater(len(found["tokens"]), 0)
        self.assertEqual(len(found["marks"]), len(found["tokens"]))
        self.assertRegex(found["tip"], r"layer 1, expert 3: [\d.]+ % of english")
        self.assertEqual(found["keyed"], "Expert 0.4")  # from layer 1, expert 3
        return found

    def test_one_model(self):
        for width in (1280, 400):
            for dark in (False, True):
                with self.subTest(width=width, dark=dark):
                    found = self.check("one", width, dark)
                    self.assertEqual(found["canvases"], len(TEXTS) + 2)

    def test_two_models_side_by_side(self):
        for width, dark in ((1280, False), (400, True)):
            with self.subTest(width=width, dark=dark):
                found = self.check("two", width, dark)
                self.assertEqual(found["canvases"], 2 * (len(TEXTS) + 2))
                self.assertTrue(found["address"].startswith("#1-"), found["address"])
                self.assertTrue(found["other"].startswith("Expert 0.5"), found["other"])

    def test_needs_no_network(self):
        page = (self.folder / "one.html").read_text()
        self.assertNotRegex(page, r"""(src|href)=|@import|url\(""")


if __name__ == "__main__":
    if not CHROMIUM:
        print("skipped: chromium is not installed")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=1)
