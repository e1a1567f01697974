// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Two threads allocate and free without end. At the line "breakpoint" another thread hits
// a breakpoint of its own and answers "trap N". N is 0 if the kernel looked for a uprobe
// there before it sent the signal, and 3 if it believed that the process has none. See
// ledger.h for the protocol, of which the program has only the beginning.

#define SITES(X) X(none)
#include "ledger.h"

#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

static volatile long long trap;

static void *work(void *unused)
{
    for (;;)
        free(malloc(64));
    return unused;
}

// The signal's context has the number of the processor's trap, if the signal was sent
// for a trap.
static void handle(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
#ifdef __x86_64__
    trap = ((ucontext_t *)context)->uc_mcontext.gregs[REG_TRAPNO];
#else
    (void)context;
#endif
}

// A thread keeps the number of its last trap, so each breakpoint takes a new thread.
static void *run_into(void *unused)
{
#ifdef __x86_64__
    __asm__ volatile("int3");
#endif
    return unused;
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
    char line[64];
    pthread_t t;
    int i;

    check(sigaction(SIGTRAP, &action, NULL) == 0, "sigaction");
    ledger_ready();
    for (i = 0; i < 2; i++)
        check(pthread_create(&t, NULL, work, NULL) == 0, "pthread_create");
    while (read_line(line, sizeof(line)) && strcmp(line, "breakpoint") == 0) {
        check(pthread_create(&t, NULL, run_into, NULL) == 0, "pthread_create");
        check(pthread_join(t, NULL) == 0, "pthread_join");
        say("trap", trap);
    }
    return 0;
}
