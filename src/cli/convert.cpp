// gremium convert: one model format into another.
#include "base/error.h"
#include "cli/common.h"

namespace gremium::cli {
namespace {

struct Options {
    Common common;
    std::string in, out, type;
};

void convert_model(const Options& options) {
    apply(options.common);
    const auto dtype = dtype_from_name(options.type);
    if (!dtype || *dtype == DType::i32)
        fail("--type {}: unknown; f32, f16, bf16, q8_0 or q4_0 expected", options.type);
    const bool gguf = std::filesystem::path(options.out).extension() == ".gguf";
    const auto model = load_model(options.in);
    save_model(*model, options.out,
               {.container = gguf ? Container::gguf : Container::hugging_face, .dtype = *dtype});
    if (!options.common.quiet) {
        fmt::print("{} -> {} ({}, {})\n", options.in, options.out, gguf ? "GGUF" : "Hugging Face layout",
                   options.type);
    }
}

}  // namespace

void add_convert(CLI::App& app) {
    auto options = std::make_shared<Options>();
    CLI::App* command =
        app.add_subcommand("convert", "Convert between GGUF and Hugging Face layout, and quantise");
    add_common(*command, options->common, false);
    command->add_option("IN", options->in, "GGUF file or directory in Hugging Face layout")->required();
    command
        ->add_option("OUT", options->out, "NAME.gguf for GGUF, otherwise a directory in Hugging Face layout")
        ->required();
    options->type = "f32";
    command->add_option("--type", options->type,
                        "type of the matrices: f32, f16, bf16, q8_0, q4_0 (default f32)");
    command->callback([=] { convert_model(*options); });
}

}  // namespace gremium::cli
