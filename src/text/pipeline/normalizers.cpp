#include "text/pipeline/normalizers.h"

#include <memory>

#include "base/error.h"
#include "text/base64.h"
#include "text/byte_alphabet.h"
#include "text/charsmap.h"
#include "text/pattern.h"
#include "text/unicode.h"

namespace gremium::pipeline {

namespace {

using Json = nlohmann::json;
using unicode::Character;

// Every character by itself: appends what it becomes.
template <typename Change>
auto each_character(Change change) {
    return [change](std::string_view text) {
        std::string result;
        for (const Character& c : unicode::characters(text)) change(result, c);
        return result;
    };
}

bool is_nonspacing(int32_t code) {
    const auto category = unicode::category(code);
    return category.major == 'M' && category.minor == 'n';
}

bool is_chinese(int32_t code) {
    constexpr std::pair<int32_t, int32_t> ranges[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                                      {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF},
                                                      {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    return std::ranges::any_of(ranges, [&](const auto& range) { return range.first <= code && code <= range.second; });
}

// Control and format characters go, but for tabs and line ends; white space is a space.
void clean(std::string& out, Character c) {
    const bool line = c.code == '\t' || c.code == '\n' || c.code == '\r';
    if (c.code == 0 || c.code == 0xFFFD) return;
    const auto category = unicode::category(c.code);
    const bool control = c.code >= 0 && category.major == 'C' && category.minor != 'n';
    if (control && !line) return;
    if (line || unicode::is_white_space(c.code))
        out += ' ';
    else
        out += c.bytes;
}

void lower(std::string& out, Character c) { unicode::append_lower(out, c); }

std::string lowered(std::string_view text) { return each_character(lower)(text); }

std::string without_accents(std::string_view text) {
    return each_character([](std::string& out, Character c) {
        if (!is_nonspacing(c.code)) out += c.bytes;
    })(unicode::normal_form(text, unicode::Form::d));
}

std::string bert(const Json& step, std::string_view given) {
    std::string text(given);
    const bool lowercase = step.value("lowercase", true);
    const Json accents = step.value("strip_accents", Json());
    if (step.value("clean_text", true)) text = each_character(clean)(text);
    if (step.value("handle_chinese_chars", true)) {
        text = each_character([](std::string& out, Character c) {
            const bool apart = is_chinese(c.code);
            if (apart) out += ' ';
            out += c.bytes;
            if (apart) out += ' ';
        })(text);
    }
    if (accents.is_null() ? lowercase : accents.get<bool>()) text = without_accents(text);
    return lowercase ? lowered(text) : text;
}

// As the neural machine translation rules of SentencePiece have it: controls go, odd spaces are spaces.
void nmt(std::string& out, Character c) {
    const int32_t code = c.code;
    if ((code >= 0x1 && code <= 0x8) || code == 0xB || (code >= 0xE && code <= 0x1F) || code == 0x7F || code == 0x8F ||
        code == 0x9F)
        return;
    constexpr int32_t spaces[] = {0x9,    0xA,    0xC,    0xD,    0x1680, 0x200B, 0x200C, 0x200D,
                                  0x200E, 0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD};
    if (std::ranges::find(spaces, code) != std::end(spaces))
        out += ' ';
    else
        out += c.bytes;
}

std::string stripped(std::string_view text, bool left, bool right) {
    while (left && !text.empty() && unicode::is_white_space(unicode::first(text).code))
        text.remove_prefix(unicode::first(text).bytes.size());
    while (right && !text.empty() && unicode::is_white_space(unicode::last(text).code))
        text.remove_suffix(unicode::last(text).bytes.size());
    return std::string(text);
}

// The library asks its rules for whole grapheme clusters of less than six bytes, then for their characters, and takes
// the shortest rule that the asked text begins with for all of it.
std::string precompiled(const Charsmap& rules, std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const std::string_view cluster = text.substr(0, unicode::grapheme_size(text));
        text.remove_prefix(cluster.size());
        const auto whole = cluster.size() < 6 ? rules.shortest(cluster) : Charsmap::Rule{0, {}};
        if (whole.size > 0) {
            result += whole.replacement;
            continue;
        }
        for (const Character& c : unicode::characters(cluster)) {
            const auto rule = rules.shortest(c.bytes);
            result += rule.size > 0 ? rule.replacement : c.bytes;
        }
    }
    return result;
}

std::string replaced_by(const Pattern& pattern, std::string_view text, std::string_view content) {
    std::string result;
    size_t done = 0;
    pattern.matches(text, [&](size_t begin, size_t end) {
        result.append(text.substr(done, begin - done)).append(content);
        done = end;
    });
    return result.append(text.substr(done));
}

std::string byte_characters(std::string_view text) {
    std::string result;
    for (char c : text) result += byte_character(static_cast<unsigned char>(c));
    return result;
}

}  // namespace

std::string expression_of(const Json& step) {
    const Json& given = step.at("pattern");
    if (given.contains("Regex")) return given["Regex"];
    return Pattern::literal(given.at("String").get<std::string>());
}

Normalizers::Step Normalizers::step_of(const Json& step) {
    using unicode::Form;
    const std::string type = step.at("type");
    const auto form = [](Form f) { return [f](std::string_view text) { return unicode::normal_form(text, f); }; };
    if (type == "NFC") return form(Form::c);
    if (type == "NFD") return form(Form::d);
    if (type == "NFKC") return form(Form::kc);
    if (type == "NFKD") return form(Form::kd);
    if (type == "Lowercase") return each_character(lower);
    if (type == "Nmt") return each_character(nmt);
    if (type == "ByteLevel") return byte_characters;
    if (type == "BertNormalizer") return [step](std::string_view text) { return bert(step, text); };
    if (type == "StripAccents") {
        return each_character([](std::string& out, Character c) {
            if (!unicode::is_mark(c.code)) out += c.bytes;
        });
    }
    if (type == "Strip") {
        return [left = step.value("strip_left", true), right = step.value("strip_right", true)](std::string_view text) {
            return stripped(text, left, right);
        };
    }
    if (type == "Prepend") {
        return [front = step.at("prepend").get<std::string>()](std::string_view text) {
            return text.empty() ? std::string() : front + std::string(text);
        };
    }
    if (type == "Replace") {
        return [pattern = std::make_shared<Pattern>(expression_of(step)),
                content = step.at("content").get<std::string>()](std::string_view text) {
            return replaced_by(*pattern, text, content);
        };
    }
    if (type == "Precompiled") {
        const Json map = step.value("precompiled_charsmap", Json());
        return [rules = std::make_shared<Charsmap>(map.is_null() ? "" : from_base64(map.get<std::string>()))](
                   std::string_view text) { return precompiled(*rules, text); };
    }
    fail(
        "normalizer {} is not supported; supported: NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Prepend, "
        "Replace, BertNormalizer, Nmt, Precompiled, ByteLevel, Sequence",
        step.dump());
}

void Normalizers::add(const Json& step, int depth) {
    if (step.is_null()) return;
    if (step.at("type") != "Sequence") return steps_.push_back(step_of(step));
    if (depth > 8) fail("its sequences are nested too deeply");
    for (const Json& part : step.at("normalizers")) add(part, depth + 1);
}

Normalizers::Normalizers(const Json& section) { add(section, 0); }

std::string Normalizers::operator()(std::string_view text) const {
    std::string result(text);
    for (const Step& step : steps_) result = step(result);
    return result;
}

}  // namespace gremium::pipeline
