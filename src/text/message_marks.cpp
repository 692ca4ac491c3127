#include "text/message_marks.h"

#include <algorithm>
#include <map>
#include <utility>

namespace gremium {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view first_bytes = "\xF4\x8F";

template <typename Call>
void each_string(Json& value, const Call& call) {
    if (value.is_string()) call(value.get_ref<std::string&>());
    if (value.is_structured())
        for (auto& part : value) each_string(part, call);
}

// Also within another occurrence.
template <typename Call>
void each_occurrence(std::string_view text, std::string_view name, const Call& call) {
    for (size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) call(at);
}

}  // namespace

MessageMarks::MessageMarks(Json messages, const std::vector<std::string_view>& names) : messages_(std::move(messages)) {
    choose_range();
    each_string(messages_, [&](std::string& text) { mark(text, names); });
}

// One of which no character is in the messages.
void MessageMarks::choose_range() {
    std::string all;
    each_string(messages_, [&](const std::string& text) { all += text; });
    const auto taken = [&](int third) {
        return all.find(std::string(first_bytes) + static_cast<char>(third)) != std::string::npos;
    };
    int third = 0x80;
    while (third < 0xBE && (taken(third) || taken(third + 1))) third += 2;
    range_ = static_cast<char>(third);
}

std::string MessageMarks::mark_of(char c) const {
    const int high = static_cast<unsigned char>(range_) | (c >> 6 & 1), low = 0x80 | (c & 0x3F);
    return std::string(first_bytes) + static_cast<char>(high) + static_cast<char>(low);
}

void MessageMarks::mark(std::string& text, const std::vector<std::string_view>& names) {
    std::map<size_t, char, std::greater<>> places;
    for (const std::string_view name : names) {
        const auto shown = std::ranges::find_if(name, [](char c) { return c > ' ' && c < '\x7f'; });
        if (shown == name.end()) continue;
        each_occurrence(text, name, [&](size_t at) {
            places[at + static_cast<size_t>(shown - name.begin())] = *shown;
            if (std::ranges::find(found_, name) == found_.end()) found_.push_back(name);
        });
    }
    for (const auto& [place, c] : places) text.replace(place, 1, mark_of(c));
}

MarkedText MessageMarks::unmarked(std::string_view text) const {
    MarkedText result;
    for (size_t i = 0; i < text.size(); ++i) {
        const bool is_mark =
            text.substr(i).starts_with(first_bytes) && i + 3 < text.size() && (text[i + 2] & ~1) == range_;
        if (is_mark) {
            result.given.push_back({result.text.size(), result.text.size() + 1});
            result.text += static_cast<char>((text[i + 2] & 1) << 6 | (text[i + 3] & 0x3F));
            i += 3;
        } else {
            result.text += text[i];
        }
    }
    return result;
}

MarkedText MessageMarks::compare(std::string plain, std::string_view marked) const {
    MarkedText other = unmarked(marked);
    if (other.text == plain) return other;
    const auto common = static_cast<size_t>(std::ranges::mismatch(plain, other.text).in1 - plain.begin());
    size_t behind = 0;
    const size_t shorter = std::min(plain.size(), other.text.size()) - common;
    while (behind < shorter && plain[plain.size() - 1 - behind] == other.text[other.text.size() - 1 - behind]) ++behind;
    const size_t end = plain.size() - behind, other_end = other.text.size() - behind;

    MarkedText result{.text = std::move(plain), .given = {}};
    for (const TextRange& range : other.given) {
        if (range.end <= common) result.given.push_back(range);
        if (range.begin >= other_end)
            result.given.push_back({range.begin - other_end + end, range.end - other_end + end});
    }
    for (const std::string_view name : found_)
        each_occurrence(result.text, name, [&](size_t at) {
            if (at < end && at + name.size() > common) result.given.push_back({at, at + 1});
        });
    std::ranges::sort(result.given, {}, &TextRange::begin);
    return result;
}

}  // namespace gremium
