#include "versions/manifest.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <type_traits>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "formats/in_quotes.h"

namespace gremium::versions {
namespace {

constexpr std::string_view first_line = "gremium version 1";
constexpr size_t hash_digits = 32;

// The words of one line.
class Words {
  public:
    Words(std::string_view line, std::string where) : line_(line), left_(line), where_(std::move(where)) {}

    std::string_view next() {
        const std::string_view word = left_.substr(0, left_.find(' '));
        left_.remove_prefix(std::min(left_.size(), word.size() + 1));
        return word;
    }
    void expect(std::string_view word) {
        if (next() != word) wrong();
    }
    std::string hash() {
        const std::string_view word = next();
        if (!is_content_hash(word)) wrong();
        return std::string(word);
    }
    int number(std::string_view text) const {
        int value = -1;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size() || value < 0) wrong();
        return value;
    }
    int number() { return number(next()); }
    moe::ExpertId expert() {
        const std::string_view word = next();
        const size_t dot = std::min(word.find('.'), word.size());
        return {number(word.substr(0, dot)), number(word.substr(std::min(dot + 1, word.size())))};
    }
    std::string rest() {
        const bool clean = std::ranges::none_of(left_, [](unsigned char c) { return c < ' ' || c == 0x7f; });
        if (!clean) wrong();
        return std::string(std::exchange(left_, {}));
    }
    void end() const {
        if (!left_.empty()) wrong();
    }
    [[noreturn]] void wrong() const { fail("{}: cannot be read: {}", where_, in_quotes(line_)); }

  private:
    std::string_view line_, left_;
    std::string where_;
};

void parse_line(Manifest& manifest, Words words) {
    const std::string_view kind = words.next();
    if (kind == "base") {
        manifest.base = words.hash();
    } else if (kind == "parent") {
        manifest.parent = words.hash();
    } else if (kind == "date") {
        manifest.date = words.rest();
    } else if (kind == "message") {
        if (!manifest.message.empty()) manifest.message += '\n';
        manifest.message += words.rest();
    } else if (kind == "by") {
        manifest.provenance.push_back(words.rest());
    } else if (kind == "layer") {
        LayerState& layer = manifest.state.layers[words.number()];
        words.expect("experts");
        layer.experts = words.number();
        words.expect("used");
        layer.used = words.number();
        words.expect("width");
        layer.width = words.number();
        words.expect("router");
        layer.router = words.hash();
    } else if (kind == "expert") {
        ExpertState& expert = manifest.state.experts[words.expert()];
        words.expect("weights");
        expert.weights = words.hash();
        words.expect("row");
        expert.row = words.hash();
    } else if (kind == "tensor") {
        std::string& hash = manifest.state.tensors[std::string(words.next())];
        hash = words.hash();
    } else {
        words.wrong();
    }
    words.end();
}

// The hash of the router rows of a layer's experts. If `without` ≥ 0, that expert's row is replaced by a blank.
std::string hash_of_rows(const VersionState& state, int layer, int without) {
    std::string lines;
    for (auto e = state.experts.lower_bound({layer, 0}); e != state.experts.end() && e->first.layer == layer; ++e)
        lines += fmt::format("{}\n", e->first.expert == without ? "" : e->second.row);
    return content_hash(std::as_bytes(std::span(lines)));
}

}  // namespace

std::string router_fingerprint(const VersionState& state, int layer) { return hash_of_rows(state, layer, -1); }
std::string router_around(const VersionState& state, moe::ExpertId id) {
    return hash_of_rows(state, id.layer, id.expert);
}

VersionState changes(const VersionState& base, const VersionState& whole) {
    const auto only_new = [](const auto& old, const auto& all) {
        std::remove_cvref_t<decltype(all)> kept;
        for (const auto& [key, value] : all)
            if (const auto was = old.find(key); was == old.end() || was->second != value) kept.emplace(key, value);
        return kept;
    };
    return {only_new(base.layers, whole.layers), only_new(base.experts, whole.experts),
            only_new(base.tensors, whole.tensors)};
}

VersionState complete(const VersionState& base, const VersionState& changes, const std::string& source) {
    VersionState all = base;
    for (const auto& [l, layer] : changes.layers) {
        if (!base.layers.contains(l)) fail("{}: layer {} of the base model has no experts", source, l);
        all.layers[l] = layer;
    }
    std::erase_if(all.experts, [&](const auto& expert) {
        const auto layer = all.layers.find(expert.first.layer);
        return layer == all.layers.end() || expert.first.expert >= layer->second.experts;
    });
    for (const auto& [id, expert] : changes.experts) {
        const auto layer = all.layers.find(id.layer);
        if (layer == all.layers.end() || id.expert >= layer->second.experts)
            fail("{}: there is no expert {}", source, to_string(id));
        all.experts[id] = expert;
    }
    for (const auto& [name, hash] : changes.tensors) {
        if (!base.tensors.contains(name)) fail("{}: the base model has no tensor {}", source, in_quotes(name));
        all.tensors[name] = hash;
    }
    for (const auto& [l, layer] : all.layers) {
        for (int e = 0; e < layer.experts; ++e)
            if (!all.experts.contains({l, e})) fail("{}: expert {}.{} is missing", source, l, e);
        if (const std::string router = router_fingerprint(all, l); router != layer.router)
            fail("{}: experts and router of layer {} do not belong together: its rows are {}, expected {}", source, l,
                 router, layer.router);
    }
    return all;
}

ModelSpec with_layers(ModelSpec spec, const VersionState& state, const std::string& source) {
    for (const auto& [l, layer] : state.layers) {
        MoeSpec* moe = static_cast<size_t>(l) < spec.layers.size()
                           ? std::get_if<MoeSpec>(&spec.layers[static_cast<size_t>(l)].feed_forward)
                           : nullptr;
        if (!moe) fail("{}: layer {} of the base model has no experts", source, l);
        moe->router.experts = layer.experts;
        moe->router.top_k = layer.used;
        moe->hidden = layer.width;
    }
    return spec;
}

std::string to_text(const Manifest& manifest) {
    std::string text = fmt::format("{}\nbase {}\n", first_line, manifest.base);
    if (!manifest.parent.empty()) text += fmt::format("parent {}\n", manifest.parent);
    if (!manifest.date.empty()) text += fmt::format("date {}\n", manifest.date);
    for (size_t at = 0; at < manifest.message.size();) {
        const size_t end = std::min(manifest.message.find('\n', at), manifest.message.size());
        text += fmt::format("message {}\n", manifest.message.substr(at, end - at));
        at = end + 1;
    }
    for (const std::string& line : manifest.provenance) text += fmt::format("by {}\n", line);
    for (const auto& [l, layer] : manifest.state.layers)
        text += fmt::format("layer {} experts {} used {} width {} router {}\n", l, layer.experts, layer.used,
                            layer.width, layer.router);
    for (const auto& [id, expert] : manifest.state.experts)
        text += fmt::format("expert {} weights {} row {}\n", to_string(id), expert.weights, expert.row);
    for (const auto& [name, hash] : manifest.state.tensors) text += fmt::format("tensor {} {}\n", name, hash);
    return text;
}

Manifest parse_manifest(std::string_view text, const std::string& source) {
    Manifest manifest;
    size_t number = 0;
    for (std::string_view left = text; !left.empty();) {
        const std::string_view line = left.substr(0, left.find('\n'));
        left.remove_prefix(std::min(left.size(), line.size() + 1));
        if (++number > 1)
            parse_line(manifest, Words(line, fmt::format("{}: line {}", source, number)));
        else if (line != first_line)
            fail("{}: begins with {}, expected \"{}\"", source, in_quotes(line), first_line);
    }
    // Rejects lines that are repeated, out of order, or spell numbers differently: one state must have one text and one
    // hash.
    if (manifest.base.empty() || to_text(manifest) != text)
        fail("{}: is not a list of a version's pieces as Gremium writes it", source);
    return manifest;
}

bool is_content_hash(std::string_view text) {
    return text.size() == hash_digits &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string one_line(std::string_view text) {
    std::string line;
    for (const char c : text) {
        const bool space = static_cast<unsigned char>(c) <= ' ' || c == 0x7f;
        if (!space)
            line += c;
        else if (!line.empty() && line.back() != ' ')
            line += ' ';
    }
    if (line.ends_with(' ')) line.pop_back();
    return line;
}

std::string to_string(moe::ExpertId id) { return fmt::format("{}.{}", id.layer, id.expert); }

}  // namespace gremium::versions
