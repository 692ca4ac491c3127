#include "model/files/gguf_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "text/pre_tokenizers.h"

namespace gremium {

namespace {

std::string key(std::string_view name) { return "tokenizer.ggml." + std::string(name); }

struct TokenKey {
    std::string_view name;
    int32_t Vocabulary::*id;
};
constexpr TokenKey token_keys[] = {{"bos_token_id", &Vocabulary::bos},
                                   {"eos_token_id", &Vocabulary::eos},
                                   {"unknown_token_id", &Vocabulary::unk},
                                   {"padding_token_id", &Vocabulary::pad}};

// What ends a turn besides EOS. llama.cpp reads the first two; ollama writes the list, others call it by its second
// name.
constexpr std::string_view end_keys[] = {"eot_token_id", "eom_token_id"};
constexpr std::string_view end_lists[] = {"eos_token_ids", "eog_token_ids"};

Vocabulary defaults(const std::string& model, const std::string& pre) {
    Vocabulary v;
    v.model = model;
    v.pre = pre;
    if (model == "llama") {
        v.bos = 1;
        v.eos = 2;
        v.unk = 0;
        v.add_bos = v.add_space_prefix = true;
    } else if (model == "gpt2") {
        v.bos = v.eos = 11;
        v.ignore_merges = pre_tokenizer(pre).ignore_merges;
        v.add_bos = pre_tokenizer(pre).add_bos;
    } else if (model == "t5") {
        v.eos = 1;
        v.unk = 2;
        v.pad = 0;
        v.add_eos = v.add_space_prefix = true;
    }
    return v;
}

}  // namespace

std::optional<Vocabulary> read_gguf_vocabulary(const Metadata& metadata, std::vector<std::string>* warnings) {
    const auto model = metadata.find<std::string>(key("model"));
    if (!model || *model == "none" || *model == "no_vocab") return std::nullopt;

    Vocabulary v = defaults(*model, metadata.get<std::string>(key("pre"), ""));
    v.tokens = metadata.require<std::vector<std::string>>(key("tokens"));
    v.scores = metadata.get<std::vector<float>>(key("scores"), {});
    v.merges = metadata.get<std::vector<std::string>>(key("merges"), {});
    v.types.assign(v.tokens.size(), TokenType::normal);
    if (const auto types = metadata.find<std::vector<int32_t>>(key("token_type"))) {
        v.types.clear();
        for (int32_t type : *types) v.types.push_back(static_cast<TokenType>(std::clamp(type, 0, 127)));
    }
    for (const TokenKey& k : token_keys) {
        // Converters write 2³²−1 or −1 for none.
        const int64_t none = v.*k.id < v.size() ? v.*k.id : -1;
        const int64_t id = metadata.get<int64_t>(key(k.name), none);
        v.*k.id = id < 0 || id >= v.size() ? -1 : static_cast<int32_t>(id);
        if (id >= v.size() && id != UINT32_MAX && warnings)
            warnings->push_back(fmt::format("{}: {} is {}, but there are {} tokens: as if it were not there",
                                            metadata.source(), key(k.name), id, v.size()));
    }
    for (const std::string_view name : end_keys) add_end(v, metadata.get<int64_t>(key(name), -1));
    for (const std::string_view name : end_lists)
        for (const int32_t id : metadata.get<std::vector<int32_t>>(key(name), {})) add_end(v, id);
    v.add_bos = metadata.get<bool>(key("add_bos_token"), v.add_bos);
    v.add_eos = metadata.get<bool>(key("add_eos_token"), v.add_eos);
    if (v.model != "gpt2") {  // llama.cpp looks at neither there
        v.add_space_prefix = metadata.get<bool>(key("add_space_prefix"), v.add_space_prefix);
        v.remove_extra_whitespaces = metadata.get<bool>(key("remove_extra_whitespaces"), false);
    }
    const auto charsmap = metadata.get<std::vector<int32_t>>(key("precompiled_charsmap"), {});
    for (int32_t byte : charsmap) v.charsmap += static_cast<char>(byte);
    v.chat_template = metadata.get<std::string>("tokenizer.chat_template", "");
    return v;
}

void write_gguf_vocabulary(const Vocabulary& vocabulary, int32_t size, Metadata& metadata) {
    Vocabulary v = vocabulary;
    if (v.model == "tokenizer.json")
        fail("GGUF has no form for the normalizers, pre-tokenizers or the model of this tokenizer.json");
    if (v.model == "gpt2" && v.pre.empty() && !v.splits.empty())
        fail("GGUF has no name for the tokenizer's pre-tokenizer: {}", fmt::join(v.splits, " then "));
    for (int32_t id = v.size(); id < size; ++id) {
        v.tokens.push_back(fmt::format("[PAD{}]", id));
        v.types.push_back(TokenType::unused);
        if (!v.scores.empty()) v.scores.push_back(0);
    }
    std::vector<int32_t> types;
    for (TokenType type : v.types) types.push_back(static_cast<int32_t>(type));

    metadata.set(key("model"), v.model);
    metadata.set(key("pre"), v.pre.empty() ? std::string("default") : v.pre);
    metadata.set(key("tokens"), MetaArray(std::move(v.tokens)));
    if (!v.scores.empty()) metadata.set(key("scores"), MetaArray(std::move(v.scores)));
    metadata.set(key("token_type"), MetaArray(std::move(types)));
    if (v.model == "gpt2" && !v.merges.empty()) metadata.set(key("merges"), MetaArray(std::move(v.merges)));
    for (const TokenKey& k : token_keys)
        if (v.*k.id >= 0) metadata.set(key(k.name), static_cast<uint32_t>(v.*k.id));
    for (size_t i = 0; i < std::min(v.ends.size(), std::size(end_keys)); ++i)
        metadata.set(key(end_keys[i]), static_cast<uint32_t>(v.ends[i]));
    if (v.ends.size() > std::size(end_keys)) metadata.set(key(end_lists[0]), MetaArray(v.ends));
    metadata.set(key("add_bos_token"), v.add_bos);
    metadata.set(key("add_eos_token"), v.add_eos);
    metadata.set(key("add_space_prefix"), v.add_space_prefix);
    if (v.remove_extra_whitespaces) metadata.set(key("remove_extra_whitespaces"), true);
    if (!v.charsmap.empty()) {
        metadata.set(key("precompiled_charsmap"),
                     MetaArray(std::vector<uint8_t>(v.charsmap.begin(), v.charsmap.end())));
    }
    if (!v.chat_template.empty()) metadata.set("tokenizer.chat_template", v.chat_template);
}

}  // namespace gremium
