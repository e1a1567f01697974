// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Allocates and frees without end, for tests that attach, detach or measure. See
// ledger.h for the protocol. Between "go" and the end:
//
//     count        is answered with "pairs N", as is SIGUSR1
//     end of file, or any other line, ends the loop
//
// At the end come "pairs N", "wrong N" (iterations with a wrong result), then the
// ledger.
//
// Usage: busy [--threads N] [--depth N] [--size N] [--leak-every N]
//             [--seconds N] [--pairs N]
//
//     --depth N       frames between the thread's start and the site (1..1000)
//     --leak-every N  keeps every Nth block; the memory grows accordingly
//     --seconds N     ends by itself; the line is then "pairs N ns_per_pair X",
//                     the wall-clock time for one pair in one thread
//     --pairs N       ends by itself after N pairs in each thread; the same line

#define SITES(X) X(busy) X(leak)
#include "ledger.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { MAX_THREADS = 64, MAX_DEPTH = 1000 };

static unsigned opt_threads = 1, opt_depth = 8;
static unsigned long long opt_size = 64, opt_leak_every, opt_seconds, opt_pairs;

// Each thread has a cache line of its own, so that contention is not measured.
static struct state {
    _Alignas(64) unsigned long long pairs;
    unsigned long long wrong, leaked;
} states[MAX_THREADS];

static pthread_t threads[MAX_THREADS];
static int stop;

SITE void *site_busy(size_t n)
{
    return malloc(n);
}

SITE void *site_leak(size_t n)
{
    return malloc(n);
}

// work writes the start of a number sequence to the block and adds it up again. The
// sum is known without the block.
static void work(struct state *s)
{
    uint64_t x = 88172645463325252ULL;
    unsigned long long until_leak = opt_leak_every, left = opt_pairs;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        uint64_t sum = 0, want = 0;
        volatile uint64_t *block;
        int i;

        if (until_leak > 0 && --until_leak == 0) {
            until_leak = opt_leak_every;
            if (site_leak(opt_size) == NULL)
                wrong("malloc");
            s->leaked++;
        }
        block = site_busy(opt_size);
        if (block == NULL)
            wrong("malloc");
        for (i = 0; i < 2; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            block[i] = x;
            want += x;
        }
        for (i = 0; i < 2; i++)
            sum += block[i];
        if (sum != want)
            s->wrong++;
        free((void *)block);
        __atomic_store_n(&s->pairs, s->pairs + 1, __ATOMIC_RELAXED);
        if (left > 0 && --left == 0)
            break;
    }
}

FRAME void descend(struct state *s, unsigned depth)
{
    if (depth > 1)
        descend(s, depth - 1);
    else
        work(s);
    __asm__ volatile(""); // keeps the frame until here
}

static void *thread_main(void *arg)
{
    descend(arg, opt_depth);
    return NULL;
}

static unsigned long long pairs(void)
{
    unsigned long long n = 0;
    unsigned i;

    for (i = 0; i < opt_threads; i++)
        n += __atomic_load_n(&states[i].pairs, __ATOMIC_RELAXED);
    return n;
}

static void on_usr1(int sig)
{
    int saved = errno;

    (void)sig;
    say("pairs", (long long)pairs());
    errno = saved;
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void say_cost(uint64_t ns)
{
    unsigned long long n = pairs(), tenths = n ? ns * 10 * opt_threads / n : 0;
    struct text t = {{0}, 0};

    put_str(&t, "pairs ");
    put_num(&t, (long long)n);
    put_str(&t, " ns_per_pair ");
    put_num(&t, (long long)(tenths / 10));
    put_str(&t, ".");
    put_num(&t, (long long)(tenths % 10));
    put_str(&t, "\n");
    put_out(STDOUT_FILENO, &t);
}

static void parse_options(int argc, char **argv)
{
    int i;

    for (i = 1; i + 1 < argc; i += 2) {
        unsigned long long v = number(argv[i + 1]);

        if (strcmp(argv[i], "--threads") == 0)
            opt_threads = (unsigned)v;
        else if (strcmp(argv[i], "--depth") == 0)
            opt_depth = (unsigned)v;
        else if (strcmp(argv[i], "--size") == 0)
            opt_size = v;
        else if (strcmp(argv[i], "--leak-every") == 0)
            opt_leak_every = v;
        else if (strcmp(argv[i], "--seconds") == 0)
            opt_seconds = v;
        else if (strcmp(argv[i], "--pairs") == 0)
            opt_pairs = v;
        else
            wrong("option");
    }
    check(i == argc, "option");
    check(opt_threads >= 1 && opt_threads <= MAX_THREADS, "number of threads");
    check(opt_depth >= 1 && opt_depth <= MAX_DEPTH, "depth");
    check(opt_size >= 16, "size");
}

// control answers the test until the test ends the loop.
static void control(void)
{
    char line[64];

    while (read_line(line, sizeof(line)) && strcmp(line, "count") == 0)
        say("pairs", (long long)pairs());
}

int main(int argc, char **argv)
{
    struct sigaction action;
    unsigned long long wrongs = 0, leaked = 0;
    uint64_t start, end;
    unsigned i;

    parse_options(argc, argv);
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_usr1;
    action.sa_flags = SA_RESTART;
    check(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
    ledger_ready();

    start = now();
    for (i = 0; i < opt_threads; i++)
        check(pthread_create(&threads[i], NULL, thread_main, &states[i]) == 0, "pthread_create");
    if (opt_seconds > 0) {
        uint64_t until = start + opt_seconds * 1000000000;

        // Sleeps in steps, because SIGUSR1 cuts a sleep short.
        while ((end = now()) < until)
            poll(NULL, 0, (int)((until - end) / 1000000 + 1));
    } else if (opt_pairs == 0) {
        control();
    }
    if (opt_pairs == 0 || opt_seconds > 0)
        __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (i = 0; i < opt_threads; i++)
        check(pthread_join(threads[i], NULL) == 0, "pthread_join");
    end = now();

    for (i = 0; i < opt_threads; i++) {
        wrongs += states[i].wrong;
        leaked += states[i].leaked;
    }
    if (opt_seconds > 0 || opt_pairs > 0)
        say_cost(end - start);
    else
        say("pairs", (long long)pairs());
    say("wrong", (long long)wrongs);
    held_blocks[S_leak] = (long long)leaked;
    held_bytes[S_leak] = (long long)(leaked * opt_size);
    calls_made = 2 * pairs() + leaked;
    ledger_finish();
}
