#include "data/files.h"

#include <glob.h>

#include <algorithm>
#include <set>

#include "base/error.h"

namespace gremium::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view all_folders = "**/";

// A name in which no character is a pattern's.
std::string literal(const std::string& name) {
    std::string escaped;
    for (const char c : name) {
        if (std::string_view("*?[]\\").find(c) != std::string_view::npos) escaped += '\\';
        escaped += c;
    }
    return escaped;
}

// Without "**".
std::vector<fs::path> matches_in_folder(const std::string& pattern) {
    glob_t found{};
    const int result = ::glob(pattern.c_str(), 0, nullptr, &found);
    std::vector<fs::path> paths(found.gl_pathv, found.gl_pathv + (result == 0 ? found.gl_pathc : 0));
    ::globfree(&found);
    return paths;
}

// A folder and all below it, by name.
std::vector<fs::path> folders_from(const fs::path& top) {
    std::vector<fs::path> folders{top};
    std::error_code error;
    const auto options = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator at(top, options, error), end; !error && at != end; at.increment(error)) {
        if (!at->is_directory() || at->is_symlink()) continue;
        if (at->path().filename().string().starts_with('.'))
            at.disable_recursion_pending();
        else
            folders.push_back(at->path());
    }
    std::ranges::sort(folders);
    return folders;
}

std::vector<fs::path> matches(const std::string& pattern) {
    if (pattern == "**" || pattern.ends_with("/**")) return matches(pattern + "/*");
    size_t at = pattern.find(all_folders);
    while (at != std::string::npos && at > 0 && pattern[at - 1] != '/') at = pattern.find(all_folders, at + 1);
    if (at == std::string::npos) return matches_in_folder(pattern);
    const std::string head = pattern.substr(0, at), tail = pattern.substr(at + all_folders.size());
    std::vector<fs::path> paths;
    for (const fs::path& top : head.empty() ? std::vector<fs::path>{"."} : matches_in_folder(head))
        for (const fs::path& folder : folders_from(top))
            for (fs::path& path : matches(literal((folder / "").string()) + tail))
                paths.push_back(head.empty() ? path.lexically_normal() : std::move(path));
    return paths;
}

}  // namespace

std::vector<fs::path> files_of(std::span<const std::string> patterns) {
    std::vector<fs::path> files;
    std::set<fs::path> seen;
    for (const std::string& pattern : patterns) {
        std::error_code error;
        std::vector<fs::path> paths{pattern};
        if (fs::is_directory(pattern, error))
            fail("{}: is a folder; a file expected, or a pattern such as {}", pattern,
                 (fs::path(pattern) / "**" / "*.txt").string());
        if (pattern != "-" && !fs::exists(pattern, error)) {
            paths = matches(pattern);
            std::erase_if(paths, [&](const fs::path& path) { return fs::is_directory(path, error); });
        }
        if (paths.empty()) fail("{}: no such file", pattern);
        for (fs::path& path : paths) {
            const fs::path known = fs::canonical(path, error);
            if (seen.insert(error ? path : known).second) files.push_back(std::move(path));
        }
    }
    return files;
}

}  // namespace gremium::data
