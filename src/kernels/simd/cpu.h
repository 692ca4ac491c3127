// What this processor lets us run beyond Highway's own detection.
#pragma once

namespace gremium::kernels {

bool has_avx512_bf16();  // VDPBF16PS on 512-bit registers
// Tiles and TDPBF16PS beside that. The first call asks Linux for the tile registers, for the whole process.
bool has_amx_bf16();

}  // namespace gremium::kernels
