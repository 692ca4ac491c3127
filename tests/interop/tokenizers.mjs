// tokenizers.mjs TEXT_PROBE PACKAGES [TEXTS …]: ids of real tokenizer.json files, ours against the tokenizers library's.
// Run in a directory whose node_modules has `@anush008/tokenizers`, a native build of it, and the packages with models.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { texts as small } from "../text/pipelines/pipelines.mjs";

const { Tokenizer } = createRequire(join(process.cwd(), "x.js"))("@anush008/tokenizers");
const [probe, packages, ...files] = process.argv.slice(2);

// White space, digits, case, scripts, marks, emoji, and what the patterns single out.
const common = [
  "", " ", "  ", "   ", "\t", "\n", "\r\n", " \n", "\n \n", "a\n\n\nb", "a \t b", "\u00a0x\u00a0", "\u3000全角\u3000", "x\u2028y\u0085z",
  "Hello world", " Hello  world ", "Hello, World! It's John's; they'RE we'll I'D 'tis 'S", "don\u2019t", "'ſ", "camelCase HTTPServer iPhone X2Y",
  "0 1 12 123 1234 12345 1234567890 3.14159 1e-9 1,234,567.89", "x²+y³=½", "Ⅷ ①② ४५६ ٣٤٥ 一二三 𝟘𝟙𝟚",
  "if (x == 1) {\n\treturn foo[0]->bar;\n}\n\n\n    // comment\n", "def f(x):\n    return x ** 2  # ok\n", "a/b/c\\d//e\n/\n", "====----____....!!!???",
  "你好，世界！今天天气很好。", "日本語のテキスト、カタカナとひらがな。", "한국어 텍스트입니다.", "漢字kanji混ざりtext", "Привет, МИР! ПриветМир", "Γειά σου Κόσμε ΑΒΓαβγ",
  "مرحبا بالعالم", "שלום עולם", "नमस्ते दुनिया", "สวัสดีชาวโลก", "Việt Nam tiếng Việt", "Việt decomposed: Vie\u0323\u0302t", "cafe\u0301 CAFE\u0301 caf\u00e9", "\u0301alone",
  "🦙", "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷", "🚀 (normal) 😶‍🌫️ (multiple emojis concatenated) ✅", "\u200b zero\u200dwidth\ufeff", "a\u180eb", "\u{1F1E6}\u{1F1E7}c", "ǅ ǈ ǆ ŉ ﬁ ß ẞ İ ı",
  "a".repeat(300), " ".repeat(100) + "x", "\n".repeat(50), "=".repeat(200), "ab ".repeat(100), "1".repeat(50), "的".repeat(120),
  "<|begin_of_text|>x<|eot_id|> y <|im_start|>user\n<|im_end|>", "<s>a</s> b</s>", "<｜begin▁of▁sentence｜>a<｜User｜> b<｜Assistant｜>", "<|endoftext|> <|fim_prefix|> <tool_call>\n</tool_call>",
  "[INST] x [/INST]", "▁under▁score Ġ Ċ", "mixed \u0000 nul", "tab\tnew\vvt\fff", "“quotes” ‘single’ – — …", "™®© §¶ €£¥ ±×÷", "http://example.com/a?b=c&d=%20#e", "C++ C# F# .NET node.js a_b_c A-B-C",
  ...files.flatMap((file) => readFileSync(file, "utf8").split("\n__ggml_vocab_test__\n")),
  ...small, "aé".repeat(1000), " \n".repeat(500) + "x", "7".repeat(2000), "\u0301".repeat(500), ".,;".repeat(400), "x\t".repeat(300), "あア漢".repeat(300), "🦙".repeat(200), "'s't're".repeat(100),
];

// With the vocabulary's own added tokens, beside each other and beside all that they may swallow.
function hard(directory) {
  const tokens = JSON.parse(readFileSync(join(directory, "tokenizer.json"), "utf8")).added_tokens.map((token) => token.content);
  const some = tokens.filter((_, i) => i % Math.ceil(tokens.length / 14) === 0);
  const around = some.flatMap((t) => [`a${t}b`, `  ${t}  x`, `${t}${t}\n${t} `, t.slice(0, -1), `${t.slice(1)}${t}`]);
  const mixed = common.map((text, i) => text.slice(0, 40) + (some[i % some.length] ?? "") + common[(7 * i + 3) % common.length].slice(0, 40));
  return [...new Set([...common, ...around, ...mixed])];
}

let failures = 0, compared = 0;
for (const name of packages.split(",")) {
  const directory = join("node_modules", name, "models");
  if (!existsSync(join(directory, "tokenizer.json"))) {
    console.log(`${name}: not installed`);
    continue;
  }
  const texts = hard(directory);
  const reference = Tokenizer.fromFile(join(directory, "tokenizer.json"));
  const alone = mkdtempSync(join(tmpdir(), "tokenizer-"));  // without tokenizer_config.json, of which the library knows nothing
  symlinkSync(resolve(directory, "tokenizer.json"), join(alone, "tokenizer.json"));
  const ours = JSON.parse(execFileSync(probe, ["ids", alone], { input: JSON.stringify(texts), maxBuffer: 1 << 28 }));
  rmSync(alone, { recursive: true });
  let different = 0;
  for (let i = 0; i < texts.length; ++i) {
    const expected = Array.from((await reference.encode(texts[i], null, { addSpecialTokens: false })).getIds());
    if (JSON.stringify(expected) === JSON.stringify(ours[i].ids)) continue;
    if (++different <= 5) console.log(`${name}: ${JSON.stringify(texts[i]).slice(0, 200)}\n  expected ${JSON.stringify(expected).slice(0, 300)}\n  ours     ${JSON.stringify(ours[i].ids).slice(0, 300)}`);
  }
  console.log(`${name}: ${texts.length - different} of ${texts.length} texts equal`);
  failures += different;
  ++compared;
}
if (compared === 0) process.exit(77);
process.exit(failures ? 1 : 0);
