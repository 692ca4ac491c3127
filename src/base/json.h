// JSON of foreign files, and JSON as it is written.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace gremium {

// NaN and Infinity, which Python writes though JSON has no such words, become those numbers. At most `max_bytes`, and
// nested at most 64 deep, so that neither a copy nor a destructor recurses without end. Errors name the file and the
// byte.
nlohmann::json read_json(const std::filesystem::path& path, size_t max_bytes = size_t{4} << 20);
nlohmann::json parse_json(std::string_view text, const std::string& source);
nlohmann::ordered_json parse_ordered_json(std::string_view text, const std::string& source);

// In one line, or with so many spaces of indentation. Always JSON: bytes that are not UTF-8 become U+FFFD, numbers that
// are not finite null.
std::string to_text(const nlohmann::ordered_json& json, int indentation = -1);

}  // namespace gremium
