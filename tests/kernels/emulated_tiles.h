// AMX's tile registers in software, with the functions of kernels/matmul/amx_tiles.h. By the Intel 64 and IA-32
// Architectures Software Developer's Manual, volume 2: LDTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILESTORED,
// TDPBF16PS. Where the processor would raise #GP or #UD, these throw.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "kernels/matmul/amx_tiles.h"
#include "tensor/quantised/blocks.h"

namespace gremium::kernels::amx {

// Numbers below the normal ones count as 0, before and after.
inline float flushed(float v) { return std::fabs(v) < std::numeric_limits<float>::min() ? std::copysign(0.f, v) : v; }

struct EmulatedTile {
    int rows = 0, bytes_per_row = 0;
    std::array<std::byte, 16 * 64> data{};

    size_t row_size() const { return static_cast<size_t>(bytes_per_row); }
    std::byte* row(int r) { return data.data() + 64 * r; }
    float f32(int r, int i) {
        float v;
        std::memcpy(&v, row(r) + 4 * i, sizeof v);
        return v;
    }
    void put(int r, int i, float v) { std::memcpy(row(r) + 4 * i, &v, sizeof v); }
    float bf16(int r, int i) {
        uint16_t v;
        std::memcpy(&v, row(r) + 2 * i, sizeof v);
        return flushed(bf16_to_f32(v));
    }
};

class EmulatedTiles {
  public:
    static void configure(const Config& config) {
        refuse(config.palette != 1 || config.start_row != 0 || std::ranges::count(config.reserved, 0) != 14,
               "LDTILECFG: not a whole register of palette 1");
        registers = {};
        for (size_t t = 0; t < 16; ++t) {
            const int rows = config.rows[t], bytes = config.bytes_per_row[t];
            refuse(rows > 16 || bytes > 64 || (rows == 0) != (bytes == 0), "LDTILECFG: no such shape");
            refuse(t >= registers.size() && rows > 0, "LDTILECFG: palette 1 has eight registers");
            if (t < registers.size()) registers[t] = {rows, bytes};
        }
    }
    static void release() { registers = {}; }

    template <int t>
    static void zero() {
        configured(t).data = {};
    }
    template <int t>
    static void load(const void* from, int64_t bytes) {
        EmulatedTile& to = configured(t);
        to.data = {};
        for (int r = 0; r < to.rows; ++r)
            std::memcpy(to.row(r), static_cast<const std::byte*>(from) + r * bytes, to.row_size());
    }
    template <int t>
    static void store(void* to, int64_t bytes) {
        EmulatedTile& from = configured(t);
        for (int r = 0; r < from.rows; ++r)
            std::memcpy(static_cast<std::byte*>(to) + r * bytes, from.row(r), from.row_size());
    }
    template <int c, int a, int b>
    static void dot() {
        EmulatedTile &sums = configured(c), &left = configured(a), &right = configured(b);
        refuse(c == a || c == b || a == b, "TDPBF16PS: registers must differ");
        refuse(left.rows != sums.rows || right.bytes_per_row != sums.bytes_per_row ||
                   left.bytes_per_row != 4 * right.rows || sums.bytes_per_row % 4 != 0,
               "TDPBF16PS: shapes do not fit");
        for (int m = 0; m < sums.rows; ++m) {
            std::array<float, 32> partial{};  // of even and of odd numbers along k, by columns
            for (int k = 0; k < right.rows; ++k) {
                for (int n = 0; n < sums.bytes_per_row / 2; ++n) {
                    float& sum = partial[static_cast<size_t>(n)];
                    sum = flushed(std::fma(left.bf16(m, 2 * k + n % 2), right.bf16(k, n), sum));
                }
            }
            for (int n = 0; n < sums.bytes_per_row / 4; ++n) {
                const size_t at = 2 * static_cast<size_t>(n);
                sums.put(m, n, flushed(flushed(sums.f32(m, n)) + flushed(partial[at] + partial[at + 1])));
            }
        }
    }

  private:
    static inline thread_local std::array<EmulatedTile, 8> registers;

    static void refuse(bool what, const char* why) {
        if (what) fail("{}", why);
    }
    static EmulatedTile& configured(int t) {
        refuse(registers[static_cast<size_t>(t)].rows == 0, "a tile register that is not configured");
        return registers[static_cast<size_t>(t)];
    }
};

}  // namespace gremium::kernels::amx
