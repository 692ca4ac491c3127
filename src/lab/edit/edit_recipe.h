// Edits as text, from a TOML file or the command line, and their application to a draft.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/windows.h"
#include "engine/arithmetic.h"
#include "lab/edit/draft.h"

namespace gremium::lab {

// An operation and its arguments: "prune by=reap share=25%". The operations, with required and [optional] arguments:
//   prune share [by across seed]   merge share [by seed]    by: reap, frequency, gate, random (saliency.h)
//   replace expert from            copy expert from model [router]
//   reset expert [seed]            add like                 split parts
//   adapt file [share]
//   retype type [expert layer]     shrink-k k [layer]
// Experts are written LAYER.EXPERT, shares are percentages, flags are true or false.
struct Edit {
    std::string operation;
    std::map<std::string, std::string> arguments;
    std::string where;  // the flag or the place in the file, for messages

    std::string text() const;
};
Edit parse_edit(std::string_view text, const std::string& where);
// From TOML: [[edit]] tables with `do` and the arguments.
std::vector<Edit> parse_edits(std::string_view toml, const std::string& source);
std::vector<Edit> read_edits(const std::filesystem::path& path);

// `calibration` is the text by which prune and merge measure experts, in `arithmetic`; it may be empty for other edits.
// Throws Error naming the edit's place if an edit cannot be read or done; the draft is then unchanged.
void apply_edit(Draft& draft, const Edit& edit, const data::Windows& calibration,
                engine::Arithmetic arithmetic = engine::Arithmetic::exact);

}  // namespace gremium::lab
