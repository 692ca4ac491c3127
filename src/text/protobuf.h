// The protobuf wire format, as much of it as SentencePiece's ModelProto needs
// (protobuf.dev/programming-guides/encoding).
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace gremium::protobuf {

struct Field {
    uint64_t number = 0;
    uint64_t value = 0;      // varint and fixed kinds, else 0
    std::string_view bytes;  // length-delimited kind, else empty

    bool flag() const { return value != 0; }
    int32_t int32() const { return static_cast<int32_t>(value); }
    float float32() const { return std::bit_cast<float>(static_cast<uint32_t>(value)); }
};

// Walks the fields of one message. Untrusted bytes: everything that does not fit throws Error.
class Reader {
  public:
    // `file` holds `message`; offsets in errors count from its start.
    Reader(std::string_view message, std::string_view file, std::string_view where)
        : rest_(message), file_(file), where_(where) {}

    // False at the end of the message.
    bool next(Field& field) {
        if (rest_.empty()) return false;
        const uint64_t key = varint();
        field = {.number = key >> 3, .value = 0, .bytes = {}};
        switch (key & 7) {
            case 0:
                field.value = varint();
                break;
            case 1:
                field.value = little_endian(take(8));
                break;
            case 2:
                field.bytes = take(varint());
                break;
            case 5:
                field.value = little_endian(take(4));
                break;
            default:
                broken("an unknown wire type");
        }
        return true;
    }

  private:
    [[noreturn]] void broken(std::string_view what) const {
        fail("{}: not a SentencePiece model: {} at byte {}", where_, what, rest_.data() - file_.data());
    }

    uint64_t varint() {
        uint64_t value = 0;
        for (int shift = 0; shift < 64; shift += 7) {
            const auto byte = static_cast<unsigned char>(take(1)[0]);
            value |= static_cast<uint64_t>(byte & 0x7F) << shift;
            if (byte < 0x80) return value;
        }
        broken("a number of more than 64 bits");
    }

    std::string_view take(uint64_t size) {
        if (size > rest_.size()) broken("a field that reaches past the end");
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }

    static uint64_t little_endian(std::string_view bytes) {
        uint64_t value = 0;
        for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
        return value;
    }

    std::string_view rest_, file_, where_;
};

// Builds one message.
class Writer {
  public:
    void number(uint32_t field, uint64_t value) { varint(field << 3), varint(value); }
    void bytes(uint32_t field, std::string_view value) {
        varint(field << 3 | 2), varint(value.size());
        bytes_ += value;
    }
    void float32(uint32_t field, float value) {
        varint(field << 3 | 5);
        const auto bits = std::bit_cast<uint32_t>(value);
        for (int shift = 0; shift < 32; shift += 8) bytes_ += static_cast<char>(bits >> shift);
    }
    void message(uint32_t field, const Writer& value) { bytes(field, value.bytes_); }

    const std::string& str() const { return bytes_; }

  private:
    void varint(uint64_t value) {
        for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
        bytes_ += static_cast<char>(value);
    }

    std::string bytes_;
};

}  // namespace gremium::protobuf
