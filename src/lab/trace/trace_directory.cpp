#include "lab/trace/trace_directory.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/json.h"
#include "data/documents.h"
#include "text/utf8.h"
#include "versions/hash.h"

namespace gremium::lab {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* format_name = "gremium-trace-1";
constexpr size_t max_pieces_bytes = size_t{1} << 30;

fs::path trace_path(const fs::path& directory, const std::string& name) { return directory / (name + ".trace"); }

bool is_text(std::string_view bytes) {
    while (!bytes.empty()) {
        const utf8::Start start = utf8::start(bytes);
        if (start.kind != utf8::Start::character) return false;
        bytes.remove_prefix(start.size);
    }
    return true;
}

Json piece_json(std::string_view piece) {
    if (is_text(piece)) return piece;
    Json bytes = Json::array();
    for (const char c : piece) bytes.push_back(static_cast<unsigned char>(c));
    return bytes;
}

std::string piece_of(const nlohmann::json& json, const fs::path& path) {
    if (json.is_string()) return json;
    std::string piece;
    for (const int64_t byte : json.get<std::vector<int64_t>>()) {
        if (byte < 0 || byte > 255) fail("{}: {} is not a byte", path.string(), byte);
        piece += static_cast<char>(byte);
    }
    return piece;
}

void write_pieces(const fs::path& path, const Tokenizer& tokenizer, const std::vector<bool>& seen) {
    Json pieces = Json::array();
    for (size_t id = 0; id < seen.size(); ++id)
        if (seen[id]) pieces.push_back({id, piece_json(tokenizer.piece(static_cast<int32_t>(id)))});
    write_file_atomically(path, to_text(pieces));
}

std::vector<std::string> read_pieces(const fs::path& path, int vocab) {
    std::vector<std::string> pieces(static_cast<size_t>(vocab));
    try {
        for (const nlohmann::json& entry : read_json(path, max_pieces_bytes)) {
            const auto id = entry.at(0).get<int64_t>();
            if (id < 0 || id >= vocab) fail("{}: token {} of a vocabulary of {}", path.string(), id, vocab);
            pieces[static_cast<size_t>(id)] = piece_of(entry.at(1), path);
        }
    } catch (const Json::exception& e) {
        fail("{}: {}", path.string(), e.what());
    }
    return pieces;
}

std::string name_of(const Model& model, const TraceTextOptions& options) {
    if (!options.steering) return model.spec.name;
    return fmt::format("{}, steered ({})", model.spec.name, options.steering_name);
}

struct ModelNames {
    std::string hash, name;
};

// Notes the tokens that occur in `seen`.
Fed trace_domain(const Model& model, const Domain& domain, const fs::path& directory, const ModelNames& names,
                 const TraceTextOptions& options, std::vector<bool>& seen) {
    const data::Documents documents(domain.files);
    if (documents.all().empty()) fail("{}: holds no text to trace", domain.files.front());
    TraceWriter writer(trace_path(directory, domain.name), {.domain = domain.name,
                                                            .model = names.name,
                                                            .hash = names.hash,
                                                            .vocab = model.spec.vocab,
                                                            .norms = options.norms,
                                                            .layers = hooks::trace_layers(model.spec)});
    hooks::TraceCollector collector(model.spec, {.norms = options.norms}, [&](const hooks::TraceBlock& block) {
        for (const int32_t token : block.tokens) seen[static_cast<size_t>(token)] = true;
        writer.write(block);
    });
    moe::HookChain steered({options.steering, &collector});
    moe::RoutingHook* hook = &collector;
    if (options.steering) hook = &steered;
    const Fed fed = feed(
        model, documents.all(),
        {.window = options.window, .max_tokens = options.max_tokens, .arithmetic = options.arithmetic, .hook = hook});
    collector.finish();
    writer.finish();
    return fed;
}

}  // namespace

void require_domain_name(const std::string& name) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    };
    if (name.empty() || name.size() > 100 || name[0] == '.' || !std::ranges::all_of(name, allowed))
        fail("'{}' cannot name a domain: letters, digits, '-', '_' and '.' expected", name);
}

std::vector<std::string> trace_domains(const Model& model, const std::vector<Domain>& domains,
                                       const fs::path& directory, const TraceTextOptions& options,
                                       const std::function<void(const Domain&, const Fed&)>& on_domain) {
    for (const Domain& domain : domains) require_domain_name(domain.name);
    std::error_code error;
    const bool made = fs::create_directories(directory, error);
    if (error) fail("{}: cannot be made: {}", directory.string(), error.message());
    const std::string hash = versions::model_hash(model), name = name_of(model, options);
    std::vector<bool> seen(static_cast<size_t>(model.spec.vocab));
    Json listed = Json::array();
    std::vector<std::string> faults;
    for (const Domain& domain : domains) {
        try {
            const Fed fed = trace_domain(model, domain, directory, {hash, name}, options, seen);
            listed.push_back({{"name", domain.name}, {"tokens", fed.tokens}});
            if (on_domain) on_domain(domain, fed);
        } catch (const Error& fault) {
            faults.emplace_back(fault.what());
        }
    }
    if (listed.empty()) {
        if (made) fs::remove(directory, error);
        throw Error(faults.front());
    }
    write_pieces(directory / "pieces.json", *model.tokenizer, seen);
    const Json index{{"format", format_name},
                     {"model", name},
                     {"architecture", model.spec.architecture},
                     {"hash", hash},
                     {"domains", std::move(listed)}};
    write_file_atomically(directory / "trace.json", to_text(index, 2) + "\n");
    return faults;
}

TraceDirectory open_traces(const fs::path& directory) {
    const fs::path index = directory / "trace.json";
    TraceDirectory traces;
    traces.path = directory;
    try {
        const nlohmann::json json = read_json(index);
        if (json.at("format") != format_name) fail("{}: the format '{}' expected", index.string(), format_name);
        traces.model = json.at("model");
        traces.architecture = json.at("architecture");
        traces.hash = json.at("hash");
        for (const nlohmann::json& domain : json.at("domains")) {
            const std::string name = domain.at("name");
            require_domain_name(name);
            traces.domains.push_back({name, trace_path(directory, name), domain.at("tokens")});
        }
    } catch (const Json::exception& e) {
        fail("{}: {}", index.string(), e.what());
    }
    if (traces.domains.empty()) fail("{}: lists no traces", index.string());
    int vocab = 0;
    for (const DomainTrace& domain : traces.domains) {
        const TraceReader reader(domain.path);
        const TraceHeader& header = reader.header();
        if (traces.layers.empty()) {
            traces.layers = header.layers;
            vocab = header.vocab;
        }
        if (header.layers != traces.layers || header.vocab != vocab || header.hash != traces.hash)
            fail("{}: is of another model than the other traces of the directory", domain.path.string());
    }
    traces.pieces = read_pieces(directory / "pieces.json", vocab);
    return traces;
}

}  // namespace gremium::lab
