// Routing decisions as --trace writes them, a line of JSON each; written again they read the same.
#include "fuzz/target.h"
#include "hooks/recorder.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    static const Folder folder;
    std::string lines, again;
    hooks::read_json_lines(folder.put("input.jsonl", text_of(input)),
                           [&](const RouteEvent& event, const std::string& piece) {
                               require(event.weights.size() == event.experts.size());
                               lines += hooks::to_json_line(event, piece) + "\n";
                           });
    hooks::read_json_lines(folder.put("written.jsonl", lines), [&](const RouteEvent& event, const std::string& piece) {
        again += hooks::to_json_line(event, piece) + "\n";
    });
    require(again == lines);
}

}  // namespace gremium::fuzz
