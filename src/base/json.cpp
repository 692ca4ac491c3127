#include "base/json.h"

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"

namespace gremium {

using nlohmann::json;

namespace {

template <typename Json>
Json parse(std::string_view text, const std::string& source) {
    constexpr int max_depth = 64;
    const auto guard = [&](int depth, typename Json::parse_event_t, const Json&) {
        if (depth > max_depth) fail("{}: JSON is nested more than {} deep", source, max_depth);
        return true;
    };
    try {
        return Json::parse(text, guard);
    } catch (const json::parse_error& error) {
        fail("{}: not valid JSON at byte {}", source, error.byte);
    } catch (const json::exception&) {
        fail("{}: JSON has a number that is out of range", source);
    }
}

}  // namespace

json parse_json(std::string_view text, const std::string& source) { return parse<json>(text, source); }

nlohmann::ordered_json parse_ordered_json(std::string_view text, const std::string& source) {
    return parse<nlohmann::ordered_json>(text, source);
}

std::string to_text(const nlohmann::ordered_json& value, int indentation) {
    return value.dump(indentation, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

json read_json(const std::filesystem::path& path, size_t max_bytes) {
    return parse_json(read_text_file(path, max_bytes), path.string());
}

}  // namespace gremium
