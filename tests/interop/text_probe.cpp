// text_probe ids DIRECTORY < texts.json: a JSON array of texts → an array of {ids, text}, where `text` is
// decoded again. text_probe render < cases.json: an array of {template, variables} → an array of {text} or
// {error}.
#include <nlohmann/json.hpp>

#include <cstdio>
#include <iostream>
#include <iterator>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/hf_tokenizer.h"
#include "text/tokenizer.h"

using Json = nlohmann::ordered_json;

static Json ids(const gremium::Tokenizer& tokenizer, const Json& texts) {
    Json results = Json::array();
    for (const Json& text : texts) {
        const auto encoded = tokenizer.encode(text.get<std::string>(), {.add_bos_eos = false});
        results.push_back({{"ids", encoded}, {"text", tokenizer.decode(encoded, {.specials = true})}});
    }
    return results;
}

static Json render(const Json& cases) {
    Json results = Json::array();
    for (const Json& c : cases) {
        try {
            results.push_back(
                {{"text", gremium::ChatTemplate(c.at("template").get<std::string>()).render(c.at("variables"))}});
        } catch (const gremium::Error& error) {
            results.push_back({{"error", error.what()}});
        }
    }
    return results;
}

int main(int argc, char** argv) try {
    const Json input = Json::parse(std::string(std::istreambuf_iterator<char>(std::cin), {}));
    const bool encode = argc == 3 && std::string_view(argv[1]) == "ids";
    const Json output =
        encode ? ids(*gremium::make_tokenizer(gremium::read_hf_tokenizer(argv[2])), input) : render(input);
    std::cout << output.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
} catch (const std::exception& error) {
    std::fprintf(stderr, "text_probe: %s\n", error.what());
    return 1;
}
