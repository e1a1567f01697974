// build: gcc -std=gnu11 -O2 -g -Wall -Wextra -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Works in one of several ways, each with a known leak, for benchmarks of windows of time.
// Prints "ready paces". Each line that it is sent is answered with "done N leaked M": the
// requests that were worked on, and the bytes that leak_here has leaked.
//
// Usage: paces KIND, see kinds below.

#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SITE __attribute__((noipa))

static _Atomic long long requests, leaked;

SITE void leak_here(size_t n)
{
    memset(malloc(n), 1, n);
    leaked += n;
}

SITE void churn(int pairs)
{
    for (int i = 0; i < pairs; i++) {
        void *volatile p = malloc(64 + i * 37 % 400);
        free(p);
    }
}

SITE void think(int n)
{
    for (volatile int i = 0; i < n; i++)
        ;
}

// every waits for the next multiple of a period.
static void every(struct timespec *t, long ns)
{
    t->tv_nsec += ns;
    if (t->tv_nsec >= 1000000000) {
        t->tv_nsec -= 1000000000;
        t->tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, t, NULL);
}

static void *busy(void *arg)
{
    for (;; requests++)
        churn(1000);
    return arg;
}

// By work, always busy.
static void *work(void *arg)
{
    for (unsigned i = 0;; i++, requests++) {
        churn(30);
        think(2000);
        if (i % 20 == 0)
            leak_here(200);
    }
    return arg;
}

// By work, of which one round waits for its own sleep.
static void *rounds(void *arg)
{
    for (;; requests++) {
        churn(500);
        leak_here(8000);
        usleep(2000);
    }
    return arg;
}

static void *burst(void *arg)
{
    for (;; usleep(100000))
        for (int i = 0; i < 2000; i++, requests++) {
            churn(30);
            leak_here(100);
        }
    return arg;
}

static void *bursts(void *arg)
{
    for (;; usleep(10000))
        for (int i = 0; i < 200; i++, requests++) {
            churn(30);
            leak_here(100);
        }
    return arg;
}

// By time, beside threads of other kinds.
static void *clocked(void *arg)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    for (;; every(&t, 5000000))
        leak_here(400);
    return arg;
}

// A timer that has work to do.
static void *timer(void *arg)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    for (;; every(&t, 2000000), requests++) {
        churn(60);
        think(20000);
        leak_here(100);
    }
    return arg;
}

static void *server(void *arg)
{
    for (unsigned i = 0;; i++, requests++) {
        churn(20);
        think(5000);
        if (i % 50 == 0)
            leak_here(100);
    }
    return arg;
}

static const struct {
    const char *name;
    int threads;
    void *(*run)(void *), *(*beside)(void *);
} kinds[] = {
    {"busy", 2, busy, NULL},
    {"work", 1, work, NULL},
    {"rounds", 1, rounds, NULL},
    {"burst", 1, burst, NULL},
    {"bursts", 1, bursts, NULL},
    {"clocked", 1, busy, clocked},
    {"timer", 1, timer, NULL},
    {"server", 16, server, NULL},
};

int main(int argc, char **argv)
{
    pthread_t t;
    char line[64];
    printf("ready paces\n");
    fflush(stdout);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (argc < 2 || strcmp(argv[1], kinds[k].name))
            continue;
        for (int i = 0; i < kinds[k].threads; i++)
            pthread_create(&t, NULL, kinds[k].run, NULL);
        if (kinds[k].beside)
            pthread_create(&t, NULL, kinds[k].beside, NULL);
    }
    while (fgets(line, sizeof line, stdin)) {
        printf("done %lld leaked %lld\n", (long long)requests, (long long)leaked);
        fflush(stdout);
    }
    return 0;
}
