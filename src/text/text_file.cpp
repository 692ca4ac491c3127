#include "text/text_file.h"

#include <array>
#include <cstring>

#include <utf8proc.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "text/utf8.h"

namespace gremium {
namespace {

void append_utf8(std::string& text, uint32_t character) {
    std::array<utf8proc_uint8_t, 4> bytes{};
    const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(character), bytes.data());
    text.append(bytes.begin(), bytes.begin() + size);
}

uint8_t byte_at(std::string_view bytes, size_t i) { return static_cast<uint8_t>(bytes[i]); }

// How wide characters lie in a file.
struct Wide {
    size_t width;  // 2 or 4 bytes
    bool big_endian;
    size_t mark;  // bytes of the byte order mark
};

std::optional<Wide> marked(std::string_view bytes) {
    using namespace std::string_view_literals;
    if (bytes.starts_with("\xFF\xFE\0\0"sv)) return Wide{4, false, 4};
    if (bytes.starts_with("\0\0\xFE\xFF"sv)) return Wide{4, true, 4};
    if (bytes.starts_with("\xFF\xFE")) return Wide{2, false, 2};
    if (bytes.starts_with("\xFE\xFF")) return Wide{2, true, 2};
    return std::nullopt;
}

// UTF-16 without a mark: most of every second byte is zero, and none of the others.
std::optional<Wide> guessed(std::string_view bytes) {
    const std::string_view some = bytes.substr(0, 4096 & ~size_t{1});
    if (some.size() < 8 || bytes.size() % 2) return std::nullopt;
    std::array<size_t, 2> zeros{};
    for (size_t i = 0; i < some.size(); ++i) zeros[i % 2] += some[i] == '\0';
    const auto is = [&](size_t high) { return zeros[1 - high] == 0 && zeros[high] * 20 >= some.size() / 2 * 13; };
    if (is(1)) return Wide{2, false, 0};
    if (is(0)) return Wide{2, true, 0};
    return std::nullopt;
}

std::string from_wide(std::string_view bytes, const Wide& wide, const std::string& where) {
    const std::string name = fmt::format("UTF-{}", wide.width * 8);
    if (bytes.size() % wide.width) fail("{}: {} of {} bytes ends within a character", where, name, bytes.size());
    const auto unit = [&](size_t at) {
        uint32_t value = 0;
        for (size_t i = 0; i < wide.width; ++i)
            value = value << 8 | byte_at(bytes, at + (wide.big_endian ? i : wide.width - 1 - i));
        return value;
    };
    std::string text;
    for (size_t at = wide.mark; at < bytes.size(); at += wide.width) {
        const size_t begin = at;
        uint32_t c = unit(at);
        const auto half = [](uint32_t u, uint32_t first) { return u >= first && u < first + 0x400; };
        if (wide.width == 2 && half(c, 0xD800) && at + 2 < bytes.size() && half(unit(at + 2), 0xDC00))
            c = 0x10000 + ((c - 0xD800) << 10) + (unit(at += 2) - 0xDC00);
        if (c > 0x10FFFF || half(c, 0xD800) || half(c, 0xDC00))
            fail("{}: byte {} begins no character of {}", where, begin, name);
        append_utf8(text, c);
    }
    return text;
}

// Windows-1252's characters 0x80 to 0x9F; those that it lacks are Latin-1's.
constexpr std::array<uint16_t, 32> windows_1252 = {0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                   0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                                   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                   0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

std::string from_windows_1252(std::string_view bytes) {
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<uint8_t>(c);
        append_utf8(text, byte >= 0x80 && byte < 0xA0 ? windows_1252[byte - 0x80] : byte);
    }
    return text;
}

// What bytes are, seen as UTF-8.
struct Look {
    size_t wide_characters = 0, broken = 0, first_broken = 0;
    size_t controls = 0, first_control = 0, nuls = 0, first_nul = 0;
    size_t lines = 0, crlf = 0;

    explicit Look(std::string_view bytes) {
        for (size_t at = 0; at < bytes.size();) {
            const uint8_t lead = byte_at(bytes, at);
            if (lead >= 0x80) {
                at += see(utf8::start(bytes.substr(at)), at);
                continue;
            }
            if (lead < ' ') see_control(bytes, at);
            ++at;
        }
    }

  private:
    size_t see(const utf8::Start& start, size_t at) {
        if (start.kind == utf8::Start::character)
            ++wide_characters;
        else if (broken++ == 0)
            first_broken = at;
        return start.size;
    }
    void see_control(std::string_view bytes, size_t at) {
        const char c = bytes[at];
        if (c == '\n') {
            ++lines;
            crlf += at > 0 && bytes[at - 1] == '\r';
        } else if (c == '\0') {
            if (nuls++ == 0) first_nul = at;
        } else if (!std::strchr("\t\r\f\v\b\x1b", c) && controls++ == 0) {
            first_control = at;
        }
    }
};

// The name of what files with such a beginning are.
std::string_view known_format(std::string_view bytes) {
    using namespace std::string_view_literals;
    constexpr std::pair<std::string_view, std::string_view> beginnings[] = {{"\x1f\x8b", "compressed by gzip"},
                                                                            {"\x28\xb5\x2f\xfd", "compressed by zstd"},
                                                                            {"\xfd"
                                                                             "7zXZ",
                                                                             "compressed by xz"},
                                                                            {"BZh", "compressed by bzip2"},
                                                                            {"PK\x03\x04", "a zip archive"},
                                                                            {"PAR1", "a Parquet table"},
                                                                            {"%PDF-", "a PDF document"},
                                                                            {"GGUF", "a GGUF file"},
                                                                            {"\x7f"
                                                                             "ELF",
                                                                             "a program"},
                                                                            {"\x89PNG", "a picture"}};
    for (const auto& [beginning, name] : beginnings)
        if (bytes.starts_with(beginning)) return name;
    return "";
}

void require_text(std::string_view bytes, const Look& look, const std::string& where, bool nul) {
    const size_t odd = look.broken + look.controls;
    if (odd > 0)
        if (const std::string_view format = known_format(bytes); !format.empty())
            fail("{}: no text: {}", where, format);
    // Text of old code pages has no control characters; random bytes have one in ten.
    if (look.broken > 0 && (look.controls + look.nuls) * 100 > bytes.size())
        fail("{}: no text: byte {} is not UTF-8, and it holds {} control characters", where, look.first_broken,
             look.controls + look.nuls);
    if (look.nuls > 0 && !nul) fail("{}: no text: byte {} is zero", where, look.first_nul);
}

std::string without_cr(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i)
        if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n') result += text[i];
    return result;
}

}  // namespace

std::optional<std::string> decode_text(std::string_view bytes, const std::string& where,
                                       const DecodeTextOptions& options) {
    const bool exact = options.form == TextForm::exact;
    std::optional<std::string> changed;
    const auto text = [&] { return changed ? std::string_view(*changed) : bytes; };
    const auto note = [&](const std::string& line) {
        if (options.note) options.note(fmt::format("{}: {}", where, line));
    };
    std::optional<Wide> wide = marked(bytes);
    if (!wide) wide = guessed(bytes);
    if (wide) {
        changed = from_wide(bytes, *wide, where);
        note(fmt::format("decoded from UTF-{}", 8 * wide->width));
    } else if (bytes.starts_with("\xEF\xBB\xBF")) {
        if (!exact) changed = bytes.substr(3);
        note(exact ? "begins with a byte order mark, which stays" : "the byte order mark at its beginning is left out");
    }
    const Look look(text());
    require_text(text(), look, where, options.nul);
    if (look.broken > 0 && look.wide_characters == 0 && !exact) {
        changed = from_windows_1252(text());
        note(fmt::format("byte {} is not UTF-8; read as Windows-1252", look.first_broken));
    } else if (look.broken > 0) {
        note(fmt::format("byte {} is not UTF-8, one of {} places; these stay as they are", look.first_broken,
                         look.broken));
    }
    if (options.form == TextForm::lines) {
        if (look.crlf > 0) changed = without_cr(text());
    } else if (!exact && look.crlf > 0 && look.crlf == look.lines) {
        changed = without_cr(text());
        note("its lines end with CR LF; read as LF");
    } else if (look.crlf > 0) {
        note(fmt::format("{} of {} lines end with CR LF; these stay as they are", look.crlf, look.lines));
    }
    return changed;
}

std::string read_text(const std::filesystem::path& path, const DecodeTextOptions& options, size_t max_bytes) {
    const bool standard_input = path == "-";
    std::string bytes = read_text_file(standard_input ? "/dev/stdin" : path, max_bytes);
    std::optional<std::string> changed = decode_text(bytes, standard_input ? "standard input" : path.string(), options);
    return changed ? std::move(*changed) : std::move(bytes);
}

}  // namespace gremium
