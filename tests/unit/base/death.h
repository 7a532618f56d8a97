// For tests of broken invariants: whether a function aborts, found out in a child process.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace rivulet::test {

template <class Function>
bool aborts(Function function) {
    const pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        std::signal(SIGABRT, SIG_DFL);
        function();
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

}  // namespace rivulet::test
