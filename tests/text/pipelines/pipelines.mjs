// Small tokenizers that together use every part a tokenizer.json may have, and texts that are hard for them.
// node pipelines.mjs NODE_MODULES writes goldens.json beside this file: the tokenizers, the texts, and for each pair a hash of the
// ids that Hugging Face's tokenizers library gives (npm: @anush008/tokenizers). tests/text/pipelines_test.cpp compares ours.
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const texts = [
  "", " ", "  ", "   a", "a   ", "\t", "\n", "\r\n", " \n \n", "a\n\n\nb", "a \t b", "\u00a0x\u00a0", "\u3000全角\u3000", "x\u2028y\u0085z", "Hello world", " Hello  world ", "Hello, World! It's John's; they'RE we'll", "don\u2019t",
  "camelCase HTTPServer X2Y", "0 1 12 123 1234 12345 1234567", "x²+y³=½ Ⅷ ①②", "४५६ ٣٤٥ 一二三 𝟘𝟙", "if (x == 1) {\n\treturn foo[0]->bar;\n}\n", "a/b/c\\d//e\n/\n", "==--__..!!??", "你好，世界！", "日本語のテキスト、カタカナー", "한국어 텍스트", "각 ㄱ", "Привет, МИР! ПриветМир",
  "Γειά σου Κόσμε ΑΒΓΣ ΟΔΟΣ", "مرحبا بالعالم", "שָׁלוֹם", "नमस्ते दुनिया", "สวัสดี", "Việt Vie\u0323\u0302t", "cafe\u0301 CAFÉ Åé", "\u0301alone", "🦙👩‍👩‍👧‍👦👍🏽🇩🇪", "\u200bzero\u200dwidth\ufeff\u200e", "ǅ ŉ ﬁ ß ẞ İ ı ſ K Å", "<s>a</s> b</s>", " <s> x", "a<s>b", "x<mask>  y <mask>z", "wordy word word. sword (word) word1 wörd",
  "Upper UPPER upper ÜPPER", "▁under▁score ▁ Ġ", "nul\u0000\u0001\u007f\u009f", "“quotes” ‘single’ – — …", "™®©§¶€£¥±×÷", "http://a.b/c?d=%20#e", "a-b-c a--b", "aaaaaaaaaa", "ababababab", "unknown ~~~ é~é", "-1,234.5e-6", "x  <x>  y<x>", "  leading", "tail\u3000", "A\u0300\u0301\u0345", "e\u0301\u0323", "①ﬃ㎏ｱｲｳ", "<<s>><s", "</s></s>", "ñandú NANDÚ", "A.B.C.", "\ud7a3\u1100\u1161\u11a8",
];

const sequence = (kind, parts) => ({ type: "Sequence", [kind]: parts });
const bytes = Object.fromEntries([...Array(256).keys()].map((b) => [`<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`, b]));
// Ids are the bytes of the normalised text, with "</w>" behind every word.
const transparent = { type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: "</w>", fuse_unk: false, byte_fallback: true, ignore_merges: false, vocab: bytes, merges: [] };
const file = (parts) => ({ version: "1.0", truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, model: transparent, ...parts });
const added = (id, content, more) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...more });

const byCharacter = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ▁.,!?'-éüñßЖя你好日".split("");
const numbered = (tokens) => Object.fromEntries([...new Set(tokens)].map((t, i) => [t, i]));

export function pipelines() {
  const all = {};
  for (const type of ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel"]) all[`normalizer ${type}`] = file({ normalizer: { type } });
  for (const [left, right] of [[true, true], [true, false], [false, true]]) all[`normalizer Strip ${left} ${right}`] = file({ normalizer: { type: "Strip", strip_left: left, strip_right: right } });
  all["normalizer Prepend"] = file({ normalizer: { type: "Prepend", prepend: "▁" } });
  const replaces = { space: [{ String: " " }, "▁"], spaces: [{ Regex: " {2,}" }, "_"], word: [{ Regex: "\\w+" }, "W"], punctuation: [{ Regex: "\\p{P}|[`´]" }, "''"], special: [{ String: "a.b" }, "!"], digits: [{ Regex: "\\d" }, "#"], white: [{ Regex: "\\s+" }, " "], not: [{ Regex: "[^\\s\\w]" }, ""] };
  for (const [name, [pattern, content]] of Object.entries(replaces)) all[`normalizer Replace ${name}`] = file({ normalizer: { type: "Replace", pattern, content } });
  for (const lowercase of [true, false]) for (const strip_accents of [null, true, false]) all[`normalizer Bert ${lowercase} ${strip_accents}`] = file({ normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: lowercase, strip_accents, lowercase } });
  all["normalizer Bert nothing"] = file({ normalizer: { type: "BertNormalizer", clean_text: false, handle_chinese_chars: false, strip_accents: false, lowercase: false } });
  all["normalizers"] = file({ normalizer: sequence("normalizers", [{ type: "NFKD" }, { type: "StripAccents" }, { type: "Lowercase" }, { type: "Strip", strip_left: true, strip_right: true }, { type: "Replace", pattern: { Regex: " +" }, content: " " }]) });
  for (const prepend_scheme of ["always", "first", "never"]) for (const split of [true, false]) all[`Metaspace ${prepend_scheme} ${split}`] = file({ pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme, split }, added_tokens: [added(256, "<s>"), added(257, "<x>", { special: false, rstrip: true })] });
  all["Metaspace old"] = file({ pre_tokenizer: { type: "Metaspace", replacement: "▁", add_prefix_space: true } });
  all["Metaspace other"] = file({ pre_tokenizer: { type: "Metaspace", replacement: "_", prepend_scheme: "always", split: true } });
  for (const add_prefix_space of [true, false]) for (const use_regex of [true, false]) all[`ByteLevel ${add_prefix_space} ${use_regex}`] = file({ pre_tokenizer: { type: "ByteLevel", add_prefix_space, trim_offsets: true, use_regex }, added_tokens: [added(256, "<s>")] });
  const splits = { space: { String: " " }, letters: { Regex: "\\p{L}+" }, digit: { Regex: "\\p{N}" }, gpt4: { Regex: "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+" }, word: { Regex: "\\w+|[^\\w\\s]+" }, groups: { Regex: "\\d{1,3}(?=(?:\\d{3})*\\b)" }, cuts: { Regex: "(?=(\\d{3})+(?!\\d))" } };
  // Of Oniguruma's syntax: intersections of classes, line anchors, word boundaries, what is not tried again.
  const more = { both: "[\\p{L}&&[^\\p{Han}]]+", three: "[a-z0-9&&[^b-d]&&[^x]]+|[\\w&&\\p{Lu}]", lines: "^\\S|\\s+$", boundaries: "\\b\\w|\\B-", behind: "(?<=a)b|(?<!x)y", possessive: "a++|(?>ab|a)c|\\p{L}*+", caseless: "(?i:HELLO|é|s)", white: "[^\\S\\n]+", posix: "[[:alpha:]]+|[[:digit:]]+", scripts: "\\p{Han}+|\\p{Hiragana}|\\p{Cyrillic}+|\\P{L}", unicode: "[\\u4e00-\\u9fff\\x{3040}-\\x{30ff}]" };
  for (const [name, expression] of Object.entries(more)) all[`Split ${name}`] = file({ pre_tokenizer: { type: "Split", pattern: { Regex: expression }, behavior: "Isolated", invert: false } });
  for (const [name, pattern] of Object.entries(splits)) for (const behavior of ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]) for (const invert of name === "cuts" ? [false] : [false, true]) all[`Split ${name} ${behavior} ${invert}`] = file({ pre_tokenizer: { type: "Split", pattern, behavior, invert } });
  for (const individual_digits of [true, false]) all[`Digits ${individual_digits}`] = file({ pre_tokenizer: { type: "Digits", individual_digits } });
  for (const behavior of ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"]) all[`Punctuation ${behavior}`] = file({ pre_tokenizer: { type: "Punctuation", behavior } });
  for (const type of ["Whitespace", "WhitespaceSplit", "BertPreTokenizer"]) all[type] = file({ pre_tokenizer: { type } });
  all["CharDelimiterSplit"] = file({ pre_tokenizer: { type: "CharDelimiterSplit", delimiter: "-" } });
  all["Falcon"] = file({ pre_tokenizer: sequence("pretokenizers", [{ type: "Punctuation", behavior: "Contiguous" }, { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true }, { type: "Digits", individual_digits: false }, { type: "Split", pattern: { Regex: "[0-9][0-9][0-9]" }, behavior: "Isolated", invert: false }]) });
  all["T5"] = file({ pre_tokenizer: sequence("pretokenizers", [{ type: "WhitespaceSplit" }, { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true }]) });
  for (const more of [{ lstrip: true }, { rstrip: true }, { lstrip: true, rstrip: true }, { single_word: true }, { normalized: true }, { special: false }, { special: false, normalized: true, single_word: true }]) {
    const normalizer = sequence("normalizers", [{ type: "Lowercase" }, { type: "Replace", pattern: { String: " " }, content: "▁" }]);
    all[`added ${JSON.stringify(more)}`] = file({ normalizer, pre_tokenizer: { type: "Split", pattern: { String: "▁" }, behavior: "MergedWithNext", invert: false },
      added_tokens: [added(256, "<s>", more), added(257, "</s>", more), added(258, "word", more), added(259, "<mask>", more), added(260, "Upper", more), added(261, "s>a", more), added(262, "UPPER up", more), added(263, "  ", more)] });
  }
  all["added behind Prepend"] = file({ normalizer: sequence("normalizers", [{ type: "Prepend", prepend: "▁" }, { type: "Replace", pattern: { String: " " }, content: "▁" }]), added_tokens: [added(256, "<s>"), added(257, "word", { special: false, normalized: true }), added(258, "Hello", { special: false, normalized: true })] });

  const merges = ["a b", "ab a", "ab ab", "b a", "▁ w", "o r", "or d", "▁w ord", "H e", "l l", "He ll", "Hell o", "1 2", "12 3", "é ~"].filter((m) => !m.includes("~"));
  const merged = merges.map((m) => m.replace(" ", ""));
  const bpe = (more, extra = []) => ({ type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab: numbered(["<unk>", ...Object.keys(bytes), ...byCharacter, ...merged, ...extra]), merges, ...more });
  for (const byte_fallback of [true, false]) for (const fuse_unk of [true, false]) for (const unk_token of ["<unk>", null]) all[`BPE ${byte_fallback} ${fuse_unk} ${unk_token}`] = file({ model: bpe({ byte_fallback, fuse_unk, unk_token }), normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" } });
  const some = bpe({ byte_fallback: true, fuse_unk: true, unk_token: "<unk>" });
  for (const b of [0xe2, 0xf0, 0xc3]) delete some.vocab[`<0x${b.toString(16).toUpperCase()}>`];
  all["BPE some bytes"] = file({ model: { ...some, vocab: numbered(Object.keys(some.vocab)) } });
  all["BPE ignore_merges"] = file({ model: bpe({ ignore_merges: true, unk_token: "<unk>" }, ["world", "ababababab", "Hello"]), pre_tokenizer: { type: "WhitespaceSplit" } });
  const prefixed = ["a ##b", "ab ##a", "w ##o", "wo ##r", "wor ##d", "##l ##l"];
  all["BPE prefix"] = file({ pre_tokenizer: { type: "BertPreTokenizer" }, model: { ...bpe({ continuing_subword_prefix: "##", unk_token: "<unk>" }), vocab: numbered(["<unk>", ...byCharacter, ...byCharacter.map((c) => "##" + c), "ab", "aba", "wo", "wor", "word", "##ll"]), merges: prefixed } });
  all["BPE suffix"] = file({ pre_tokenizer: { type: "Whitespace" }, normalizer: { type: "Lowercase" }, model: { ...bpe({ end_of_word_suffix: "</w>", unk_token: "<unk>" }), vocab: numbered(["<unk>", ...byCharacter, ...byCharacter.map((c) => c + "</w>"), "wo", "or", "wor", "d</w>", "word</w>", "lo</w>", "ll"]), merges: ["w o", "o r", "wo r", "wor d</w>", "l o</w>", "l l"] } });
  all["BPE pairs"] = file({ model: { ...bpe({ unk_token: "<unk>" }), vocab: numbered(["<unk>", ...byCharacter, "a ", " a", "a a", "b c"]), merges: [["a", " "], [" ", "a"], ["a ", "a"]] } });
  const spelled = numbered(["ab", "Ġ", "a", "b", "H", "e", "l", "o", "Ġw", "w", "Ã", "©", "Ã©", "ll", "Ċ", "1", "2", "12"]);
  all["BPE bytes"] = file({ pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true }, model: { ...bpe({}), vocab: spelled, merges: ["a b", "Ġ w", "Ã ©", "l l", "1 2"] } });
  all["WordPiece"] = file({ normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true }, pre_tokenizer: { type: "BertPreTokenizer" }, model: { type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##", max_input_chars_per_word: 8, vocab: numbered(["[UNK]", ..."abcdefghijklmnopqrstuvwxyz0123456789.,!?'()-好你".split(""), ..."abcdefghijklmnopqrstuvwxyz0123456789好".split("").map((c) => "##" + c), "hello", "word", "##y", "##ly", "wor", "##abab", "aba"]) } });
  all["WordLevel"] = file({ pre_tokenizer: { type: "Whitespace" }, model: { type: "WordLevel", unk_token: "<unk>", vocab: numbered(["<unk>", "Hello", "world", "a", "b", ",", "!", "word"]) } });
  for (const byte_fallback of [true, false]) for (const spaced of [true, false]) all[`Unigram ${byte_fallback} ${spaced}`] = file({ pre_tokenizer: spaced ? { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true } : null, added_tokens: [added(0, "<unk>"), added(1, "</s>")],
    model: { type: "Unigram", unk_id: 0, byte_fallback, vocab: [["<unk>", 0], ["</s>", 0], ...Object.keys(bytes).map((b) => [b, 0]), ...byCharacter.map((c, i) => [c, -5.1 - 0.01 * i]), ["▁a", -2.3], ["ab", -4.00000001], ["aba", -6.3], ["bab", -6.2], ["Hello", -7], ["▁Hello", -7.5], ["▁w", -3], ["or", -3.1], ["word", -8], ["ld", -4.2], ["aaa", -9.123456789], ["aa", -6.08230452600001]] } });
  const template = (single, ids) => ({ type: "TemplateProcessing", single, pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 1 } }], special_tokens: ids });
  const A = { Sequence: { id: "A", type_id: 0 } }, special = (id) => ({ SpecialToken: { id, type_id: 0 } });
  all["around two"] = file({ added_tokens: [added(256, "[g]"), added(257, "sop"), added(258, "</s>")], post_processor: template([special("[g]"), special("sop"), A, special("</s>")], { "[g]": { id: "[g]", ids: [256], tokens: ["[g]"] }, sop: { id: "sop", ids: [257], tokens: ["sop"] }, "</s>": { id: "</s>", ids: [258], tokens: ["</s>"] } }) });
  all["around Roberta"] = file({ added_tokens: [added(256, "<s>"), added(257, "</s>")], post_processor: { type: "RobertaProcessing", sep: ["</s>", 257], cls: ["<s>", 256], trim_offsets: true, add_prefix_space: true } });
  all["around Bert"] = file({ added_tokens: [added(256, "<s>"), added(257, "</s>")], post_processor: sequence("processors", [{ type: "ByteLevel", add_prefix_space: true, trim_offsets: false, use_regex: true }, { type: "BertProcessing", sep: ["</s>", 257], cls: ["<s>", 256] }]) });
  return all;
}

// FNV-1a over the ids, 32 bits.
export function hash(ids) {
  let h = 0x811c9dc5;
  for (const id of ids) for (let shift = 0; shift < 32; shift += 8) h = Math.imul(h ^ ((id >>> shift) & 255), 0x01000193) >>> 0;
  return h;
}

export async function idsOf(Tokenizer, tokenizer) {
  const reference = Tokenizer.fromString(JSON.stringify(tokenizer));
  const result = [];
  for (const text of texts) result.push(Array.from((await reference.encode(text, null, { addSpecialTokens: true })).getIds()));
  return result;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { Tokenizer } = createRequire(join(resolve(process.argv[2]), "..", "x.js"))("@anush008/tokenizers");
  const goldens = [];
  for (const [name, tokenizer] of Object.entries(pipelines())) {
    try {
      goldens.push({ name, tokenizer, hashes: (await idsOf(Tokenizer, tokenizer)).map(hash) });
    } catch (error) {
      console.log(`${name}: ${error.message}`);
    }
  }
  // A model and a tokenizer a line; tokenizers name their models by place.
  const models = [];
  const lines = goldens.map(({ name, tokenizer, hashes }) => {
    const model = JSON.stringify(tokenizer.model);
    if (!models.includes(model)) models.push(model);
    return JSON.stringify({ name, tokenizer: { ...tokenizer, model: models.indexOf(model) }, hashes });
  });
  writeFileSync(join(dirname(fileURLToPath(import.meta.url)), "goldens.json"),
    `{"texts": ${JSON.stringify(texts)},\n"models": [\n${models.join(",\n")}],\n"pipelines": [\n${lines.join(",\n")}\n]}\n`);
  console.log(`${goldens.length} tokenizers, ${texts.length} texts`);
}
