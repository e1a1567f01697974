// build: gcc -std=gnu11 -O2 -Wall -Wextra -fomit-frame-pointer -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Allocates under frames of every shape that compilers make: with many saved
// registers and few, with variable arrays, with realigned stacks, called back
// from libraries, in threads and in signal handlers. It works for each line on
// stdin and answers "done". After "go" it works a lot. After "once" it works little
// and always does the same, for a debugger to watch.

#define _GNU_SOURCE
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define FRAME __attribute__((noinline, noclone))

// Above the mmap threshold that the tests set.
enum { SIZE = 300000, THREADS = 3, DEEP = 60, END_SIZE = 0xbeef000 };

static volatile long sink;
static void *volatile mark; // keeps the compiler from removing malloc

FRAME static void take(void)
{
    char *volatile p = malloc(SIZE);

    p[0] = 1;
    free(p);
}

static void descend(unsigned path, int depth);

FRAME static void plain(unsigned path, int depth)
{
    descend(path, depth);
    sink++;
}

FRAME static void registers(unsigned path, int depth)
{
    long a = sink, b = a * 3, c = b ^ a, d = c + 7, e = d * a, f = e - b;

    descend(path, depth);
    sink += a + b * c + d * e + f;
}

FRAME static void variable(unsigned path, int depth)
{
    volatile char room[16 + path % 97];

    room[0] = 1;
    descend(path, depth);
    sink += room[0];
}

FRAME static void realigned(unsigned path, int depth)
{
    _Alignas(64) volatile char room[128];

    room[0] = 1;
    descend(path, depth);
    sink += room[0];
}

FRAME static void realigned_variable(unsigned path, int depth)
{
    _Alignas(32) volatile char room[64];
    volatile char more[1 + path % 61];

    room[0] = more[0] = 1;
    descend(path, depth);
    sink += room[0] + more[0];
}

FRAME static void large(unsigned path, int depth)
{
    volatile char room[3000];

    room[0] = 1;
    descend(path, depth);
    sink += room[0];
}

static void (*const shapes[])(unsigned, int) = {plain, registers, variable, realigned, realigned_variable, large};

FRAME static void descend(unsigned path, int depth)
{
    if (depth > 0)
        shapes[path % 6](path / 6 * 2654435761u + 12345, depth - 1);
    else
        take();
    sink++;
}

static int compare(const void *a, const void *b)
{
    if (*(const int *)a == 3 && *(const int *)b == 4)
        take();
    return *(const int *)a - *(const int *)b;
}

FRAME static void called_back(void)
{
    int numbers[] = {4, 3, 9, 1, 7}, key = 3;
    void *tree = NULL;

    qsort(numbers, 5, sizeof(int), compare);
    key = 4;
    tsearch(&(int){3}, &tree, compare);
    tsearch(&key, &tree, compare);
}

static void handler(int signal)
{
    (void)signal;
    take();
}

// Calls no malloc, so that the timer's signal never comes inside one.
FRAME static unsigned long spin(unsigned long n, int depth)
{
    unsigned long x = n;
    int i;

    if (depth > 0)
        x += spin(n + 1, depth - 1);
    for (i = 0; i < 2000; i++)
        x = x * 6364136223846793005ul + 1442695040888963407ul;
    return x;
}

FRAME static void interrupted(void)
{
    struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    int i;

    setitimer(ITIMER_REAL, &often, NULL);
    for (i = 0; i < 2000; i++)
        sink += spin(i, 20);
    setitimer(ITIMER_REAL, &never, NULL);
}

FRAME static void paths(unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++)
        descend(i * 7919, 1 + i % 20);
    descend(1, DEEP);
}

static void *thread(void *arg)
{
    paths((unsigned)(long)arg);
    return NULL;
}

int main(void)
{
    char line[16];
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    printf("ready %d\n", getpid());
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin)) {
        pthread_t threads[THREADS];
        long i;

        int go = strcmp(line, "go\n") == 0;

        paths(go ? 300 : 40);
        called_back();
        for (i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, thread, (void *)(go ? 20 + i : 3 + i));
        for (i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        raise(SIGUSR1);
        if (go)
            interrupted();
        mark = malloc(END_SIZE);
        free(mark);
        puts("done");
        fflush(stdout);
    }
    return 0;
}
