// build: gcc -std=gnu11 -O1 -g -Wall -Wextra
// SPDX-License-Identifier: Apache-2.0
//
// Keeps a block, and ends as it is told: "exit N" with that status, "signal N" by that
// signal. Another thread ends the program.

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int number;
static void *volatile kept;

static void *end(void *how)
{
    if (*(char *)how == 'e')
        exit(number);
    signal(number, SIG_DFL);
    raise(number);
    return NULL;
}

int main(void)
{
    char line[64];
    pthread_t t;

    printf("ready %d\n", getpid());
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin) || sscanf(line, "%*s %d", &number) != 1)
        return 1;
    kept = malloc(101);
    if (pthread_create(&t, NULL, end, line) != 0)
        return 1;
    for (;;)
        pause();
}
