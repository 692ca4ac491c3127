// The decoders of tokenizer.json, as what each token stands for.
#include <charconv>
#include <functional>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/pipeline/tokenizer.h"
#include "text/replace.h"

namespace gremium::pipeline {

namespace {

using Json = nlohmann::json;

std::vector<Json> steps_of(const Json& decoder, int depth = 0) {
    if (decoder.is_null()) return {};
    if (decoder.at("type") != "Sequence") return {decoder};
    if (depth > 8) fail("its sequences are nested too deeply");
    std::vector<Json> steps;
    for (const Json& part : decoder.at("decoders")) {
        for (Json& step : steps_of(part, depth + 1)) steps.push_back(std::move(step));
    }
    return steps;
}

std::string byte_of(const std::string& token) {
    int byte = -1;
    if (token.size() == 6 && token.starts_with("<0x") && token.ends_with('>'))
        std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
    return byte < 0 ? token : std::string(1, static_cast<char>(byte));
}

using Step = std::function<std::string(const std::string& token)>;

Step same() {
    return [](const std::string& token) { return token; };
}

Step replacing(std::string from, std::string to) {
    return [from = std::move(from), to = std::move(to)](const std::string& token) { return replaced(token, from, to); };
}

Step word_pieces(const std::string& prefix) {
    return [prefix](const std::string& token) {
        return token.starts_with(prefix) ? token.substr(prefix.size()) : " " + token;
    };
}

Step decoding(const Json& step) {
    const std::string type = step.at("type");
    if (type == "ByteLevel") return [](const std::string& token) { return spelled_bytes(token).value_or(token); };
    if (type == "ByteFallback") return byte_of;
    if (type == "Fuse" || type == "Strip") return same();
    if (type == "Metaspace") return replacing(step.value("replacement", "\u2581"), " ");
    if (type == "BPEDecoder") return replacing(step.value("suffix", "</w>"), " ");
    if (type == "WordPiece") return word_pieces(step.value("prefix", "##"));
    if (type == "Replace" && step.at("pattern").contains("String"))
        return replacing(step["pattern"]["String"], step.at("content"));
    fail(
        "decoder {} is not supported; supported: ByteLevel, ByteFallback, Fuse, Strip, Metaspace, BPEDecoder, "
        "WordPiece, "
        "Replace of a string, Sequence",
        step.dump());
}

}  // namespace

Json decoder_of(const Json& file) {
    if (const Json given = file.value("decoder", Json()); !given.is_null()) return given;
    const std::string encoding = file.value("normalizer", Json()).dump() + file.value("pre_tokenizer", Json()).dump();
    if (encoding.find("\"ByteLevel\"") != encoding.npos) return {{"type", "ByteLevel"}};
    if (encoding.find("\u2581") == encoding.npos) return {};
    return {{"type", "Sequence"}, {"decoders", {{{"type", "Metaspace"}}, {{"type", "ByteFallback"}}}}};
}

std::vector<std::string> decoded_pieces(const Json& decoder, const std::vector<std::string>& tokens) {
    std::vector<Step> steps;
    for (const Json& step : steps_of(decoder)) steps.push_back(decoding(step));
    std::vector<std::string> pieces = tokens;
    for (std::string& piece : pieces) {
        for (const Step& step : steps) piece = step(piece);
        // Without a decoder tokens are words.
        if (steps.empty()) piece = " " + piece;
    }
    return pieces;
}

bool strips_space(const Json& decoder) {
    const std::vector<Json> steps = steps_of(decoder);
    for (const Json& step : steps) {
        const std::string type = step.at("type");
        if (type == "WordPiece" || (type == "Strip" && step.value("start", 0) > 0)) return true;
        if (type == "Metaspace")
            return step.value("prepend_scheme", step.value("add_prefix_space", true) ? "always" : "never") != "never";
    }
    return steps.empty();
}

}  // namespace gremium::pipeline
