#include "cli/interrupt.h"

#include <csignal>

namespace gremium::cli {
namespace {

volatile std::sig_atomic_t wished = 0;

void on_interrupt(int signal) {
    if (wished) {
        std::signal(signal, SIG_DFL);
        std::raise(signal);
    }
    wished = 1;
}

}  // namespace

void catch_interrupts() {
    struct sigaction action {};
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;  // what is being written is written
    sigaction(SIGINT, &action, nullptr);
}

bool interrupted() { return wished != 0; }

bool take_interrupt() {
    const bool was = wished != 0;
    wished = 0;
    return was;
}

}  // namespace gremium::cli
