#include "text/pre_tokenizers.h"

#include <algorithm>

#include "base/error.h"

namespace gremium {

const std::string gpt2_pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

using namespace std::string_literals;

// Cased letters as DeepSeek's first vocabularies list them.
constexpr const char* cased_letters =
    "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293\u0295-\u02AF"
    "\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C\u038E-\u03A1\u03A3-\u03F5"
    "\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA"
    "\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45"
    "\u1F48-\u1F4D\u1F50-\u1F57\u1F59\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE"
    "\u1FC2-\u1FC4\u1FC6-\u1FCC\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102"
    "\u2107\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139"
    "\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE\u2CF2\u2CF3"
    "\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E\uAB70-\uABBF\uFB00-\uFB06"
    "\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A\U00010400-\U0001044F\U000104B0-\U000104D3"
    "\U000104D8-\U000104FB\U00010C80-\U00010CB2\U00010CC0-\U00010CF2\U000118A0-\U000118DF"
    "\U0001E900-\U0001E943";

const std::string contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const std::string punctuation = R"( ?[^\s\p{L}\p{N}]+[\r\n]*)";
const std::string punctuation_or_path = R"( ?[^\s\p{L}\p{N}]+[\r\n/]*)";
const std::string lines_and_spaces = R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

// Words as in Llama 3 and Qwen 2, which differ in how many digits go together.
std::string words(const std::string& digits) {
    return contraction + R"(|[^\r\n\p{L}\p{N}]?\p{L}+|)" + digits + "|" + punctuation + "|" + lines_and_spaces;
}

// Words that begin anew where a capital follows a small letter (OpenAI's o200k and its kin). `class_of` gives
// the expression for one letter of the listed categories.
template <typename ClassOf>
std::string cased_words(const ClassOf& class_of, const std::string& ending) {
    const std::string lead = R"([^\r\n\p{L}\p{N}]?)";
    const std::string upper = class_of(R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"),
                      lower = class_of(R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])");
    return lead + upper + "*" + lower + "+" + ending + "|" + lead + upper + "+" + lower + "*" + ending + "|";
}
std::string cased_words(const std::string& ending) {
    return cased_words([](const std::string& letters) { return letters; }, ending);
}

const std::string deepseek3_words =
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
    "[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|"
    "\\s*[\r\n]+|\\s+(?!\\S)|\\s+";
const std::string cjk_and_kana = "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+";
const std::string cjk_to_hangul = "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+";
// Digits in threes, counted from the right. Only the beginning of a run looks ahead, so a long one takes linear time.
const std::string threes_from_the_right = R"((?<!\p{N})\p{N}{1,2}(?=(?:\p{N}{3})++(?!\p{N}))|\p{N}{3}|\p{N}{1,2})";
// Scripts without spaces between words.
const std::string afmoe_scripts =
    "[\u4E00-\u9FFF\u3400-\u4DBF\uF900-\uFAFF\u3040-\u309F\u30A0-\u30FF\uFF65-\uFF9F\u2F00-\u2FDF\u0E40-\u0E7F"
    "\u0E80-\u0EFF\u1780-\u17FF\u1000-\u109F\uAA60-\uAA7F\uA9E0-\uA9FF\uAC00-\uD7AF\u1100-\u11FF]+";
const std::string o200k =
    cased_words(contraction + "?") + R"(\p{N}{1,3}|)" + punctuation_or_path + "|" + lines_and_spaces;
const std::string tekken = cased_words("") + R"(\p{N}|)" + punctuation_or_path + "|" + lines_and_spaces;
// As o200k, but runs of Han characters are words of their own.
const std::string kimi =
    R"([\p{Han}]+|)" +
    cased_words([](const std::string& letters) { return R"((?:(?!\p{Han}))" + letters + ")"; }, contraction + "?") +
    R"(\p{N}{1,3}|)" + punctuation + "|" + lines_and_spaces;

const std::vector<PreTokenizer>& table() {
    static const std::vector<PreTokenizer> rows = {
        {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"},
         {words(R"(\p{N}{1,3})")},
         true,
         true},
        {{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, {words(R"(\p{N}{1,3})")}},
        {{"qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "kormo", "hunyuan", "solar-open", "grok-2"},
         {words(R"(\p{N})")}},
        {{"qwen35"},
         {contraction + R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)" +
          lines_and_spaces}},
        {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "gigachat", "exaone4", "modern-bert", "mellum", "trillion",
          "granite-docling", "a.x-4.0"},
         {gpt2_pattern}},
        {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"},
         {R"(\p{N})", gpt2_pattern}},
        {{"falcon"}, {R"([\p{P}\$\+<=>\^~\|`]+)", gpt2_pattern, "[0-9][0-9][0-9]"}},
        {{"default"}, {R"([\p{P}\$\+<=>\^~\|]+)", gpt2_pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
        {{"deepseek-llm"},
         {"[\r\n]", R"(\s?[)"s + cased_letters + "]+",
          "\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+", R"(\s+$)", cjk_to_hangul, R"(\p{N}+)"}},
        {{"deepseek-coder"}, {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", cjk_to_hangul, R"(\p{N})"}},
        {{"deepseek-v3", "hunyuan-dense", "joyai-llm"}, {R"(\p{N}{1,3})", cjk_and_kana, deepseek3_words}},
        {{"afmoe"}, {threes_from_the_right, afmoe_scripts, deepseek3_words}},
        {{"laguna"}, {R"([^\n]+|\n+)", words(R"(\p{N})")}},
        {{"gpt-4o", "llama4", "kanana2", "minimax-m2"}, {o200k}},
        {{"tekken"}, {tekken}, true, true},
        {{"kimi-k2"}, {kimi}},
        {{"bailingmoe", "bailingmoe2", "llada-moe"},
         {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|)"
          R"(\s*[\r\n]|\s+(?!\S)|\s+)"}},
        {{"seed-coder"},
         {contraction +
          "|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"}},
        {{"exaone-moe"},
         {contraction + R"(|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|)" +
          R"(\s*[\r\n]|\s+(?!\S)|\s+)"}},
        {{"tiny_aya", "cohere2moe"}, {R"(\d{1,3}(?=(?:\d{3})*\b))", o200k}},
        {{"superbpe"}, {R"(\p{N}+)", R"((?=(\d{3})+(?!\d)))"}},
        {{"bloom", "poro-chat", "gpt3-finnish"}, {" ?[^(\\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+"}},
        {{"viking"}, {" ?[^(\\s|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)]+", R"(\p{N})"}},
    };
    return rows;
}

}  // namespace

const PreTokenizer& pre_tokenizer(std::string_view name) {
    if (name.empty()) name = "default";
    for (const PreTokenizer& row : table()) {
        if (std::find(row.names.begin(), row.names.end(), name) != row.names.end()) return row;
    }
    std::vector<std::string_view> names;
    for (const PreTokenizer& row : table()) names.insert(names.end(), row.names.begin(), row.names.end());
    fail("pre-tokenizer \"{}\" is not supported; supported: {}", name, fmt::join(names, ", "));
}

std::string_view pre_tokenizer_name(std::span<const std::string> patterns, bool ignore_merges) {
    for (const PreTokenizer& row : table()) {
        if (row.ignore_merges == ignore_merges && std::ranges::equal(row.patterns, patterns)) return row.names[0];
    }
    return "";
}

}  // namespace gremium
