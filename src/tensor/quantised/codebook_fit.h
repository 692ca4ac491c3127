// Fits blocks of 256 weights whose groups are entries of a codebook, and whose runs have small scales that are whole
// multiples of one f16 scale of the block: y = d·step(s)·entry. Σ w·(x − y)² over a group is Σ wx² − 2ab + a²c for the
// scale a = d·step(s) with b = Σ wx·entry and c = Σ w·entry², which do not depend on the scale: every entry is tried
// for many scales.
#pragma once

#include <cstdint>
#include <vector>

namespace gremium::fit {

// A codebook as numbers: entries of `width` values, by value and then by entry.
struct Codebook {
    int width, entries;                // parts of a whole number of 64 entries
    std::vector<float> value, square;  // [width][entries]
    // A run takes all its entries from one of so many equal parts of the codebook.
    int parts = 1;
};

struct CodebookLayout {
    int run;     // weights that share a scale
    int scales;  // codes of scales, 0 …
    // step(s) = first + s·more
    float first, more;
};

struct Fitted {
    uint16_t d;          // f16
    uint8_t scale[16];   // of each run
    uint16_t entry[64];  // of each group
};

// Sizes or numbers x, importance w > 0.
Fitted fit_codebook(const Codebook& book, const CodebookLayout& layout, const float* x, const float* w);

}  // namespace gremium::fit
