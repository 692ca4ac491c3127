#include "text/hf_tokenizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/error.h"
#include "text/sentencepiece.h"

namespace gremium {

namespace {

using Json = nlohmann::json;

int32_t find_token(const Vocabulary& v, const std::string& text) {
    const auto it = std::find(v.tokens.begin(), v.tokens.end(), text);
    return it == v.tokens.end() ? -1 : static_cast<int32_t>(it - v.tokens.begin());
}

// Sets `flag` from a true/false field; absent or null leaves it.
void read_flag(const Json& config, const char* key, bool& flag, const std::string& where) {
    const auto field = config.find(key);
    if (field == config.end() || field->is_null()) return;
    if (!field->is_boolean()) fail("{}: {} is {}, expected true or false", where, key, field->dump());
    flag = *field;
}

// Sets `id` from a special token's field: its text, or an object with "content". Null: there is none.
void read_token(const Json& config, const char* key, int32_t& id, const Vocabulary& v,
                const std::string& where) {
    auto field = config.find(key);
    if (field == config.end()) return;
    id = -1;
    if (field->is_null()) return;
    const Json& content = field->is_object() && field->contains("content") ? (*field)["content"] : *field;
    if (!content.is_string()) fail("{}: {} is {}, expected a token's text", where, key, field->dump());
    id = find_token(v, content);
    if (id < 0) fail("{}: {} \"{}\" is not in the vocabulary", where, key, content.get<std::string>());
}

Json token_text(const Vocabulary& v, int32_t id) { return id < 0 ? Json() : Json(v.tokens[id]); }

}  // namespace

Vocabulary read_hf_tokenizer(const std::filesystem::path& directory) {
    const std::filesystem::path model_path = directory / "tokenizer.model";
    Vocabulary v = read_sentencepiece_model(read_text_file(model_path), model_path.string());

    const std::filesystem::path config_path = directory / "tokenizer_config.json";
    if (!std::filesystem::exists(config_path)) return v;
    const std::string where = config_path.string();
    const Json config = Json::parse(read_text_file(config_path), nullptr, false);
    if (!config.is_object()) fail("{}: not a JSON object", where);
    read_token(config, "bos_token", v.bos, v, where);
    read_token(config, "eos_token", v.eos, v, where);
    read_token(config, "unk_token", v.unk, v, where);
    read_token(config, "pad_token", v.pad, v, where);
    read_flag(config, "add_bos_token", v.add_bos, where);
    read_flag(config, "add_eos_token", v.add_eos, where);
    read_flag(config, "add_prefix_space", v.add_space_prefix, where);
    if (config.contains("chat_template") && config["chat_template"].is_string()) {
        v.chat_template = config["chat_template"];
    }
    validate(v, where);
    return v;
}

void write_hf_tokenizer(const Vocabulary& v, const std::filesystem::path& directory) {
    Json config = {{"tokenizer_class", "LlamaTokenizer"},
                   {"bos_token", token_text(v, v.bos)},
                   {"eos_token", token_text(v, v.eos)},
                   {"unk_token", token_text(v, v.unk)},
                   {"pad_token", token_text(v, v.pad)},
                   {"add_bos_token", v.add_bos},
                   {"add_eos_token", v.add_eos},
                   {"add_prefix_space", v.add_space_prefix},
                   {"legacy", false},
                   {"clean_up_tokenization_spaces", false},
                   {"spaces_between_special_tokens", false}};
    if (!v.chat_template.empty()) config["chat_template"] = v.chat_template;
    write_file_atomically(directory / "tokenizer.model", write_sentencepiece_model(v));
    write_file_atomically(directory / "tokenizer_config.json",
                          config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace gremium
