// Long work that a signal ends: Ctrl-C (INT), TERM, and HUP when the terminal goes.
#pragma once

#include <exception>

namespace gremium::cli {

// From now on the first of these signals only asks the work to stop; a second one ends the program at once. One that
// the program was started to ignore, as nohup does, stays ignored.
void stop_on_signals();
int signal_to_stop();  // the signal that asked; 0: none has

// What the work throws when it has kept what it has: the program ends with 128 + the signal's number.
class Interrupted : public std::exception {
  public:
    explicit Interrupted(int signal) : signal_(signal) {}
    int exit_code() const { return 128 + signal_; }
    const char* what() const noexcept override { return "interrupted"; }

  private:
    int signal_;
};

void throw_if_interrupted();

}  // namespace gremium::cli
