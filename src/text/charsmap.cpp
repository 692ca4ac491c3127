#include "text/charsmap.h"

#include "base/error.h"
#include "text/utf8.h"

namespace gremium {

namespace {

uint32_t little_endian(std::string_view bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<unsigned char>(bytes[i])} << 8 * i;
    return value;
}

}  // namespace

Charsmap::Charsmap(std::string_view bytes) {
    if (bytes.empty()) return;
    const size_t size = bytes.size() < 4 ? bytes.size() : little_endian(bytes);
    if (bytes.size() < 4 || size % 4 != 0 || size > bytes.size() - 4) {
        fail("precompiled_charsmap: {} bytes with a trie of {}", bytes.size(), size);
    }
    for (size_t i = 0; i < size; i += 4) nodes_.push_back(little_endian(bytes.substr(4 + i)));
    replacements_ = bytes.substr(4 + size);
}

Charsmap::Rule Charsmap::longest(std::string_view text) const { return find(text, false); }

Charsmap::Rule Charsmap::shortest(std::string_view text) const { return find(text, true); }

// A node's bits in darts-clone: 31 and 7..0 the label (bit 31 marks a value), 8 whether a value follows,
// 30..10 the offset to its children, shifted by 8 when bit 9 is set.
Charsmap::Rule Charsmap::find(std::string_view text, bool first) const {
    constexpr uint32_t value_bit = uint32_t{1} << 31;
    const auto children = [](uint32_t node) { return (node >> 10 & 0x1FFFFF) << (node >> 6 & 8); };
    Rule rule{0, {}};
    size_t at = children(node(0));
    for (size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        at ^= byte;
        const uint32_t here = node(at);
        if (byte == 0 || (here & (value_bit | 0xFF)) != byte) break;
        at ^= children(here);
        if (here >> 8 & 1) {
            const size_t begin = std::min<size_t>(node(at) & ~value_bit, replacements_.size());
            const std::string_view rest = std::string_view(replacements_).substr(begin);
            rule = {i + 1, rest.substr(0, rest.find('\0'))};
            if (first) break;
        }
    }
    return rule;
}

Normalizer::Normalizer(const Vocabulary& v)
    : charsmap_(v.charsmap), space_in_front_(v.add_space_prefix), one_space_(v.remove_extra_whitespaces) {
    for (int32_t id = 0; id < v.size(); ++id) {
        if (v.types[id] == TokenType::user_defined) user_defined_.add(v.tokens[id], id);
    }
    user_defined_.build();
}

// What the head of `text`, which is not empty, becomes.
Charsmap::Rule Normalizer::next(std::string_view text) const {
    size_t kept = 0;
    user_defined_.prefixes(text, [&](int32_t, size_t size) { kept = size; });
    if (kept > 0) return {kept, text.substr(0, kept)};
    if (const auto rule = charsmap_.longest(text); rule.size > 0) return rule;
    const utf8::Start start = utf8::start(text);
    if (start.kind == utf8::Start::character) return {start.size, text.substr(0, start.size)};
    return {1, "\uFFFD"};
}

std::string Normalizer::operator()(std::string_view text) const {
    std::string result;
    bool in_word = false, in_front = space_in_front_;
    while (!text.empty()) {
        const auto [size, replacement] = next(text);
        text.remove_prefix(size);
        for (char c : replacement) {
            if (c != ' ') {
                if (!in_word && (one_space_ || in_front)) result += space_symbol;
                in_word = true;
                in_front = false;
                result += c;
            } else {
                in_word = false;
                if (!one_space_) result += space_symbol;
            }
        }
    }
    return result;
}

}  // namespace gremium
