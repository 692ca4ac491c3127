// gremium tokenize: text to ids.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/common.h"
#include "cli/prompt_text.h"
#include "model/files/load.h"
#include "text/text_file.h"
#include "versions/versions.h"

namespace gremium::cli {
namespace {

struct TokenizeArguments {
    Common common;
    std::string text, file;
    bool no_bos = false, no_special = false;
};

std::string text_of(const TokenizeArguments& options) {
    if (options.file.empty()) return options.text;
    return read_text(options.file, {.form = TextForm::exact, .nul = true, .note = say_note});
}

void tokenize(const TokenizeArguments& options) {
    apply(options.common);
    const auto tokenizer = load_tokenizer(versions::model_files(model_path(options.common)));
    const auto ids =
        tokenizer->encode(text_of(options), {.add_bos_eos = !options.no_bos, .parse_special = !options.no_special});
    if (options.common.json) {
        fmt::print("{}\n", to_text({{"ids", ids}}));
        return;
    }
    for (const int32_t id : ids) {
        if (options.common.quiet)
            fmt::print("{}\n", id);
        else
            fmt::print(
                "{:>7}  {}\n", id,
                nlohmann::json(tokenizer->piece(id)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    }
}

}  // namespace

void add_tokenize(Command app) {
    auto options = std::make_shared<TokenizeArguments>();
    Command command = app.add("tokenize", "Show the token ids of a text");
    add_common(command, options->common);
    const Flag text = command.option("TEXT", options->text, "the text");
    command.option("--file", options->file, "read the text from a file or a pipe; -: from standard input")
        .excludes(text);
    command.flag("--no-bos", options->no_bos, "add no begin- or end-of-text token");
    command.flag("--no-special", options->no_special, "read the names of special tokens as ordinary text");
    command.examples({"gremium tokenize \"Hello world\"", "gremium tokenize -m model.gguf --file text.txt --json"});
    command.run([=] {
        if (options->text.empty() && options->file.empty()) require_flag("TEXT or --file");
        tokenize(*options);
    });
}

}  // namespace gremium::cli
