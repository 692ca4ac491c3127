// Ctrl-C as a wish that is looked for, for commands that go on after it.
#pragma once

namespace gremium::cli {

// From here on: a second one before the first was taken ends the program, as it would have without this.
void catch_interrupts();
bool interrupted();
// True when there was one, which is forgotten.
bool take_interrupt();

}  // namespace gremium::cli
