// A complete GGUF file of 192 bytes: two keys (a string; an array of two i32) and a 2×4 f32 tensor "w" that
// counts from 0. Written out by hand from the specification, so that it is independent of the code under
// test.
#pragma once

#include <string>

namespace gremium::test {

// clang-format off
inline std::string gguf_example() {
    using namespace std::string_literals;
    return "GGUF\x03\0\0\0"s                                            // 0: magic, version
           "\x01\0\0\0\0\0\0\0"s "\x02\0\0\0\0\0\0\0"s                  // 8: one tensor, two keys
           "\x14\0\0\0\0\0\0\0" "general.architecture"s                 // 24
           "\x08\0\0\0" "\x05\0\0\0\0\0\0\0" "llama"s                   // 52: string
           "\x03\0\0\0\0\0\0\0" "x.n"s                                  // 69
           "\x09\0\0\0" "\x05\0\0\0" "\x02\0\0\0\0\0\0\0"s              // 80: array of i32, two of them
           "\xFF\xFF\xFF\xFF" "\x07\0\0\0"s                             // 96: -1, 7
           "\x01\0\0\0\0\0\0\0" "w"s                                    // 104
           "\x02\0\0\0" "\x04\0\0\0\0\0\0\0" "\x02\0\0\0\0\0\0\0"s      // 113: ne = {4, 2}
           "\0\0\0\0" "\0\0\0\0\0\0\0\0"s                               // 133: F32, offset 0
           "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"s                            // 145: padding to 160
           "\0\0\0\0" "\0\0\x80\x3F" "\0\0\0\x40" "\0\0\x40\x40"s       // 160: 0, 1, 2, 3
           "\0\0\x80\x40" "\0\0\xA0\x40" "\0\0\xC0\x40" "\0\0\xE0\x40"s;  // 176: 4, 5, 6, 7
}
// clang-format on

}  // namespace gremium::test
