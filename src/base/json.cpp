#include "base/json.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/git_lfs.h"

namespace gremium {

using nlohmann::json;

namespace {

constexpr std::string_view not_finite[] = {"NaN", "Infinity", "-Infinity"};
// Stands before their names in strings while they are parsed: no text of a file has it unescaped.
constexpr char mark = '\x7f';

// Python's json writes these words, which JSON has not: they become strings. Empty where there are none.
std::string words_as_strings(std::string_view text) {
    std::string result;
    size_t copied = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') in_string = !in_string;
        if (in_string) {
            if (text[i] == '\\') ++i;
            continue;
        }
        for (const std::string_view word : not_finite) {
            if (!text.substr(i).starts_with(word)) continue;
            result.append(text, copied, i - copied).append({'"', mark}).append(word).append({'"'});
            i += word.size() - 1;
            copied = i + 1;
            break;
        }
    }
    return copied == 0 ? result : result.append(text, copied);
}

template <typename Json>
void strings_as_numbers(Json& value) {
    if (value.is_structured()) {
        for (Json& element : value) strings_as_numbers(element);
    } else if (value.is_string()) {
        const auto& text = value.template get_ref<const std::string&>();
        if (text.empty() || text.front() != mark) return;
        const std::string_view word = std::string_view(text).substr(1);
        constexpr double infinity = std::numeric_limits<double>::infinity();
        if (word == not_finite[0])
            value = std::numeric_limits<double>::quiet_NaN();
        else if (word == not_finite[1] || word == not_finite[2])
            value = word == not_finite[1] ? infinity : -infinity;
    }
}

template <typename Json>
Json parse(std::string_view text, const std::string& source) {
    refuse_git_lfs_pointer(text, source);
    constexpr int max_depth = 64;
    const auto guard = [&](int depth, typename Json::parse_event_t, const Json&) {
        if (depth > max_depth) fail("{}: JSON is nested more than {} deep", source, max_depth);
        return true;
    };
    try {
        return Json::parse(text, guard);
    } catch (const json::parse_error& error) {
        if (const std::string strict = words_as_strings(text); !strict.empty()) {
            Json value = parse<Json>(strict, source);
            strings_as_numbers(value);
            return value;
        }
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
