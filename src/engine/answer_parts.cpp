#include "engine/answer_parts.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace gremium::engine {
namespace {

struct Marks {
    std::string_view open, close;
};
constexpr std::array<Marks, 6> thoughts = {{{"<think>", "</think>"},
                                            {"[THINK]", "[/THINK]"},
                                            {"<seed:think>", "</seed:think>"},
                                            {"◁think▷", "◁/think▷"},
                                            {"<|START_THINKING|>", "<|END_THINKING|>"},
                                            {"<|channel>", "<channel|>"}}};
constexpr std::array<std::string_view, 7> channel_marks = {"<|channel|>", "<|message|>", "<|start|>",    "<|end|>",
                                                           "<|return|>",  "<|call|>",    "<|constrain|>"};
constexpr std::string_view space = " \t\r\n";

std::string_view without_space(std::string_view text) {
    return text.substr(std::min(text.find_first_not_of(space), text.size()));
}

bool has_control(const Vocabulary& v, std::string_view text) {
    for (int32_t id = 0; id < v.size(); ++id)
        if (v.types[static_cast<size_t>(id)] == TokenType::control && v.tokens[static_cast<size_t>(id)] == text)
            return true;
    return false;
}

// How many bytes at the end of a text may be the beginning of a mark.
size_t possible(std::string_view text, std::string_view mark) {
    for (size_t n = std::min(text.size(), mark.size() - 1); n > 0; --n)
        if (text.ends_with(mark.substr(0, n))) return n;
    return 0;
}

void append(AnswerPieces& pieces, AnswerPieces more) { std::ranges::move(more, std::back_inserter(pieces)); }

}  // namespace

AnswerParts::AnswerParts(const Tokenizer& tokenizer, std::span<const int32_t> prompt)
    : tokenizer_(&tokenizer),
      channels_(has_control(tokenizer.vocabulary(), "<|channel|>") &&
                has_control(tokenizer.vocabulary(), "<|message|>")) {
    constexpr size_t enough = 32;  // tokens: marks are few
    const std::string end = tokenizer.decode(prompt.last(std::min(prompt.size(), enough)), {.specials = true});
    for (const Marks& marks : thoughts) {
        const size_t at = end.rfind(marks.open);
        if (at == std::string::npos || !without_space(std::string_view(end).substr(at + marks.open.size())).empty())
            continue;
        state_ = State::thought;
        closing_ = marks.close;
    }
}

std::string_view AnswerParts::mark(int32_t token) const {
    const Vocabulary& v = tokenizer_->vocabulary();
    const auto id = static_cast<size_t>(token);
    if (token < 0 || token >= v.size() || v.types[id] != TokenType::control) return {};
    const std::string_view text = v.tokens[id];
    if (channels_ && std::ranges::find(channel_marks, text) != channel_marks.end()) return text;
    const auto is = [&](const Marks& marks) { return text == marks.open || text == marks.close; };
    return std::ranges::any_of(thoughts, is) ? text : std::string_view();
}

AnswerPieces AnswerParts::put(std::string text, bool thought) {
    if (!thought && trims_) text = without_space(text);
    if (text.empty()) return {};
    if (!thought) at_start_ = trims_ = false;
    return {{std::move(text), thought}};
}

AnswerPieces AnswerParts::add(std::string_view text) {
    if (state_ == State::role) return {};
    if (state_ == State::channel) return channel_ += text, AnswerPieces{};
    pending_ += text;
    return state_ == State::said ? add_said() : add_thought();
}

AnswerPieces AnswerParts::add_said() {
    if (!at_start_) return release();
    const std::string_view begun = without_space(pending_);
    for (const Marks& marks : thoughts) {
        if (begun.starts_with(marks.open)) {
            pending_.erase(0, pending_.size() - begun.size() + marks.open.size());
            state_ = State::thought;
            closing_ = marks.close;
            return add_thought();
        }
        // White space alone may go before a mark too.
        if (marks.open.starts_with(begun)) return {};
    }
    return release();
}

AnswerPieces AnswerParts::add_thought() {
    if (closing_.empty()) return release();
    const size_t at = pending_.find(closing_);
    if (at != std::string::npos) {
        AnswerPieces pieces = put(pending_.substr(0, at), true);
        pending_.erase(0, at + closing_.size());
        state_ = State::said;
        at_start_ = trims_ = true;
        append(pieces, add_said());
        return pieces;
    }
    const size_t certain = pending_.size() - possible(pending_, closing_);
    AnswerPieces pieces = put(pending_.substr(0, certain), true);
    pending_.erase(0, certain);
    return pieces;
}

AnswerPieces AnswerParts::release() {
    AnswerPieces pieces = put(std::move(pending_), state_ == State::thought);
    pending_.clear();
    return pieces;
}

AnswerPieces AnswerParts::change(std::string_view mark) {
    AnswerPieces pieces = release();
    for (const Marks& marks : thoughts) {
        if (mark == marks.open) {
            state_ = State::thought;
            closing_ = marks.close;
            return pieces;
        }
        if (mark == marks.close) {
            state_ = State::said;
            at_start_ = trims_ = true;
            return pieces;
        }
    }
    if (mark == "<|message|>") {
        const std::string_view name = without_space(channel_);
        state_ = name.empty() || name.starts_with("final") ? State::said : State::thought;
        closing_ = {};
    } else if (mark == "<|channel|>") {
        state_ = State::channel;
        channel_.clear();
    } else if (mark != "<|constrain|>") {
        state_ = State::role;
        channel_.clear();
    }
    return pieces;
}

AnswerPieces AnswerParts::finish() { return release(); }

}  // namespace gremium::engine
