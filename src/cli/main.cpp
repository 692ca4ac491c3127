// gremium: parse, call the library, print. Exit codes: 0 done, 1 the input or the environment is at fault (one line on
// stderr says what and where), 2 wrong usage, 128 + the signal's number: stopped by it, and what there was is kept.
#include <cstdio>
#include <exception>
#include <new>
#include <system_error>

#include "cli/common.h"
#include "cli/interruption.h"
#include "cli/output.h"

namespace {

void define(gremium::cli::Command app) {
    using namespace gremium::cli;
    add_run(app);
    add_chat(app);
    add_inspect(app);
    add_tokenize(app);
    add_eval(app);
    add_train(app);
    add_convert(app);
    add_bench(app);
    add_experts(app);
    add_versions(app);
    add_trace(app);
    add_replay(app);
    add_atlas(app);
    add_man(app);
}

// Of a pipe that nobody reads any more there is nobody to tell.
void report_output_failure(const std::error_code& reason) {
    if (reason != std::errc::broken_pipe)
        std::fprintf(stderr, "gremium: standard output: cannot write: %s\n", reason.message().c_str());
}

}  // namespace

int main(int argc, char** argv) {
    gremium::cli::prepare_output();
    try {
        const int code = gremium::cli::run_program(
            {.name = "gremium",
             .about = "Gremium: train, run, inspect and edit Mixture-of-Experts language models",
             .version = GREMIUM_VERSION,
             .define = define},
            argc, argv);
        gremium::cli::flush_output();
        return code;
    } catch (const std::system_error& error) {
        if (std::ferror(stdout))
            report_output_failure(error.code());
        else
            std::fprintf(stderr, "gremium: %s\n", error.what());
    } catch (const gremium::cli::Interrupted& interrupted) {
        return interrupted.exit_code();
    } catch (const std::bad_alloc&) {
        std::fputs("gremium: out of memory\n", stderr);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "gremium: %s\n", error.what());
    }
    return 1;
}
