#include "cli/interruption.h"

#include <csignal>
#include <initializer_list>

namespace gremium::cli {
namespace {

volatile std::sig_atomic_t asked = 0;

constexpr std::initializer_list<int> signals = {SIGINT, SIGTERM, SIGHUP};

extern "C" void on_signal(int signal) {
    asked = signal;
    for (const int other : signals)
        if (std::signal(other, SIG_DFL) == SIG_IGN) std::signal(other, SIG_IGN);
}

}  // namespace

void stop_on_signals() {
    for (const int signal : signals)
        if (std::signal(signal, on_signal) == SIG_IGN) std::signal(signal, SIG_IGN);
}

int signal_to_stop() { return asked; }

void throw_if_interrupted() {
    if (asked != 0) throw Interrupted(asked);
}

}  // namespace gremium::cli
