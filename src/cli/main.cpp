// gremium: parse, call the library, print. Exit codes: 0 done, 1 the input or the environment is at fault (one line on
// stderr says what and where), 2 wrong usage.
#include <cstdio>
#include <exception>
#include <new>

#include "cli/common.h"

int main(int argc, char** argv) {
    CLI::App app{"Gremium: train, run, inspect and edit Mixture-of-Experts language models", "gremium"};
    app.require_subcommand(1);
    app.set_version_flag("--version", GREMIUM_VERSION);
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
    add_trace(app);
    add_replay(app);
    add_atlas(app);
    add_man(app);
    try {
        app.parse(argc, argv);
        return 0;
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    } catch (const std::bad_alloc&) {
        std::fputs("gremium: out of memory\n", stderr);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "gremium: %s\n", error.what());
    }
    return 1;
}
