/* Holds a pod's namespaces, as Kubernetes' own pause does: waits to be ended, and collects orphans. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int number) { _exit(0); }

static void collect(int number)
{
    while (waitpid(-1, 0, WNOHANG) > 0) { }
}

int main(void)
{
    signal(SIGTERM, end);
    signal(SIGINT, end);
    signal(SIGCHLD, collect);
    for (;;) pause();
}
