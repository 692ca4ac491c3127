#include "cli/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>

#include <fmt/format.h>

namespace gremium::cli {

void prepare_output() {
    // Opened the wrong way round, so that using them fails as if they were closed.
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(fd, F_GETFD) == -1 && errno == EBADF)
            static_cast<void>(::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
    std::signal(SIGPIPE, SIG_IGN);
}

void print_now(std::string_view text) {
    fmt::print("{}", text);
    flush_output();
}

void flush_output() {
    errno = 0;
    if (std::fflush(stdout) != 0 || std::ferror(stdout))
        throw std::system_error(errno ? errno : EIO, std::generic_category(), "standard output");
}

}  // namespace gremium::cli
