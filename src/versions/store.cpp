#include "versions/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/printable.h"
#include "formats/in_quotes.h"

namespace gremium::versions {
namespace {

namespace fs = std::filesystem;

constexpr const char *format_file = "gremium-versions", *format_text = "gremium expert versions, layout 1\n";
constexpr const char *base_file = "base", *base_path_file = "base.path", *base_known_file = "base.known";
constexpr const char *head_file = "HEAD", *lock_file = "lock";
constexpr size_t max_small = 64 << 10, least_digits = 4;
constexpr std::chrono::seconds patience(60);
constexpr const char* folders[] = {"", "objects", "versions", "branches"};

const char* folder_of(VersionStore::Kind kind) { return folders[1 + static_cast<int>(kind)]; }

bool is_temporary(std::string_view name) { return name.find(".tmp-") != std::string_view::npos; }

bool is_branch_name(std::string_view name) {
    const auto letter = [](unsigned char c) { return c < 0x80 && std::isalnum(c); };
    return !name.empty() && name.size() <= 100 && letter(static_cast<unsigned char>(name[0])) && name != "HEAD" &&
           !is_content_hash(name) && !is_temporary(name) &&
           std::ranges::all_of(name, [&](unsigned char c) { return letter(c) || c == '-' || c == '_' || c == '.'; });
}

void require_branch_name(std::string_view name, const std::string& where) {
    if (!is_branch_name(name))
        fail("{}: {} cannot name a branch: letters, digits and - _ . expected, a letter or digit first", where,
             in_quotes(name));
}

// Reads a file that has one line.
std::string read_line(const fs::path& path) {
    std::string text = read_text_file(path, max_small);
    if (!text.ends_with('\n') || text.find('\n') + 1 != text.size()) fail("{}: one line expected", path.string());
    text.pop_back();
    return text;
}

std::string require_hash(std::string text, const fs::path& path) {
    if (!is_content_hash(text)) fail("{}: {} is not a version", path.string(), in_quotes(text));
    return text;
}

std::string text_of(const VersionStore::Head& head) {
    return head.branch.empty() ? fmt::format("version {}\n", head.version) : fmt::format("branch {}\n", head.branch);
}

// All files of the base model, which may be a directory or a split set.
std::vector<fs::path> files_of_model(const fs::path& model) {
    std::vector<fs::path> files;
    const std::string name = model.filename().string();
    const size_t split = name.find("-of-");
    std::error_code ignored;
    if (!fs::is_directory(model, ignored) && (split == std::string::npos || split < 6)) return {model};
    const fs::path folder = fs::is_directory(model, ignored) ? model : model.parent_path();
    const std::string prefix = fs::is_directory(model, ignored) ? "" : name.substr(0, split - 5);
    for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, ignored))
        if (entry.is_regular_file(ignored) && entry.path().filename().string().starts_with(prefix))
            files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

// Names, sizes and modification times.
std::string looks_of(const fs::path& model) {
    std::string lines;
    for (const fs::path& file : files_of_model(model)) {
        std::error_code error;
        const auto size = fs::file_size(file, error);
        const auto time = error ? fs::file_time_type{} : fs::last_write_time(file, error);
        if (error) return "";
        lines += fmt::format("{} {} {}\n", size, time.time_since_epoch().count(), file.filename().string());
    }
    return lines;
}

}  // namespace

VersionStore VersionStore::create(const fs::path& directory, const Manifest& base, const fs::path& base_model) {
    std::error_code error;
    if (fs::exists(directory) && !(fs::is_directory(directory) && fs::is_empty(directory)))
        fail("{}: exists already", directory.string());
    fs::path path = directory;
    if (!path.has_filename()) path = path.parent_path();  // "store/"
    const fs::path model = fs::weakly_canonical(base_model), home = fs::weakly_canonical(path).parent_path();
    if (first_unprintable(model.string()) != std::string::npos)
        fail("{}: a store cannot note this path; give the model a name without control characters", model.string());
    fs::path temporary = path;
    temporary += fmt::format(".tmp-{}", ::getpid());
    fs::remove_all(temporary, error);
    for (const Kind kind : {Kind::object, Kind::version, Kind::branch})
        if (!fs::create_directories(temporary / folder_of(kind), error))
            fail("{}: cannot create: {}", directory.string(), error.message());
    Manifest first{.base = base.base, .date = base.date, .message = base.message};
    const std::string text = to_text(first), version = content_hash(std::as_bytes(std::span(text)));
    // A base model beside the store is found when both move.
    const fs::path near = model.lexically_relative(home);
    const bool beside = !near.empty() && *near.begin() != "..";
    Manifest whole = base;
    whole.date = whole.message = "";
    write_file_atomically(temporary / format_file, format_text);
    write_file_atomically(temporary / base_file, to_text(whole));
    write_file_atomically(temporary / base_path_file, (beside ? ".." / near : model).string() + "\n");
    write_file_atomically(temporary / base_known_file, looks_of(model));
    write_file_atomically(temporary / lock_file, "");
    write_file_atomically(temporary / folder_of(Kind::version) / version, text);
    write_file_atomically(temporary / folder_of(Kind::branch) / "main", version + "\n");
    write_file_atomically(temporary / head_file, text_of({"main", version}));
    commit_directory(temporary, path);
    return VersionStore(path);
}

bool VersionStore::is_one(const fs::path& directory) {
    std::error_code ignored;
    return fs::is_regular_file(directory / format_file, ignored);
}

VersionStore::VersionStore(fs::path directory) : directory_(std::move(directory)) {
    if (!is_one(directory_))
        fail("{}: is not a store of versions: gremium versions init -m MODEL {} makes one", name(), name());
    const fs::path format = directory_ / format_file;
    if (const std::string text = read_text_file(format, max_small); text != format_text)
        fail("{}: {} is not a layout that this program knows", format.string(), in_quotes(text));
    const fs::path path = directory_ / base_file;
    base_ = parse_manifest(read_text_file(path), path.string());
    complete(base_.state, {}, path.string());
}

fs::path VersionStore::base_model() const {
    const fs::path path = directory_ / base_path_file;
    const fs::path model = read_line(path);
    return model.is_absolute() ? model : (directory_ / model).lexically_normal();
}

Manifest VersionStore::manifest(const std::string& version) const {
    const fs::path path = path_of(Kind::version, version);
    std::error_code ignored;
    if (!fs::exists(path, ignored)) fail("{}: there is no version {}", name(), version);
    const std::string text = read_text_file(path);
    if (content_hash(std::as_bytes(std::span(text))) != version)
        fail("{}: is damaged: its hash is not its name", path.string());
    Manifest manifest = parse_manifest(text, path.string());
    if (manifest.base != base_.base)
        fail("{}: is a version of another base model, {}, expected {}", path.string(), manifest.base, base_.base);
    return manifest;
}

VersionState VersionStore::state(const std::string& version) const {
    return complete(base_.state, manifest(version).state, path_of(Kind::version, version).string());
}

std::vector<std::string> VersionStore::history(const std::string& version) const {
    // There are no cycles: a version's name is the hash of a text that contains its parent's name.
    std::vector<std::string> all;
    for (std::string at = version; !at.empty(); at = manifest(at).parent) all.push_back(at);
    return all;
}

std::string VersionStore::resolve(const std::string& reference) const {
    const size_t tilde = reference.find('~');
    const std::string start = reference.substr(0, tilde);
    int back = 0;
    if (tilde != std::string::npos) {
        const std::string_view digits = std::string_view(reference).substr(tilde + 1);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), back);
        if (digits.empty()) back = 1;
        if (back < 0 || end != digits.data() + digits.size())
            fail("{}: {}: a number of parents expected after ~", name(), in_quotes(reference));
    }
    std::string version;
    const auto branch_names = branches();
    if (start.empty() || start == "HEAD") {
        version = head().version;
    } else if (const auto branch = branch_names.find(start); branch != branch_names.end()) {
        version = branch->second;
    } else {
        std::vector<std::string> found = files(Kind::version);
        std::erase_if(found, [&](const std::string& v) { return !v.starts_with(start); });
        if (start.size() < least_digits || found.empty())
            fail("{}: there is no branch or version {}", name(), in_quotes(start));
        if (found.size() > 1) fail("{}: {} versions begin with {}", name(), found.size(), start);
        version = found.front();
    }
    for (; back > 0; --back) {
        version = manifest(version).parent;
        if (version.empty()) fail("{}: {} lies before the first version", name(), in_quotes(reference));
    }
    return version;
}

VersionStore::Head VersionStore::head() const {
    const fs::path path = directory_ / head_file;
    const std::string line = read_line(path);
    const size_t space = std::min(line.find(' '), line.size());
    const std::string kind = line.substr(0, space), value = line.substr(std::min(space + 1, line.size()));
    if (kind == "version") return {"", require_hash(value, path)};
    if (kind != "branch") fail("{}: {} names neither a branch nor a version", path.string(), in_quotes(line));
    require_branch_name(value, path.string());
    const fs::path branch = path_of(Kind::branch, value);
    return {value, require_hash(read_line(branch), branch)};
}

std::map<std::string, std::string> VersionStore::branches() const {
    std::map<std::string, std::string> all;
    for (const std::string& branch : files(Kind::branch)) {
        const fs::path path = path_of(Kind::branch, branch);
        require_branch_name(branch, directory_ / folder_of(Kind::branch));
        all[branch] = require_hash(read_line(path), path);
    }
    return all;
}

bool VersionStore::has_object(const std::string& hash) const {
    std::error_code ignored;
    return fs::exists(path_of(Kind::object, hash), ignored);
}

Piece VersionStore::object(const std::string& hash) const {
    if (!has_object(hash)) fail("{}: object {} is missing", name(), hash);
    const fs::path path = path_of(Kind::object, hash);
    Piece piece = read_piece(path);
    if (piece.hash() != hash) fail("{}: is damaged: its hash is not its name", path.string());
    return piece;
}

std::vector<std::string> VersionStore::files(Kind kind) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_ / folder_of(kind)))
        if (std::string file = entry.path().filename().string(); !is_temporary(file)) names.push_back(std::move(file));
    std::ranges::sort(names);
    return names;
}

std::vector<fs::path> VersionStore::leftovers() const {
    std::vector<fs::path> all;
    for (const char* folder : folders)
        for (const auto& entry : fs::directory_iterator(directory_ / folder))
            if (is_temporary(entry.path().filename().string())) all.push_back(entry.path());
    return all;
}

fs::path VersionStore::path_of(Kind kind, const std::string& file) const { return directory_ / folder_of(kind) / file; }

bool VersionStore::may_be_written() const {
    return std::ranges::all_of(folders, [&](const char* folder) {
        return ::faccessat(AT_FDCWD, (directory_ / folder).c_str(), W_OK, AT_EACCESS) == 0;
    });
}

VersionStore::Lock::Lock(const VersionStore& store, FileLock::Kind kind)
    : lock_(store.directory() / lock_file, kind, patience,
            fmt::format("{}: another program has been writing to this store for {} seconds: try again when it is done",
                        store.name(), patience.count())) {
    if (kind == FileLock::Kind::exclusive && !store.may_be_written())
        fail("{}: may not be written to: {}", store.name(), std::strerror(errno));
}

int64_t VersionStore::put(const Lock&, const std::string& hash, const Piece& piece) {
    const fs::path path = path_of(Kind::object, hash);
    if (has_object(hash)) {
        try {
            object(hash);
            return 0;
        } catch (const Error&) {
            // A damaged object is written again.
        }
    }
    write_piece(path, piece, {{"gremium", "piece of a model"}});
    return static_cast<int64_t>(fs::file_size(path));
}

std::string VersionStore::put(const Lock&, const Manifest& manifest) {
    const std::string text = to_text(manifest);
    parse_manifest(text, "the new version");
    std::string version = content_hash(std::as_bytes(std::span(text)));
    write_file_atomically(path_of(Kind::version, version), text);
    return version;
}

void VersionStore::set_branch(const Lock&, const std::string& branch, const std::string& version) {
    require_branch_name(branch, name());
    write_file_atomically(path_of(Kind::branch, branch), version + "\n");
}

void VersionStore::remove_branch(const Lock&, const std::string& branch) {
    if (!branches().contains(branch)) fail("{}: there is no branch {}", name(), in_quotes(branch));
    if (head().branch == branch) fail("{}: branch {} is checked out", name(), branch);
    fs::remove(path_of(Kind::branch, branch));
}

void VersionStore::set_head(const Lock&, const Head& head) {
    write_file_atomically(directory_ / head_file, text_of(head));
}

bool VersionStore::base_is_known() const {
    const fs::path path = directory_ / base_known_file;
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return false;
    const std::string looks = looks_of(base_model());
    return !looks.empty() && looks == read_text_file(path, size_t{1} << 20);
}

void VersionStore::remember_base(const Lock&) const {
    write_file_atomically(directory_ / base_known_file, looks_of(base_model()));
}

}  // namespace gremium::versions
