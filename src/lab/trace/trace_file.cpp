#include "lab/trace/trace_file.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "formats/byte_reader.h"

namespace gremium::lab {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view magic = "GREMTRC1";
constexpr uint16_t dropped = 65535;
// Expert ids are below this.
constexpr int most_experts = dropped;
// The largest vocabulary, the same limit as for models; a directory holds a text for each token.
constexpr int most_tokens = 1 << 24;

template <typename T>
void append(std::string& to, const T& number) {
    to.append(reinterpret_cast<const char*>(&number), sizeof number);
}

template <typename T>
void append(std::string& to, const std::vector<T>& numbers) {
    to.append(reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T));
}

template <typename T>
void read(ByteReader& in, std::vector<T>& out, uint64_t count, std::string_view what) {
    // No overflow: count is below 2^48.
    const auto bytes = in.take(count * sizeof(T), what);
    out.resize(static_cast<size_t>(count));
    std::memcpy(out.data(), bytes.data(), bytes.size());
}

void require_finite(const std::vector<float>& numbers, const ByteReader& in, std::string_view what) {
    for (const float x : numbers)
        if (!std::isfinite(x)) fail("{}: before byte {}: {} is not a number", in.source(), in.position(), what);
}

std::string header_text(const TraceHeader& header) {
    Json layers = Json::array();
    for (const hooks::TraceLayer& l : header.layers) layers.push_back({{"layer", l.layer}, {"experts", l.experts}});
    return Json{{"domain", header.domain}, {"model", header.model}, {"hash", header.hash},
                {"vocab", header.vocab},   {"norms", header.norms}, {"layers", std::move(layers)}}
        .dump(-1, ' ', false, Json::error_handler_t::replace);
}

TraceHeader parse_header(const std::string& text, const std::string& source) {
    TraceHeader header;
    try {
        const nlohmann::json json = parse_json(text, source);
        header.domain = json.at("domain");
        header.model = json.at("model");
        header.hash = json.at("hash");
        header.vocab = json.at("vocab");
        header.norms = json.at("norms");
        for (const nlohmann::json& layer : json.at("layers"))
            header.layers.push_back({layer.at("layer"), layer.at("experts")});
    } catch (const nlohmann::json::exception& e) {
        fail("{}: the header of the trace: {}", source, e.what());
    }
    int previous = -1;
    for (const hooks::TraceLayer& l : header.layers) {
        if (l.layer <= previous || l.experts < 1 || l.experts > most_experts)
            fail("{}: the header of the trace has layer {} with {} experts after layer {}", source, l.layer, l.experts,
                 previous);
        previous = l.layer;
    }
    if (header.layers.empty() || header.vocab < 1 || header.vocab > most_tokens)
        fail("{}: the header of the trace has {} layers and {} tokens in its vocabulary", source, header.layers.size(),
             header.vocab);
    return header;
}

void read_layer(ByteReader& in, hooks::TraceBlock::Layer& layer, const hooks::TraceLayer& shape, uint64_t tokens,
                bool norms) {
    const auto k = in.number<uint32_t>("choices per token");
    if (k < 1 || k > static_cast<uint32_t>(shape.experts))
        fail("{}: at byte {}: layer {} has {} choices of {} experts", in.source(), in.position(), shape.layer, k,
             shape.experts);
    layer.top_k = static_cast<int>(k);
    const auto ids = in.take(tokens * k * sizeof(uint16_t), "expert ids");
    layer.ids_Tk.resize(static_cast<size_t>(tokens * k));
    for (size_t i = 0; i < layer.ids_Tk.size(); ++i) {
        uint16_t id;
        std::memcpy(&id, ids.data() + i * sizeof id, sizeof id);
        if (id != dropped && id >= shape.experts)
            fail("{}: before byte {}: expert {} of the {} of layer {}", in.source(), in.position(), id, shape.experts,
                 shape.layer);
        layer.ids_Tk[i] = id == dropped ? -1 : id;
    }
    read(in, layer.weights_Tk, tokens * k, "weights");
    read(in, layer.margin_T, tokens, "margins");
    require_finite(layer.weights_Tk, in, "a weight");
    for (const float x : layer.margin_T)
        if (std::isnan(x)) fail("{}: before byte {}: a margin is not a number", in.source(), in.position());
    layer.norms_Tk.clear();
    if (!norms) return;
    read(in, layer.norms_Tk, tokens * k, "norms");
    require_finite(layer.norms_Tk, in, "a norm");
}

}  // namespace

TraceWriter::TraceWriter(const std::filesystem::path& path, const TraceHeader& header)
    : file_(path), path_(path.string()), header_(header) {
    if (header.layers.empty()) fail("{}: {} has no layer with experts to trace", path_, header.model);
    for (const hooks::TraceLayer& l : header.layers)
        if (l.experts > most_experts)
            fail("{}: layer {} has {} experts, a trace holds at most {}", path_, l.layer, l.experts, most_experts);
    const std::string text = header_text(header);
    std::string start(magic);
    append(start, static_cast<uint64_t>(text.size()));
    file_.write(start + text);
}

void TraceWriter::write(const hooks::TraceBlock& block) {
    if (block.size() == 0) return;
    buffer_.clear();
    append(buffer_, block.tokens);
    append(buffer_, block.positions);
    for (const hooks::TraceBlock::Layer& layer : block.layers) {
        append(buffer_, static_cast<uint32_t>(layer.top_k));
        for (const int32_t id : layer.ids_Tk) append(buffer_, id < 0 ? dropped : static_cast<uint16_t>(id));
        append(buffer_, layer.weights_Tk);
        append(buffer_, layer.margin_T);
        if (header_.norms) append(buffer_, layer.norms_Tk);
    }
    std::string head;
    append(head, static_cast<uint32_t>(block.size()));
    append(head, static_cast<uint64_t>(buffer_.size()));
    file_.write(head);
    file_.write(buffer_);
    tokens_ += block.size();
}

void TraceWriter::finish() {
    std::string end;
    append(end, uint32_t{0});
    append(end, tokens_);
    file_.write(end);
    file_.commit();
}

TraceReader::TraceReader(const std::filesystem::path& path) : source_(path.string()), file_(path) {
    ByteReader in(file_.bytes(), source_);
    if (in.text(magic.size(), "the magic of a trace") != magic)
        fail("{}: not a trace, or one of another version ('{}' expected)", source_, magic);
    header_ = parse_header(in.text(in.number<uint64_t>("the header's size"), "the header"), source_);
    at_ = first_block_ = in.position();
}

void TraceReader::rewind() {
    at_ = first_block_;
    tokens_ = 0;
}

bool TraceReader::next(hooks::TraceBlock& block) {
    ByteReader in(file_.bytes(), source_);
    in.take(at_, "the blocks before");
    const uint64_t tokens = in.number<uint32_t>("tokens of a block");
    if (tokens == 0) {
        const auto told = in.number<uint64_t>("tokens of the trace");
        if (told != tokens_ || in.left() > 0)
            fail("{}: at byte {}: the end tells of {} tokens with {} bytes after it, but there were {} tokens", source_,
                 in.position(), told, in.left(), tokens_);
        return false;
    }
    const auto bytes = in.number<uint64_t>("bytes of a block");
    const size_t begin = in.position();
    read(in, block.tokens, tokens, "tokens");
    read(in, block.positions, tokens, "positions");
    for (const int32_t token : block.tokens)
        if (token < 0 || token >= header_.vocab)
            fail("{}: before byte {}: token {} of a vocabulary of {}", source_, in.position(), token, header_.vocab);
    block.layers.resize(header_.layers.size());
    for (size_t r = 0; r < block.layers.size(); ++r)
        read_layer(in, block.layers[r], header_.layers[r], tokens, header_.norms);
    if (in.position() - begin != bytes)
        fail("{}: at byte {}: a block of {} bytes has {}", source_, begin, bytes, in.position() - begin);
    at_ = in.position();
    tokens_ += tokens;
    return true;
}

}  // namespace gremium::lab
