#include "base/hash.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <memory>

namespace gremium {
namespace {

std::string digits(XXH128_hash_t hash) { return fmt::format("{:016x}{:016x}", hash.high64, hash.low64); }

}  // namespace

std::string content_hash(std::span<const std::byte> bytes) { return digits(XXH3_128bits(bytes.data(), bytes.size())); }

std::string content_hash_of_all(std::span<const std::span<const std::byte>> pieces) {
    const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), XXH3_freeState);
    XXH3_128bits_reset(state.get());
    for (const auto piece : pieces) XXH3_128bits_update(state.get(), piece.data(), piece.size());
    return digits(XXH3_128bits_digest(state.get()));
}

}  // namespace gremium
