// gremium atlas: a page about the experts of a traced model, or of two.
#include "lab/trace/atlas.h"
#include "base/atomic_file.h"
#include "cli/common.h"

namespace gremium::cli {
namespace {

struct AtlasArguments {
    std::vector<std::string> directories;
    std::string out;
    bool quiet = false, json = false;
};

void make_atlas(const AtlasArguments& options) {
    std::vector<lab::TraceDirectory> models;
    for (const std::string& directory : options.directories) models.push_back(lab::open_traces(directory));
    const std::string page = lab::atlas_page(models);
    write_file_atomically(options.out, page);
    if (options.json)
        fmt::print("{}\n", to_text({{"written", options.out}, {"bytes", page.size()}}));
    else if (!options.quiet)
        fmt::print("{}: {}\n", options.out, human_bytes(static_cast<double>(page.size())));
}

}  // namespace

void add_atlas(Command app) {
    auto options = std::make_shared<AtlasArguments>();
    Command command =
        app.add("atlas", "Make an HTML page of what 'gremium trace' found in a model, or in two beside each other");
    command.option("DIR", options->directories, "directories that 'gremium trace' wrote").required().values(1, 2);
    command.option("-o,--out", options->out, "the HTML file to write").required();
    command.flag("--json", options->json, "print JSON");
    command.flag("-q,--quiet", options->quiet, "print nothing");
    command.examples({"gremium atlas traces -o atlas.html"});
    command.run([=] { make_atlas(*options); });
}

}  // namespace gremium::cli
