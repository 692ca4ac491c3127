// IQ types: groups of weights are entries of a codebook.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "tensor/float_formats.h"
#include "tensor/quantised/block_scales.h"
#include "tensor/quantised/codebook_fit.h"
#include "tensor/quantised/codebooks.h"
#include "tensor/quantised/low_bit_types.h"
#include "tensor/quantised/part_scales.h"

namespace gremium {
namespace {

constexpr int runs = 8, groups = 32;

uint32_t word_at(const void* at) {
    uint32_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}
void put_word(void* at, uint32_t word) { std::memcpy(at, &word, sizeof word); }
uint8_t low_byte(int v) { return static_cast<uint8_t>(v); }
int nibble(const uint8_t* nibbles, int i) { return nibbles[i / 2] >> i % 2 * 4 & 15; }
void put_nibble(uint8_t* nibbles, int i, int v) { nibbles[i / 2] = low_byte(nibbles[i / 2] | v << i % 2 * 4); }

// Eight values times a scale, minus where a bit is set.
void put_eight(float* y, uint64_t values, uint8_t signs, float scale) {
    for (int j = 0; j < 8; ++j) {
        const float v = static_cast<float>(static_cast<int8_t>(values >> 8 * j & 255));
        y[j] = scale * (signs >> j & 1 ? -v : v);
    }
}
void put_eight_of_iq1(float* y, uint64_t values, float delta, float scale) {
    for (int j = 0; j < 8; ++j) y[j] = scale * (static_cast<float>(static_cast<int8_t>(values >> 8 * j & 255)) + delta);
}

uint16_t scale_of(const BlockIQ1_M& b) {
    uint32_t d = 0;
    for (int i = 0; i < 4; ++i) d |= static_cast<uint32_t>(b.scales[i] >> 12) << 4 * i;
    return static_cast<uint16_t>(d);
}

template <typename Entry, size_t n>
fit::Codebook book_of(const std::array<Entry, n>& entries) {
    constexpr int width = sizeof(Entry);
    fit::Codebook book{.width = width, .entries = n, .value = std::vector<float>(width * n), .square = {}};
    for (size_t i = 0; i < n; ++i)
        for (size_t j = 0; j < width; ++j)
            book.value[j * n + i] = static_cast<float>(static_cast<int8_t>(entries[i] >> 8 * j & 255));
    book.square = book.value;
    for (float& v : book.square) v *= v;
    return book;
}

// Each entry + 1/8, then each entry − 1/8.
fit::Codebook iq1_book(int parts) {
    constexpr size_t n = iq1s_entries.size();
    const fit::Codebook plain = book_of(iq1s_entries);
    fit::Codebook book{.width = 8,
                       .entries = 2 * n,
                       .value = std::vector<float>(16 * n),
                       .square = std::vector<float>(16 * n),
                       .parts = parts};
    for (size_t j = 0; j < 8; ++j) {
        for (size_t i = 0; i < 2 * n; ++i) {
            const float v = plain.value[j * n + i % n] + (i < n ? 0.125f : -0.125f);
            book.value[j * 2 * n + i] = v;
            book.square[j * 2 * n + i] = v * v;
        }
    }
    return book;
}

// Sizes of the weights, which entries are fitted to, and their signs. Where the number of minuses must be even, the
// weight that matters least may get the wrong one: then its size counts as negative.
struct Signs {
    float size[256];
    uint8_t minus[groups];

    Signs(const float* x, const float* w, bool even) {
        for (int g = 0; g < groups; ++g) {
            int bits = 0, least = 0;
            for (int j = 0; j < 8; ++j) {
                const int i = 8 * g + j;
                size[i] = std::fabs(x[i]);
                bits |= (x[i] < 0 ? 1 : 0) << j;
                if (w[i] * size[i] < w[8 * g + least] * size[8 * g + least]) least = j;
            }
            if (even && std::popcount(static_cast<unsigned>(bits)) % 2 != 0) {
                bits ^= 1 << least;
                size[8 * g + least] = -size[8 * g + least];
            }
            minus[g] = low_byte(bits);
        }
    }
    // Of a run: four sign indices in 28 bits.
    uint32_t indices(int run) const {
        uint32_t out = 0;
        for (int l = 0; l < 4; ++l) out |= (minus[4 * run + l] & 127u) << 7 * l;
        return out;
    }
};

constexpr fit::CodebookLayout quarters(int run) { return {.run = run, .scales = 16, .first = 0.125f, .more = 0.25f}; }

}  // namespace

void BlockIQ2_XXS::decode(float* y) const {
    for (int r = 0; r < runs; ++r) {
        const uint32_t index = word_at(q + 4 * r), high = word_at(q + 4 * r + 2);
        const float scale = f16_to_f32(d) * (0.5f + static_cast<float>(high >> 28)) * 0.25f;
        for (int l = 0; l < 4; ++l, y += 8)
            put_eight(y, iq2xxs_entries[index >> 8 * l & 255], signs_of(high >> 7 * l), scale);
    }
}

void BlockIQ2_XXS::encode(const float* x, const float* importance) {
    static const fit::Codebook book = book_of(iq2xxs_entries);
    const float* const w = fit::weights_or_ones(importance);
    const Signs signs(x, w, true);
    const fit::Fitted fitted = fit::fit_codebook(book, quarters(32), signs.size, w);
    d = fitted.d;
    for (int r = 0; r < runs; ++r) {
        const uint16_t* const e = fitted.entry + 4 * r;
        put_word(q + 4 * r, e[0] | static_cast<uint32_t>(e[1]) << 8 | static_cast<uint32_t>(e[2]) << 16 |
                                static_cast<uint32_t>(e[3]) << 24);
        put_word(q + 4 * r + 2, signs.indices(r) | static_cast<uint32_t>(fitted.scale[r]) << 28);
    }
}

void BlockIQ2_XS::decode(float* y) const {
    for (int g = 0; g < groups; ++g, y += 8) {
        const float scale = f16_to_f32(d) * (0.5f + static_cast<float>(nibble(scales, g / 2))) * 0.25f;
        put_eight(y, iq2xs_entries[q[g] & 511], signs_of(q[g] >> 9), scale);
    }
}

void BlockIQ2_XS::encode(const float* x, const float* importance) {
    static const fit::Codebook book = book_of(iq2xs_entries);
    const float* const w = fit::weights_or_ones(importance);
    const Signs signs(x, w, true);
    const fit::Fitted fitted = fit::fit_codebook(book, quarters(16), signs.size, w);
    d = fitted.d;
    for (int g = 0; g < groups; ++g) q[g] = static_cast<uint16_t>(fitted.entry[g] | (signs.minus[g] & 127) << 9);
    std::memset(scales, 0, sizeof scales);
    for (int r = 0; r < 16; ++r) put_nibble(scales, r, fitted.scale[r]);
}

void BlockIQ2_S::decode(float* y) const {
    for (int g = 0; g < groups; ++g, y += 8) {
        const float scale = f16_to_f32(d) * (0.5f + static_cast<float>(nibble(scales, g / 2))) * 0.25f;
        const int index = q[g] | (high[g / 4] >> g % 4 * 2 & 3) << 8;
        put_eight(y, iq2s_entries[static_cast<size_t>(index)], signs[g], scale);
    }
}

void BlockIQ2_S::encode(const float* x, const float* importance) {
    static const fit::Codebook book = book_of(iq2s_entries);
    const float* const w = fit::weights_or_ones(importance);
    const Signs split(x, w, false);
    const fit::Fitted fitted = fit::fit_codebook(book, quarters(16), split.size, w);
    d = fitted.d;
    std::memcpy(signs, split.minus, sizeof signs);
    std::memset(high, 0, sizeof high);
    std::memset(scales, 0, sizeof scales);
    for (int g = 0; g < groups; ++g) {
        q[g] = low_byte(fitted.entry[g] & 255);
        high[g / 4] = low_byte(high[g / 4] | (fitted.entry[g] >> 8) << g % 4 * 2);
    }
    for (int r = 0; r < 16; ++r) put_nibble(scales, r, fitted.scale[r]);
}

void BlockIQ3_XXS::decode(float* y) const {
    for (int r = 0; r < runs; ++r) {
        const uint32_t word = word_at(signs + 4 * r);
        const float scale = f16_to_f32(d) * (0.5f + static_cast<float>(word >> 28)) * 0.5f;
        for (int l = 0; l < 4; ++l, y += 8) {
            const uint8_t* const index = q + 8 * r + 2 * l;
            put_eight(y, iq3xxs_entries[index[0]] | uint64_t{iq3xxs_entries[index[1]]} << 32, signs_of(word >> 7 * l),
                      scale);
        }
    }
}

void BlockIQ3_XXS::encode(const float* x, const float* importance) {
    static const fit::Codebook book = book_of(iq3xxs_entries);
    const float* const w = fit::weights_or_ones(importance);
    const Signs split(x, w, true);
    const fit::Fitted fitted =
        fit::fit_codebook(book, {.run = 32, .scales = 16, .first = 0.25f, .more = 0.5f}, split.size, w);
    d = fitted.d;
    for (int i = 0; i < 64; ++i) q[i] = low_byte(fitted.entry[i]);
    for (int r = 0; r < runs; ++r)
        put_word(signs + 4 * r, split.indices(r) | static_cast<uint32_t>(fitted.scale[r]) << 28);
}

void BlockIQ3_S::decode(float* y) const {
    for (int g = 0; g < groups; ++g, y += 8) {
        const int r = g / 4;
        const float scale = f16_to_f32(d) * static_cast<float>(1 + 2 * nibble(scales, r));
        const auto entry = [&](int i) {
            return uint64_t{iq3s_entries[static_cast<size_t>(q[i] | (high[r] >> i % 8 & 1) << 8)]};
        };
        put_eight(y, entry(2 * g) | entry(2 * g + 1) << 32, signs[g], scale);
    }
}

void BlockIQ3_S::encode(const float* x, const float* importance) {
    static const fit::Codebook book = book_of(iq3s_entries);
    const float* const w = fit::weights_or_ones(importance);
    const Signs split(x, w, false);
    const fit::Fitted fitted = fit::fit_codebook(book, {.run = 32, .scales = 16, .first = 1, .more = 2}, split.size, w);
    d = fitted.d;
    std::memcpy(signs, split.minus, sizeof signs);
    std::memset(high, 0, sizeof high);
    std::memset(scales, 0, sizeof scales);
    for (int i = 0; i < 64; ++i) {
        q[i] = low_byte(fitted.entry[i] & 255);
        high[i / 8] = low_byte(high[i / 8] | (fitted.entry[i] >> 8) << i % 8);
    }
    for (int r = 0; r < runs; ++r) put_nibble(scales, r, fitted.scale[r]);
}

void BlockIQ1_S::decode(float* y) const {
    for (int g = 0; g < groups; ++g, y += 8) {
        const int h = high[g / 4];
        const float scale = f16_to_f32(d) * static_cast<float>(2 * (h >> 12 & 7) + 1);
        const int index = q[g] | (h >> g % 4 * 3 & 7) << 8;
        put_eight_of_iq1(y, iq1s_entries[static_cast<size_t>(index)], h >> 15 ? -0.125f : 0.125f, scale);
    }
}

constexpr fit::CodebookLayout odd_scales(int run) { return {.run = run, .scales = 8, .first = 1, .more = 2}; }

void BlockIQ1_S::encode(const float* x, const float* importance) {
    static const fit::Codebook book = iq1_book(2);
    const fit::Fitted fitted = fit::fit_codebook(book, odd_scales(32), x, fit::weights_or_ones(importance));
    d = fitted.d;
    for (int r = 0; r < runs; ++r) {
        const uint16_t* const e = fitted.entry + 4 * r;
        int word = fitted.scale[r] << 12 | (e[0] >> 11) << 15;
        for (int l = 0; l < 4; ++l) {
            q[4 * r + l] = low_byte(e[l] & 255);
            word |= (e[l] >> 8 & 7) << 3 * l;
        }
        high[r] = static_cast<uint16_t>(word);
    }
}

void BlockIQ1_M::decode(float* y) const {
    const float d = f16_to_f32(scale_of(*this));
    for (int g = 0; g < groups; ++g, y += 8) {
        const int part = g / 2, h = nibble(high, g);
        const float scale = d * static_cast<float>(2 * (scales[part / 4] >> part % 4 * 3 & 7) + 1);
        put_eight_of_iq1(y, iq1s_entries[static_cast<size_t>(q[g] | (h & 7) << 8)], h & 8 ? -0.125f : 0.125f, scale);
    }
}

void BlockIQ1_M::encode(const float* x, const float* importance) {
    static const fit::Codebook book = iq1_book(1);
    const fit::Fitted fitted = fit::fit_codebook(book, odd_scales(16), x, fit::weights_or_ones(importance));
    std::memset(high, 0, sizeof high);
    for (int g = 0; g < groups; ++g) {
        q[g] = low_byte(fitted.entry[g] & 255);
        put_nibble(high, g, fitted.entry[g] >> 8);
    }
    for (int i = 0; i < 4; ++i) {
        int word = (fitted.d >> 4 * i & 15) << 12;
        for (int p = 0; p < 4; ++p) word |= fitted.scale[4 * i + p] << 3 * p;
        scales[i] = static_cast<uint16_t>(word);
    }
}

}  // namespace gremium
