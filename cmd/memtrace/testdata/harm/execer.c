// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-builtin
// SPDX-License-Identifier: Apache-2.0
//
// Allocates and frees for 3 ms, then executes itself again.

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long long now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(int argc, char **argv)
{
    long long end = now() + 3000000;

    if (argc < 2) {
        printf("ready %d\n", getpid());
        fflush(stdout);
    }
    while (now() < end)
        free(malloc(100));
    execl("/proc/self/exe", argv[0], "again", (char *)NULL);
    return 1;
}
