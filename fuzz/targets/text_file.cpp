// Text from anywhere.
#include "text/text_file.h"

#include "fuzz/target.h"

namespace gremium::fuzz {

void run(std::span<const std::byte> input) {
    const std::string_view bytes = text_of(input);
    for (const TextForm form : {TextForm::whole, TextForm::lines, TextForm::exact}) {
        const std::optional<std::string> changed = decode_text(bytes, "input", {.form = form, .nul = true});
        require(!changed || *changed != bytes);
    }
}

}  // namespace gremium::fuzz
