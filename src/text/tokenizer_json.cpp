#include "text/tokenizer_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "text/base64.h"
#include "text/pre_tokenizers.h"
#include "text/replace.h"
#include "text/token_index.h"
#include "text/tokenizer_file.h"

namespace gremium {

namespace {

using Json = nlohmann::json;

constexpr std::string_view space_symbol = "\u2581";

// The steps of a section that may be null, one step or nested sequences of them.
void collect(const Json& section, const char* list, int depth, std::vector<Json>& steps) {
    if (section.is_null()) return;
    if (section.at("type") != "Sequence") return steps.push_back(section);
    if (depth > 8) fail("its sequences are nested too deeply");
    for (const Json& step : section.at(list)) collect(step, list, depth + 1, steps);
}

std::vector<Json> steps(const Json& file, const char* section, const char* list) {
    std::vector<Json> result;
    if (file.contains(section)) collect(file[section], list, 0, result);
    return result;
}

// The pattern of a "Split" or "Replace" step as a regular expression.
std::string pattern(const Json& step) {
    const Json& given = step.at("pattern");
    if (given.contains("Regex")) return given["Regex"];
    std::string escaped;
    for (char c : given.at("String").get<std::string>()) {
        if (std::string_view(R"(\^$.|?*+()[]{})").find(c) != std::string_view::npos) escaped += '\\';
        escaped += c;
    }
    return escaped;
}

class Reader {
  public:
    explicit Reader(TokenizerFile file) : file_(std::move(file.settings)), lists_(std::move(file)) {}

    Vocabulary read() {
        for (const Json& step : steps(file_, "normalizer", "normalizers")) normalizer(step);
        for (const Json& step : steps(file_, "pre_tokenizer", "pretokenizers")) pre_tokenizer_step(step);
        model(file_.at("model"));
        for (const Json& token : file_.value("added_tokens", Json::array())) {
            add_token(v_, token.at("id"), token, "added_tokens");
        }
        for (const Json& step : steps(file_, "post_processor", "processors")) post_processor(step);
        return std::move(v_);
    }

  private:
    void normalizer(const Json& step) {
        const std::string type = step.at("type");
        if (type == "NFC") {
            v_.nfc = true;
        } else if (type == "Prepend" && step.at("prepend") == space_symbol) {
            v_.add_space_prefix = true;
        } else if (type == "Replace" && pattern(step) == " " && step.at("content") == space_symbol) {
            // Spaces are U+2581 in all but byte-level vocabularies.
        } else if ((type == "Replace" && pattern(step) == " {2,}") || type == "Strip") {
            v_.remove_extra_whitespaces = true;
        } else if (type == "Precompiled") {
            v_.charsmap = from_base64(step.at("precompiled_charsmap").get<std::string>());
        } else {
            fail(
                "normalizer {} is not supported; supported: NFC, Precompiled, and Prepend, Replace and Strip "
                "as "
                "SentencePiece does",
                step.dump());
        }
    }

    void pre_tokenizer_step(const Json& step) {
        const std::string type = step.at("type");
        if (type == "ByteLevel") {
            byte_level_ = true;
            v_.add_space_prefix = step.value("add_prefix_space", true);
            if (step.value("use_regex", true)) v_.splits.push_back(gpt2_pattern);
        } else if (type == "Digits") {
            v_.splits.push_back(step.value("individual_digits", false) ? "\\p{N}" : "\\p{N}+");
        } else if (type == "Punctuation") {
            const std::string one = R"([!-/:-@\[-`{-~\p{P}])", behavior = step.value("behavior", "Isolated");
            if (behavior != "Isolated" && behavior != "Contiguous") unsupported(step);
            v_.splits.push_back(behavior == "Isolated" ? one : one + "+");
        } else if (type == "Metaspace") {
            if (step.value("replacement", "") != space_symbol) unsupported(step);
            const bool always = step.value("add_prefix_space", true);
            v_.add_space_prefix = step.value("prepend_scheme", always ? "always" : "never") != "never";
        } else if (type == "WhitespaceSplit") {
            v_.remove_extra_whitespaces = true;
        } else if (type == "Split") {
            split(step);
        } else {
            unsupported(step);
        }
    }

    void split(const Json& step) {
        const std::string behavior = step.at("behavior");
        const bool inverted = step.value("invert", false);
        if (behavior == "MergedWithPrevious" && pattern(step) == " ") return;  // Gemma: no space is left by then
        // Matches and gaps are pieces alike; or only the matches are, of a pattern that leaves no gaps.
        if (behavior != "Isolated" && !(behavior == "Removed" && inverted)) unsupported(step);
        v_.splits.push_back(pattern(step));
    }

    [[noreturn]] static void unsupported(const Json& step) {
        fail(
            "pre_tokenizer {} is not supported; supported: ByteLevel, Digits, Metaspace, Punctuation, Split "
            "(Isolated) "
            "and WhitespaceSplit",
            step.dump());
    }

    void model(const Json& model) {
        const std::string type = model.value("type", lists_.scores.empty() ? "BPE" : "Unigram");
        if (type == "Unigram") {
            unigram(model);
        } else if (type == "BPE") {
            byte_pairs(model);
        } else {
            fail("model \"{}\" is not supported; supported: BPE, Unigram", type);
        }
    }

    void unigram(const Json& model) {
        v_.model = "t5";
        for (auto& [token, score] : lists_.scores) {
            v_.tokens.push_back(std::move(token));
            v_.scores.push_back(static_cast<float>(score));
        }
        v_.types.resize(v_.tokens.size(), TokenType::normal);
        v_.splits.clear();
        if (const Json unknown = model.value("unk_id", Json()); unknown.is_number_integer()) set_unknown(unknown);
    }

    void byte_pairs(const Json& model) {
        bool has_empty = false;
        for (auto& [token, id] : lists_.ids) {
            has_empty |= token.empty();
            place(id, std::move(token), lists_.ids.size());
        }
        v_.types.resize(v_.tokens.size(), TokenType::normal);
        for (size_t id = 0; id < v_.tokens.size(); ++id) {
            if (!v_.tokens[id].empty() || has_empty) continue;
            v_.tokens[id] = fmt::format("[PAD{}]", id);  // a gap in the numbering
            v_.types[id] = TokenType::unused;
        }
        v_.merges = std::move(lists_.merges);
        if (const Json unknown = model.value("unk_token", Json()); unknown.is_string() && !byte_level_) {
            const auto it = std::ranges::find(v_.tokens, unknown.get<std::string>());
            if (it != v_.tokens.end()) set_unknown(it - v_.tokens.begin());
        }
        if (byte_level_) {
            v_.model = "gpt2";
            v_.ignore_merges = model.value("ignore_merges", false);
            if (v_.splits.empty()) v_.splits.push_back("(?!)");  // never matches: all is one word
            v_.pre = pre_tokenizer_name(v_.splits, v_.ignore_merges);
        } else {
            scores_from_merges();
            if (model.value("byte_fallback", false)) mark_bytes();
        }
    }

    // SentencePiece's BPE merges by the score of what comes out; converters wrote the merges in that order.
    void scores_from_merges() {
        if (!v_.splits.empty()) fail("a pre_tokenizer with patterns and without ByteLevel is not supported");
        TokenIndex index(v_.tokens.size());
        for (int32_t id = 0; id < v_.size(); ++id) index.add(v_.tokens[id], id);
        v_.scores.assign(v_.tokens.size(), -static_cast<float>(v_.merges.size()));
        for (size_t rank = v_.merges.size(); rank-- > 0;) {
            const size_t space = v_.merges[rank].find(' ', 1);
            if (space == std::string::npos) fail("merge {} is \"{}\"", rank, v_.merges[rank]);
            const int32_t merged = index.find(v_.merges[rank].erase(space, 1));
            if (merged >= 0) v_.scores[merged] = -static_cast<float>(rank);
        }
        v_.merges.clear();
    }

    void mark_bytes() {
        std::set<std::string> names;
        for (int byte = 0; byte < 256; ++byte) names.insert(fmt::format("<0x{:02X}>", byte));
        for (size_t id = 0; id < v_.tokens.size(); ++id) {
            if (v_.tokens[id].size() == 6 && names.contains(v_.tokens[id])) v_.types[id] = TokenType::byte;
        }
    }

    void place(int64_t id, std::string token, size_t count) {
        if (id < 0 || id >= 2 * static_cast<int64_t>(count) + 1024) fail("token \"{}\" has id {}", token, id);
        if (id >= v_.size()) v_.tokens.resize(id + 1);
        v_.tokens[id] = std::move(token);
    }

    void set_unknown(int64_t id) {
        if (id < 0 || id >= v_.size()) fail("the unknown token has id {}", id);
        v_.unk = static_cast<int32_t>(id);
        v_.types[id] = TokenType::unknown;
    }

    // One special token before the text is BOS, one after it is EOS.
    void post_processor(const Json& step) {
        if (step.at("type") != "TemplateProcessing") return;
        std::vector<std::string> before, after;
        bool text_seen = false;
        for (const Json& part : step.at("single")) {
            if (part.contains("Sequence")) {
                text_seen = true;
            } else {
                (text_seen ? after : before).push_back(part.at("SpecialToken").at("id"));
            }
        }
        const auto id_of = [&](const std::string& name) {
            return step.at("special_tokens").at(name).at("ids").at(0).get<int32_t>();
        };
        if (before.size() == 1) v_.bos = id_of(before[0]), v_.add_bos = true;
        if (after.size() == 1) v_.eos = id_of(after[0]), v_.add_eos = true;
    }

    Json file_;  // the settings
    TokenizerFile lists_;
    Vocabulary v_;
    bool byte_level_ = false;
};

// Texts that published files do not mark as special though they are: "<|fim_begin|>".
bool looks_special(std::string_view text) {
    return (text.starts_with("<|") && text.ends_with("|>")) || (text.starts_with("<｜") && text.ends_with("｜>"));
}

}  // namespace

Vocabulary read_tokenizer_json(std::string_view bytes, std::string_view where) {
    TokenizerFile file = read_tokenizer_file(bytes, where);
    try {
        Vocabulary v = Reader(std::move(file)).read();
        validate(v, where);
        return v;
    } catch (const Json::exception& error) {
        fail("{}: not as the tokenizers library writes it: {}", where, error.what());
    } catch (const Error& error) {
        if (std::string_view(error.what()).starts_with(where)) throw;
        fail("{}: {}", where, error.what());
    }
}

namespace {

Json added_tokens(const Vocabulary& v) {
    Json tokens = Json::array();
    for (int32_t id = 0; id < v.size(); ++id) {
        if (v.types[id] != TokenType::control && v.types[id] != TokenType::user_defined) continue;
        const auto in = [&](const std::vector<int32_t>& list) { return std::ranges::find(list, id) != list.end(); };
        tokens.push_back({{"id", id},
                          {"content", v.tokens[id]},
                          {"single_word", false},
                          {"lstrip", in(v.strip_left)},
                          {"rstrip", in(v.strip_right)},
                          {"normalized", false},
                          {"special", v.types[id] == TokenType::control}});
    }
    return tokens;
}

Json pre_tokenizer_section(const Vocabulary& v) {
    Json steps = Json::array();
    for (const std::string& pattern : v.splits.empty() ? pre_tokenizer(v.pre).patterns : v.splits) {
        steps.push_back(
            {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
    }
    steps.push_back({{"type", "ByteLevel"},
                     {"add_prefix_space", v.add_space_prefix},
                     {"trim_offsets", true},
                     {"use_regex", false}});
    return {{"type", "Sequence"}, {"pretokenizers", steps}};
}

// BOS and EOS around the text, as far as they are added.
Json post_processor_section(const Vocabulary& v) {
    Json single = Json::array(), tokens = Json::object();
    const auto add = [&](bool wanted, int32_t id) {
        if (!wanted) return;
        const std::string& name = v.tokens[id];
        single.push_back({{"SpecialToken", {{"id", name}, {"type_id", 0}}}});
        tokens[name] = {{"id", name}, {"ids", {id}}, {"tokens", {name}}};
    };
    add(v.add_bos, v.bos);
    single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
    add(v.add_eos, v.eos);
    Json pair = single;
    pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
    return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", tokens}};
}

}  // namespace

std::string write_tokenizer_json(const Vocabulary& v) {
    Json vocabulary = Json::object();
    for (int32_t id = 0; id < v.size(); ++id) {
        if (v.types[id] != TokenType::control && v.types[id] != TokenType::user_defined) vocabulary[v.tokens[id]] = id;
    }
    const Json byte_level = {
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
    const nlohmann::ordered_json file = {{"version", "1.0"},
                                         {"truncation", nullptr},
                                         {"padding", nullptr},
                                         {"added_tokens", added_tokens(v)},
                                         {"normalizer", v.nfc ? Json{{"type", "NFC"}} : Json()},
                                         {"pre_tokenizer", pre_tokenizer_section(v)},
                                         {"post_processor", post_processor_section(v)},
                                         {"decoder", byte_level},
                                         {"model",
                                          {{"type", "BPE"},
                                           {"dropout", nullptr},
                                           {"unk_token", nullptr},
                                           {"continuing_subword_prefix", nullptr},
                                           {"end_of_word_suffix", nullptr},
                                           {"fuse_unk", false},
                                           {"byte_fallback", false},
                                           {"ignore_merges", v.ignore_merges},
                                           {"vocab", vocabulary},
                                           {"merges", v.merges}}}};
    return file.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

void add_token(Vocabulary& v, int64_t id, const Json& token, std::string_view where) {
    if (id < 0 || id > v.size() + 65536)
        fail("{}: an added token has id {}, the vocabulary {} tokens", where, id, v.size());
    for (int32_t gap = v.size(); gap <= id; ++gap) {
        v.tokens.push_back(fmt::format("[PAD{}]", gap));
        v.types.push_back(TokenType::unused);
        if (v.model != "gpt2") v.scores.push_back(0);
    }
    const std::string content = token.at("content");
    const bool special = token.value("special", false) || looks_special(content);
    if (v.types[id] != TokenType::unknown) v.types[id] = special ? TokenType::control : TokenType::user_defined;
    v.tokens[id] = v.model == "llama" && !special ? replaced(content, space_symbol, " ") : content;
    const auto note = [&](const char* side, std::vector<int32_t>& list) {
        if (token.value(side, false) && std::ranges::find(list, id) == list.end())
            list.push_back(static_cast<int32_t>(id));
    };
    note("lstrip", v.strip_left);
    note("rstrip", v.strip_right);
}

}  // namespace gremium
