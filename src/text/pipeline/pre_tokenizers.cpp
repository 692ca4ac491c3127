#include "text/pipeline/pre_tokenizers.h"

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/pattern.h"
#include "text/pipeline/normalizers.h"
#include "text/pre_tokenizers.h"
#include "text/replace.h"
#include "text/unicode.h"

namespace gremium::pipeline {

namespace {

using Json = nlohmann::json;

struct Range {
    size_t begin, end;
    bool match;
};

// What cuts: matches and the gaps between them cover the piece.
using Finder = std::function<std::vector<Range>(std::string_view)>;

Finder by_pattern(const std::string& expression) {
    return [pattern = std::make_shared<Pattern>(expression)](std::string_view text) {
        std::vector<Range> ranges;
        size_t done = 0;
        pattern->matches(text, [&](size_t begin, size_t end) {
            if (begin > done) ranges.push_back({done, begin, false});
            ranges.push_back({begin, end, true});
            done = end;
        });
        if (done < text.size()) ranges.push_back({done, text.size(), false});
        return ranges;
    };
}

// Characters of a kind, each a match.
template <typename Wanted>
Finder by_character(Wanted wanted) {
    return [wanted](std::string_view text) {
        std::vector<Range> ranges;
        size_t at = 0;
        for (const auto& c : unicode::characters(text)) {
            const bool match = wanted(c.code);
            const size_t end = at + c.bytes.size();
            if (!match && !ranges.empty() && !ranges.back().match)
                ranges.back().end = end;
            else
                ranges.push_back({at, end, match});
            at = end;
        }
        return ranges;
    };
}

// Which ranges become one piece; those removed are left out.
std::vector<Range> joined(const std::vector<Range>& ranges, const std::string& behavior, const Json& step) {
    std::vector<Range> result;
    if (behavior == "Isolated") return ranges;
    if (behavior == "Removed") {
        std::ranges::copy_if(ranges, std::back_inserter(result), [](const Range& range) { return !range.match; });
        return result;
    }
    const bool contiguous = behavior == "Contiguous", with_next = behavior == "MergedWithNext";
    if (!contiguous && !with_next && behavior != "MergedWithPrevious")
        fail("pre_tokenizer {}: behavior \"{}\" is not supported", step.dump(), behavior);
    bool before = false;  // whether the range before it matched: in the direction of merging
    const size_t n = ranges.size();
    for (size_t i = 0; i < n; ++i) {
        const Range& range = ranges[with_next ? n - 1 - i : i];
        const bool joins = contiguous ? range.match == before : range.match && !before;
        if (!joins || result.empty())
            result.push_back(range);
        else if (with_next)
            result.back().begin = range.begin;
        else
            result.back().end = range.end;
        before = range.match;
    }
    if (with_next) std::ranges::reverse(result);
    return result;
}

auto cutting(Finder find, const std::string& behavior, bool invert, const Json& step) {
    joined({}, behavior, step);  // is it known?
    return [=](std::string_view piece, bool at_start, Texts&, const Emit& emit) {
        std::vector<Range> ranges = find(piece);
        for (Range& range : ranges) range.match ^= invert;
        for (const Range& range : joined(ranges, behavior, step)) {
            if (range.begin < range.end)
                emit(piece.substr(range.begin, range.end - range.begin), at_start && range.begin == 0);
        }
    };
}

bool is_punctuation(int32_t code) {
    const bool ascii = (code >= '!' && code <= '/') || (code >= ':' && code <= '@') || (code >= '[' && code <= '`') ||
                       (code >= '{' && code <= '~');
    return ascii || unicode::is_punctuation(code);
}

auto metaspace(const Json& step) {
    const std::string symbol = step.value("replacement", "\u2581");
    const bool old = step.value("add_prefix_space", true);
    const std::string scheme = step.value("prepend_scheme", old ? "always" : "never");
    if (scheme != "always" && scheme != "never" && scheme != "first")
        fail("pre_tokenizer {}: prepend_scheme is \"{}\"", step.dump(), scheme);
    const auto cut = cutting(by_pattern(Pattern::literal(symbol)), "MergedWithNext", false, step);
    return
        [=, split = step.value("split", true)](std::string_view piece, bool at_start, Texts& made, const Emit& emit) {
            std::string text = replaced(piece, " ", symbol);
            const bool wanted = scheme == "always" || (scheme == "first" && at_start);
            if (wanted && !text.starts_with(symbol)) text = symbol + text;
            made.push_back(std::move(text));
            if (split)
                cut(made.back(), at_start, made, emit);
            else
                emit(made.back(), at_start);
        };
}

// Pieces of so many characters.
auto fixed_length(const Json& step) {
    const int64_t length = step.value("length", int64_t{5});
    if (length < 1) fail("pre_tokenizer {}: length is {}", step.dump(), length);
    return [length](std::string_view piece, bool at_start, Texts&, const Emit& emit) {
        size_t begin = 0, end = 0;
        int64_t count = 0;
        for (const auto& c : unicode::characters(piece)) {
            end += c.bytes.size();
            if (++count < length) continue;
            emit(piece.substr(begin, end - begin), at_start && begin == 0);
            begin = end;
            count = 0;
        }
        if (begin < end) emit(piece.substr(begin), at_start && begin == 0);
    };
}

}  // namespace

void PreTokenizers::add_byte_level(const Json& step) {
    if (step.value("add_prefix_space", true)) {
        steps_.push_back([](std::string_view piece, bool at_start, Texts& made, const Emit& emit) {
            if (piece.starts_with(' ')) return emit(piece, at_start);
            made.push_back(fmt::format(" {}", piece));
            emit(made.back(), at_start);
        });
    }
    if (step.value("use_regex", true)) steps_.push_back(cutting(by_pattern(gpt2_pattern), "Isolated", false, step));
}

void PreTokenizers::add(const Json& step, int depth) {
    if (step.is_null()) return;
    const std::string type = step.at("type");
    if (spell_bytes_ && type != "Sequence") {
        // There are steps behind it: these see its alphabet.
        steps_.push_back([](std::string_view piece, bool at_start, Texts& made, const Emit& emit) {
            std::string& spelled = made.emplace_back();
            for (char c : piece) spelled += byte_character(static_cast<unsigned char>(c));
            emit(spelled, at_start);
        });
        spell_bytes_ = false;
    }
    const auto cut = [&](Finder find, const std::string& behavior, bool invert = false) {
        steps_.push_back(cutting(std::move(find), behavior, invert, step));
    };
    if (type == "Sequence") {
        if (depth > 8) fail("its sequences are nested too deeply");
        for (const Json& part : step.at("pretokenizers")) add(part, depth + 1);
    } else if (type == "ByteLevel") {
        add_byte_level(step);
        spell_bytes_ = true;
    } else if (type == "Metaspace") {
        steps_.push_back(metaspace(step));
    } else if (type == "Split") {
        cut(by_pattern(expression_of(step)), step.at("behavior"), step.value("invert", false));
    } else if (type == "Digits") {
        cut(by_character(unicode::is_number), step.value("individual_digits", false) ? "Isolated" : "Contiguous");
    } else if (type == "Punctuation") {
        cut(by_character(is_punctuation), step.value("behavior", "Isolated"));
    } else if (type == "Whitespace") {
        // Words as Unicode's UTS 18 has them, and runs of what is neither word nor white space.
        const std::string word = R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200c}\x{200d})";
        cut(by_pattern(fmt::format(R"([{}]+|[^{}\s]+)", word, word)), "Removed", true);
    } else if (type == "WhitespaceSplit") {
        cut(by_character(unicode::is_white_space), "Removed");
    } else if (type == "BertPreTokenizer") {
        cut(by_character(unicode::is_white_space), "Removed");
        cut(by_character(is_punctuation), "Isolated");
    } else if (type == "CharDelimiterSplit") {
        cut(by_pattern(Pattern::literal(step.at("delimiter").get<std::string>())), "Removed");
    } else if (type == "FixedLength") {
        steps_.push_back(fixed_length(step));
    } else {
        fail(
            "pre_tokenizer {} is not supported; supported: ByteLevel, Metaspace, Split, Digits, Punctuation, "
            "Whitespace, "
            "WhitespaceSplit, BertPreTokenizer, CharDelimiterSplit, FixedLength, Sequence",
            step.dump());
    }
}

PreTokenizers::PreTokenizers(const Json& section) {
    add(section, 0);
    if (steps_.size() > 64) fail("{} pre-tokenizers, at most 64 are supported", steps_.size());
}

void PreTokenizers::run(size_t step, std::string_view piece, bool at_start, Texts& made, const Emit& word) const {
    if (step == steps_.size()) return word(piece, at_start);
    steps_[step](piece, at_start, made,
                 [&](std::string_view part, bool first) { run(step + 1, part, first, made, word); });
}

void PreTokenizers::split(std::string_view text, bool at_start, Texts& made, const Emit& word) const {
    if (!text.empty()) run(0, text, at_start, made, word);
}

}  // namespace gremium::pipeline
