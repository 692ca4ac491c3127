// Ready tokens of a training run.
#include "data/token_file.h"

#include "fuzz/target.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    static const Folder folder;
    const data::TokenFile file(folder.put("input.tokens", text_of(input)), 300);
    std::vector<int32_t> ids(static_cast<size_t>(file.tokens()));
    file.read(0, ids);
    for (const int32_t id : ids) require(id >= 0 && id < 300);
}

}  // namespace gremium::fuzz
