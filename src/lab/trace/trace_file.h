// A trace on disk. Little-endian; no field is aligned.
//
//   "GREMTRC1"                       8 bytes
//   u64                              bytes of the header that follows
//   header                           JSON: {"domain", "model", "hash", "vocab", "norms",
//                                    "layers":[{"layer", "experts"}…]}
//   blocks, each:
//     u32 T                          tokens, > 0
//     u64                            bytes of the rest of the block
//     i32 tokens[T], positions[T]
//     for each layer of the header:
//       u32 k                        choices per token, 1 … 65535
//       u16 ids[T, k]                65535: dropped
//       f32 weights[T, k], margin[T]
//       f32 norms[T, k]              only if the header says so
//   u32 0, u64 total tokens          the end
//
// A token of the default model (6 layers, k = 4) takes 176 bytes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "hooks/trace_blocks.h"

namespace gremium::lab {

struct TraceHeader {
    std::string domain = {};  // the name of the text
    std::string model = {};   // the name of the model
    std::string hash = {};    // of its weights (versions/hash.h)
    int vocab = 0;
    bool norms = false;
    std::vector<hooks::TraceLayer> layers;
    friend bool operator==(const TraceHeader&, const TraceHeader&) = default;
};

// The file appears at finish(); without that call nothing is left behind. Memory: one block.
class TraceWriter {
  public:
    TraceWriter(const std::filesystem::path& path, const TraceHeader& header);
    void write(const hooks::TraceBlock& block);
    void finish();

  private:
    AtomicFile file_;
    std::string path_;
    TraceHeader header_;
    uint64_t tokens_ = 0;
    std::string buffer_;
};

// The file is not trusted: sizes, ids, tokens and numbers are checked when they are read. Throws Error naming file and
// place.
class TraceReader {
  public:
    explicit TraceReader(const std::filesystem::path& path);
    const TraceHeader& header() const { return header_; }
    // Reads the next block into `block`; false at the end.
    bool next(hooks::TraceBlock& block);
    void rewind();

  private:
    std::string source_;
    MappedFile file_;
    TraceHeader header_;
    size_t first_block_ = 0, at_ = 0;
    uint64_t tokens_ = 0;
};

}  // namespace gremium::lab
