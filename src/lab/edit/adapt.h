// An adapter's changes taken into a model.
#pragma once

#include <filesystem>

#include "lab/edit/draft.h"

namespace gremium::lab {

// Adds share · the adapter to a draft's experts, rounded to their types, and to routers: of a file that save_adapter
// wrote, or of a directory in PEFT's layout. Throws Error: a damaged file, another model than it was trained for, an
// expert or a shape that is not there; the draft is then unchanged.
void adapt(Draft& draft, const std::filesystem::path& path, float share = 1);

}  // namespace gremium::lab
