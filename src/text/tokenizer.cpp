#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <functional>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/utf8.h"

namespace gremium {

namespace {

// Texts that end a turn or a document in published vocabularies, whatever ids the metadata names (llama.cpp's
// list).
constexpr std::array<std::string_view, 23> end_texts = {"</s>",
                                                        "<eos>",
                                                        "[EOS]",
                                                        "<EOT>",
                                                        "_<EOT>",
                                                        "[EOT]",
                                                        "<|eot|>",
                                                        "<|eot_id|>",
                                                        "<|eom|>",
                                                        "<|eom_id|>",
                                                        "<|end|>",
                                                        "<|endoftext|>",
                                                        "<|end_of_text|>",
                                                        "<end_of_turn>",
                                                        "<turn|>",
                                                        "<end_of_utterance>",
                                                        "<|im_end|>",
                                                        "<|return|>",
                                                        "<|call|>",
                                                        "<|calls|>",
                                                        "<|flush|>",
                                                        "[e~[",
                                                        "<｜end▁of▁sentence｜>"};

// gpt-oss: <|end|> closes one message of several, not the answer. -1: no such token.
int32_t end_of_message(const Vocabulary& v) {
    const auto id_of = [&](std::string_view text) {
        const auto at = std::ranges::find(v.tokens, text);
        return at == v.tokens.end() ? -1 : static_cast<int32_t>(at - v.tokens.begin());
    };
    return id_of("<|return|>") >= 0 && id_of("<|call|>") >= 0 ? id_of("<|end|>") : -1;
}

std::vector<int32_t> find_end_of_generation(const Vocabulary& v) {
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < v.size(); ++id)
        if (std::ranges::find(end_texts, v.tokens[id]) != end_texts.end()) ids.push_back(id);
    if (v.eos >= 0) ids.push_back(v.eos);
    ids.insert(ids.end(), v.ends.begin(), v.ends.end());
    if (const int32_t id = end_of_template(v, v.chat_template); id >= 0) ids.push_back(id);
    std::erase(ids, end_of_message(v));
    std::ranges::sort(ids);
    const auto repeated = std::ranges::unique(ids);
    ids.erase(repeated.begin(), repeated.end());
    return ids;
}

bool is_special(TokenType type) {
    return type == TokenType::control || type == TokenType::unknown || type == TokenType::user_defined;
}

// A stretch of the text: either raw (id < 0) or one special token.
struct Fragment {
    std::string_view text;
    int32_t id = -1;
};

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Cuts every occurrence of a token, but for the excepted ones, out of the raw fragments.
std::vector<Fragment> cut(const std::vector<Fragment>& fragments, std::string_view token, const SpecialToken& special,
                          const std::function<bool(std::string_view)>& excepted) {
    std::vector<Fragment> result;
    for (const Fragment& fragment : fragments) {
        std::string_view rest = fragment.text;
        for (size_t at = 0; fragment.id < 0 && (at = rest.find(token, at)) != rest.npos;) {
            if (excepted(rest.substr(at, token.size()))) {
                ++at;
                continue;
            }
            std::string_view before = rest.substr(0, at);
            rest.remove_prefix(at + token.size());
            while (special.strip_left && !before.empty() && is_space(before.back())) before.remove_suffix(1);
            while (special.strip_right && !rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
            if (!before.empty()) result.push_back({before});
            result.push_back({token, special.id});
            at = 0;
        }
        if (!rest.empty()) result.push_back({rest, fragment.id});
    }
    return result;
}

}  // namespace

int32_t end_of_template(const Vocabulary& v, std::string_view chat_template) {
    if (chat_template.empty()) return -1;
    const auto text_of = [&](int32_t id) { return id < 0 ? std::string_view() : std::string_view(v.tokens[id]); };
    const std::string after = text_after_answer(chat_template, text_of(v.bos), text_of(v.eos));
    const std::string_view rest =
        std::string_view(after).substr(std::min(after.find_first_not_of(" \n"), after.size()));
    int32_t longest = -1;
    for (int32_t id = 0; id < v.size(); ++id)
        if (v.types[id] == TokenType::control && id != v.bos && !v.tokens[id].empty() &&
            rest.starts_with(v.tokens[id]) && v.tokens[id].size() > text_of(longest).size())
            longest = id;
    return longest == end_of_message(v) ? -1 : longest;
}

Tokenizer::Tokenizer(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)) {
    const Vocabulary& v = vocabulary_;
    validate(v, "tokenizer");
    for (int32_t id = 0; id < v.size(); ++id) {
        if (is_special(v.types[id]) && !v.tokens[id].empty()) {
            const auto in = [&](const std::vector<int32_t>& list) { return std::ranges::find(list, id) != list.end(); };
            specials_.push_back({id, v.types[id] == TokenType::user_defined, in(v.strip_left), in(v.strip_right)});
        }
    }
    std::stable_sort(specials_.begin(), specials_.end(), [&](const SpecialToken& a, const SpecialToken& b) {
        return v.tokens[a.id].size() > v.tokens[b.id].size();
    });
    for (size_t i = specials_.size(); i-- > 0;) {
        special_index_.add(v.tokens[specials_[i].id], static_cast<int32_t>(i));
    }
    special_index_.build();
    end_of_generation_ = find_end_of_generation(v);
}

std::vector<bool> Tokenizer::occurring_specials(std::string_view text) const {
    std::vector<bool> occurs(specials_.size());
    for (size_t i = 0; i < text.size(); ++i) {
        special_index_.prefixes(text.substr(i), [&](int32_t special, size_t) { occurs[special] = true; });
    }
    return occurs;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
    const Vocabulary& v = vocabulary_;
    std::vector<int32_t> ids;
    if (options.add_bos_eos && !before_.empty())
        ids = before_;
    else if (options.add_bos_eos && v.add_bos)
        ids.push_back(v.bos);
    encode_text(text, options, ids);
    if (options.add_bos_eos && !behind_.empty())
        ids.insert(ids.end(), behind_.begin(), behind_.end());
    else if (options.add_bos_eos && v.add_eos)
        ids.push_back(v.eos);
    return ids;
}

bool Tokenizer::is_untrusted(std::string_view text, std::string_view part, const EncodeOptions& options) {
    const auto begin = static_cast<size_t>(part.data() - text.data());
    const auto range = std::ranges::upper_bound(options.untrusted, begin, {}, &TextRange::end);
    return range != options.untrusted.end() && range->begin < begin + part.size();
}

void Tokenizer::encode_text(std::string_view text, const EncodeOptions& options, std::vector<int32_t>& ids) const {
    const Vocabulary& v = vocabulary_;
    std::vector<Fragment> fragments;
    if (!text.empty()) fragments.push_back({text});
    const std::vector<bool> occurs = occurring_specials(text);
    for (size_t i = 0; i < specials_.size(); ++i) {
        const SpecialToken& special = specials_[i];
        if (occurs[i] && (special.always || options.parse_special)) {
            fragments = cut(fragments, v.tokens[special.id], special, [&](std::string_view part) {
                return !special.always && is_untrusted(text, part, options);
            });
        }
    }

    bool starts_text = true;
    for (const Fragment& fragment : fragments) {
        if (fragment.id >= 0) {
            ids.push_back(fragment.id);
        } else {
            encode_fragment(fragment.text, starts_text, ids);
        }
        starts_text = fragment.id >= 0;
    }
}

std::string Tokenizer::decode(std::span<const int32_t> ids, const DecodeOptions& options) const {
    std::string text;
    bool at_start = options.at_start;
    for (int32_t id : ids) append_piece(id, options.specials, at_start, text);
    return text;
}

std::string_view Tokenizer::piece(int32_t id) const {
    if (id < 0 || id >= vocabulary_.size()) {
        fail("token id {} is not in the vocabulary of {} tokens", id, vocabulary_.size());
    }
    return pieces_[id];
}

bool Tokenizer::is_end_of_generation(int32_t id) const {
    return std::find(end_of_generation_.begin(), end_of_generation_.end(), id) != end_of_generation_.end();
}

void Tokenizer::append_piece(int32_t id, bool specials, bool& at_start, std::string& out) const {
    std::string_view text = piece(id);
    const TokenType type = vocabulary_.types[id];
    if (is_special(type)) {
        at_start = true;
        if (type != TokenType::user_defined && !specials) return;
    } else {
        if (at_start && vocabulary_.add_space_prefix && text.starts_with(' ')) text.remove_prefix(1);
        at_start = false;
    }
    out += text;
}

std::string StreamingDecoder::push(int32_t id) {
    tokenizer_->append_piece(id, specials_, at_start_, pending_);
    std::string text;
    std::string_view rest = pending_;
    while (!rest.empty()) {
        const utf8::Start start = utf8::start(rest);
        if (start.kind == utf8::Start::unfinished) break;
        text += start.kind == utf8::Start::character ? rest.substr(0, start.size) : "\uFFFD";
        rest.remove_prefix(start.size);
    }
    pending_.erase(0, pending_.size() - rest.size());
    return text;
}

std::string StreamingDecoder::flush() {
    const bool unfinished = !pending_.empty();
    pending_.clear();
    return unfinished ? "\uFFFD" : "";
}

}  // namespace gremium
