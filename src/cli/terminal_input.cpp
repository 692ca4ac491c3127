#include "cli/terminal_input.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

// clang-format off: readline.h needs stdio.h
#include <readline/history.h>
#include <readline/readline.h>
// clang-format on

#include "cli/interrupt.h"

namespace gremium::cli {
namespace {

// What readline's callback hands over: it takes no argument of the caller's.
struct Taken {
    bool done = false;
    std::optional<std::string> line;
};
Taken taken;

void take(char* line) {
    rl_callback_handler_remove();
    taken = {true, line ? std::optional<std::string>(line) : std::nullopt};
    std::free(line);
}

// What is typed is given up.
void abandon() {
    rl_callback_sigcleanup();
    rl_free_line_state();
    rl_cleanup_after_signal();
    rl_callback_handler_remove();
    std::fputc('\n', rl_outstream);
    std::fflush(rl_outstream);
}

bool wait_for_key() {
    constexpr int milliseconds = 200;  // a signal may come just before
    pollfd keys{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    return ::poll(&keys, 1, milliseconds) > 0;
}

}  // namespace

TerminalInput::TerminalInput(bool asks) : asks_(asks) {
    rl_catch_signals = 0;
    rl_readline_name = "gremium";
    rl_outstream = ::isatty(STDOUT_FILENO) && asks ? stdout : stderr;
    rl_bind_key('\t', rl_insert);
    ::tcgetattr(STDIN_FILENO, &before_);
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    quiet.c_cc[VMIN] = 1;
    quiet.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet);
}

TerminalInput::~TerminalInput() { ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_); }

std::optional<std::string> TerminalInput::line(const std::string& prompt, const std::string& text) {
    while (true) {
        taken = {};
        rl_callback_handler_install(asks_ ? prompt.c_str() : "", take);
        if (!text.empty()) {
            rl_insert_text(text.c_str());
            rl_redisplay();
        }
        bool given_up = false;
        while (!taken.done && !given_up) {
            if (wait_for_key()) rl_callback_read_char();
            given_up = !taken.done && take_interrupt();
        }
        if (!given_up) break;
        const bool empty = rl_end == 0;
        abandon();
        if (empty && warned_) return std::nullopt;
        if (empty) std::fputs("(Ctrl-D, or Ctrl-C once more, ends)\n", stderr);
        warned_ = empty;
    }
    warned_ = false;
    if (taken.line && !taken.line->empty()) add_history(taken.line->c_str());
    return taken.line;
}

}  // namespace gremium::cli
