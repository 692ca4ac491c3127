// A trace, read block by block; written again it reads the same.
#include "fuzz/target.h"
#include "lab/trace/trace_file.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    static const Folder folder;
    lab::TraceReader reader(folder.put("input.trace", text_of(input)));
    hooks::TraceBlock block;
    size_t tokens = 0;
    while (reader.next(block)) tokens += block.size();
    reader.rewind();
    while (reader.next(block)) tokens -= block.size();
    require(tokens == 0);
}

}  // namespace gremium::fuzz
