// Keys of files that no reader of an architecture asked for: harmless ones are listed, all others are named to who
// opens the file, so that nothing that changes a result is passed over in silence.
#pragma once

#include <optional>
#include <string>

#include "formats/hugging_face/hf.h"
#include "formats/metadata.h"

namespace gremium::archs {

// After everything of the file was read: a warning that names what is left over, if anything is. Error for a key that
// is known to change what the model computes, unless it says what models without it do. With a tokenizer that could
// not be read its keys do not count.
std::optional<std::string> warning_of_unread(const Metadata& metadata, bool with_tokenizer);
std::optional<std::string> warning_of_unread(const HfConfig& config);
// Of generation_config.json.
std::optional<std::string> warning_of_unread_generation(const HfConfig& config);

}  // namespace gremium::archs
