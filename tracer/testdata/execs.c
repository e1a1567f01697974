// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Leaks, and then executes itself: same pid, new address space, and nothing that
// was held before is left. It runs the protocol of ledger.h twice. The line that
// would end the program starts its second life:
//
//     ready  go  <ledger: site_before 31 blocks>  (a line)
//     ready  go  <ledger: site_after 19 blocks>   (a line, or end of file)

// With the argument "thread" it executes itself from a second thread.

#define SITES(X) X(before) X(after)
#include "ledger.h"

#include <pthread.h>

SITE void *site_before(size_t n)
{
    return malloc(n);
}

SITE void *site_after(size_t n)
{
    return malloc(n);
}

static void leak(enum site s, void *(*alloc)(size_t), int blocks, size_t size)
{
    int i;

    for (i = 0; i < blocks; i++) {
        called(1);
        check(alloc(size) != NULL, "malloc");
        hold(s, size);
    }
}

static void *exec_main(void *name)
{
    execl("/proc/self/exe", (char *)name, "again", (char *)NULL);
    wrong("execl");
}

int main(int argc, char **argv)
{
    pthread_t t;

    ledger_ready();
    if (argc > 1 && strcmp(argv[1], "again") == 0) {
        leak(S_after, site_after, 19, 2003);
        ledger_finish();
    }
    leak(S_before, site_before, 31, 4001);
    ledger_print();
    ledger_wait();
    if (argc > 1 && strcmp(argv[1], "thread") == 0) {
        check(pthread_create(&t, NULL, exec_main, argv[0]) == 0, "pthread_create");
        pthread_join(t, NULL);
    }
    exec_main(argv[0]);
}
