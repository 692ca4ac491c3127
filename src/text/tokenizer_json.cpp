#include "text/tokenizer_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "text/base64.h"
#include "text/pipeline/normalizers.h"
#include "text/pipeline/pre_tokenizers.h"
#include "text/pipeline/tokenizer.h"
#include "text/pre_tokenizers.h"
#include "text/replace.h"
#include "text/token_index.h"
#include "text/tokenizer_file.h"

namespace gremium {

namespace {

using Json = nlohmann::json;

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

class Reader {
  public:
    explicit Reader(TokenizerFile file) : file_(std::move(file.settings)), lists_(std::move(file)) {}

    Vocabulary read() {
        const Json given = file_;
        for (const char* own : {"before", "behind"}) file_.erase(own);
        file_.at("model").erase("scores");
        check_steps();
        for (const Json& step : steps(file_, "normalizer", "normalizers")) normalizer(step);
        for (const Json& step : steps(file_, "pre_tokenizer", "pretokenizers")) pre_tokenizer_step(step);
        model(file_.at("model"));
        for (const Json& token : file_.value("added_tokens", Json::array())) {
            const int64_t id = token.at("id");
            const bool own = id >= 0 && id < v_.size() && v_.tokens[id] == token.at("content").get<std::string>();
            if (!own) added_only_.insert(id);
            add_token(v_, id, token, "added_tokens");
            if (v_.tokens[id] != token["content"]) respelled_.push_back({id, token["content"]});
        }
        for (const Json& step : steps(file_, "post_processor", "processors")) post_processor(step);
        if (!has_form_) v_.add_space_prefix = pipeline::strips_space(pipeline::decoder_of(file_));
        // Of a file as we write it the other fields say all.
        if (v_.model == "gpt2" && given == Json(tokenizer_json_settings(v_))) return std::move(v_);
        keep_only(file_, {"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
                          "post_processor", "decoder", "model", "before", "behind"});
        keep_only(file_["model"],
                  {"type", "dropout", "unk_token", "unk_id", "continuing_subword_prefix", "end_of_word_suffix",
                   "fuse_unk", "byte_fallback", "ignore_merges", "max_input_chars_per_word", "scores"});
        file_["model"]["added_only"] = added_only_;
        file_["model"]["respelled"] = respelled_;
        v_.pipeline = file_.dump(-1, ' ', false, Json::error_handler_t::replace);
        return std::move(v_);
    }

  private:
    static void keep_only(Json& object, std::initializer_list<std::string_view> keys) {
        Json kept = Json::object();
        for (const auto& [key, value] : object.items()) {
            if (std::ranges::find(keys, key) != keys.end()) kept[key] = value;
        }
        object = std::move(kept);
    }

    // What no tokenizer of ours could do is said now.
    void check_steps() const {
        pipeline::Normalizers(file_.value("normalizer", Json()));
        pipeline::PreTokenizers(file_.value("pre_tokenizer", Json()));
        pipeline::decoded_pieces(pipeline::decoder_of(file_), {""});
    }

    // The steps as far as GGUF has a form for them: what a vocabulary's other fields say. Where it has none, only the
    // file itself tells how text is encoded.
    void normalizer(const Json& step) {
        const std::string type = step.at("type");
        const auto replaces = [&](const char* what) {
            return type == "Replace" && pipeline::expression_of(step) == what;
        };
        if (type == "NFC") {
            v_.nfc = true;
        } else if (type == "Prepend" && step.at("prepend") == space_symbol) {
            v_.add_space_prefix = true;
        } else if (replaces(" ") && step.at("content") == space_symbol) {
            // Spaces are U+2581 in all but byte-level vocabularies.
        } else if (replaces(" {2,}") || type == "Strip") {
            v_.remove_extra_whitespaces = true;
        } else if (type == "Precompiled" && !step.value("precompiled_charsmap", Json()).is_null()) {
            v_.charsmap = from_base64(step.at("precompiled_charsmap").get<std::string>());
        } else {
            has_form_ = false;
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
            has_form_ &= behavior == "Isolated" || behavior == "Contiguous";
            v_.splits.push_back(behavior == "Isolated" ? one : one + "+");
        } else if (type == "Metaspace") {
            has_form_ &= step.value("replacement", "") == space_symbol;
            const bool always = step.value("add_prefix_space", true);
            v_.add_space_prefix = step.value("prepend_scheme", always ? "always" : "never") != "never";
        } else if (type == "WhitespaceSplit") {
            v_.remove_extra_whitespaces = true;
        } else if (type == "Split") {
            split(step);
        } else {
            has_form_ = false;
        }
    }

    void split(const Json& step) {
        const std::string behavior = step.at("behavior"), pattern = pipeline::expression_of(step);
        const bool inverted = step.value("invert", false);
        if (behavior == "MergedWithPrevious" && pattern == " ") return;  // Gemma: no space is left by then
        // Matches and gaps are pieces alike; or only the matches are, of a pattern that leaves no gaps.
        has_form_ &= behavior == "Isolated" || (behavior == "Removed" && inverted);
        v_.splits.push_back(pattern);
    }

    void model(Json& model) {
        if (!model.contains("type")) model["type"] = lists_.scores.empty() ? "BPE" : "Unigram";
        const std::string type = model["type"];
        has_form_ &= type == "Unigram" || (type == "BPE" && (byte_level_ || v_.splits.empty()));
        if (type == "Unigram")
            unigram(model);
        else if (type == "BPE" || type == "WordPiece" || type == "WordLevel")
            words(model);
        else
            fail("model \"{}\" is not supported; supported: BPE, Unigram, WordPiece, WordLevel", type);
        if (has_form_) return;
        Vocabulary without;
        without.model = "tokenizer.json";
        without.tokens = std::move(v_.tokens);
        without.scores = std::move(v_.scores);
        without.types = std::move(v_.types);
        without.merges = std::move(v_.merges);
        without.unk = v_.unk;
        v_ = std::move(without);
    }

    void unigram(Json& model) {
        v_.model = "t5";
        bool exact = true;
        Json scores = Json::array();
        for (auto& [token, score] : lists_.scores) {
            v_.tokens.push_back(std::move(token));
            v_.scores.push_back(static_cast<float>(score));
            exact &= v_.scores.back() == score;
            scores.push_back(score);
        }
        if (!exact) model["scores"] = std::move(scores);
        v_.types.resize(v_.tokens.size(), TokenType::normal);
        v_.splits.clear();
        if (const Json unknown = model.value("unk_id", Json()); unknown.is_number_integer()) set_unknown(unknown);
    }

    // Of models whose vocabulary is a mapping.
    void words(const Json& model) {
        bool has_empty = false;
        for (auto& [token, id] : lists_.ids) {
            has_empty |= token.empty();
            place(id, std::move(token), lists_.ids.size());
        }
        v_.types.resize(v_.tokens.size(), TokenType::normal);
        for (size_t id = 0; id < v_.tokens.size(); ++id) {
            if (!v_.tokens[id].empty() || has_empty) continue;
            added_only_.insert(static_cast<int64_t>(id));
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
        } else if (has_form_) {
            scores_from_merges();
            if (model.value("byte_fallback", false)) mark_bytes();
        }
    }

    // SentencePiece's BPE merges by the score of what comes out; converters wrote the merges in that order.
    void scores_from_merges() {
        TokenIndex index(v_.tokens.size());
        for (int32_t id = 0; id < v_.size(); ++id) index.add(v_.tokens[id], id);
        v_.scores.assign(v_.tokens.size(), -static_cast<float>(v_.merges.size()));
        for (size_t rank = v_.merges.size(); rank-- > 0;) {
            const size_t space = v_.merges[rank].find(' ', 1);
            if (space == std::string::npos) fail("merge {} is \"{}\"", rank, v_.merges[rank]);
            const int32_t merged = index.find(std::string(v_.merges[rank]).erase(space, 1));
            if (merged >= 0) v_.scores[merged] = -static_cast<float>(rank);
        }
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
        const std::string type = step.at("type");
        std::vector<int32_t> before, behind;
        if (type == "TemplateProcessing") {
            bool text_seen = false;
            for (const Json& part : step.at("single")) {
                if (part.contains("Sequence")) {
                    text_seen = true;
                    continue;
                }
                const std::string name = part.at("SpecialToken").at("id");
                for (const Json& id : step.at("special_tokens").at(name).at("ids"))
                    (text_seen ? behind : before).push_back(id);
            }
        } else if (type == "BertProcessing" || type == "RobertaProcessing") {
            before = {step.at("cls").at(1)};
            behind = {step.at("sep").at(1)};
        } else if (type != "ByteLevel") {
            fail(
                "post_processor {} is not supported; supported: TemplateProcessing, BertProcessing, RobertaProcessing, "
                "ByteLevel, Sequence",
                step.dump());
        }
        for (const int32_t id : before) check_id(id);
        for (const int32_t id : behind) check_id(id);
        if (before.size() == 1) v_.bos = before[0], v_.add_bos = true;
        if (behind.size() == 1) v_.eos = behind[0], v_.add_eos = true;
        if (before.size() > 1) file_["before"] = before;
        if (behind.size() > 1) file_["behind"] = behind;
    }

    void check_id(int32_t id) const {
        if (id < 0 || id >= v_.size()) fail("post_processor: id {} is not in the vocabulary of {}", id, v_.size());
    }

    Json file_;  // the settings
    TokenizerFile lists_;
    Vocabulary v_;
    bool byte_level_ = false;
    bool has_form_ = true;          // GGUF has one for it
    std::set<int64_t> added_only_;  // ids that the model itself does not have
    // Added tokens that the vocabulary spells in another way: id, text.
    std::vector<std::pair<int64_t, std::string>> respelled_;
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

void add_token(Vocabulary& v, int64_t id, const Json& token, std::string_view where) {
    if (id < 0 || id > v.size() + 65536)
        fail("{}: an added token has id {}, the vocabulary {} tokens", where, id, v.size());
    for (int32_t gap = v.size(); gap <= id; ++gap) {
        v.tokens.push_back(fmt::format("[PAD{}]", gap));
        v.types.push_back(TokenType::unused);
        if (!v.scores.empty()) v.scores.push_back(0);
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
