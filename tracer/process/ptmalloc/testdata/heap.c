// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Does with malloc what its standard input says, and tells what mallinfo2 reports.
// It says "ready PID" first, and answers each line with a line:
//
//     alloc SIZE COUNT   keeps blocks           at ADDRESS, of the last one
//     free               frees those kept       ok
//     fragment COUNT     frees every other of   ok
//                        COUNT blocks of many sizes
//     threads COUNT      starts threads that    ok
//                        do so as well and wait
//     churn COUNT        starts threads that    ok
//                        go on allocating
//     limit BYTES        mallopt threshold      ok
//     nobrk              makes brk fail         ok
//     info               arena hblks hblkhd fordblks fsmblks smblks ordblks
//
// Nothing here uses stdio, whose buffers would be blocks.

#define SITES(X) X(none)
#include "../../../testdata/ledger.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

enum { KEPT = 100000, MIXED = 4000 };

static void *kept[KEPT];
static size_t kept_count;

// mallinfo2 came with glibc 2.33. mallinfo will do as long as sums fit an int.
struct mallinfo2 mallinfo2(void) __attribute__((weak));

static void info(void)
{
    struct text t = {{0}, 0};
    struct mallinfo2 m;
    size_t v[7], i;

    if (mallinfo2) {
        m = mallinfo2();
    } else {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
        struct mallinfo o = mallinfo();
#pragma GCC diagnostic pop
        m.arena = (size_t)o.arena, m.hblks = (size_t)o.hblks, m.hblkhd = (size_t)o.hblkhd;
        m.fordblks = (size_t)o.fordblks, m.fsmblks = (size_t)o.fsmblks;
        m.smblks = (size_t)o.smblks, m.ordblks = (size_t)o.ordblks;
    }
    v[0] = m.arena, v[1] = m.hblks, v[2] = m.hblkhd, v[3] = m.fordblks;
    v[4] = m.fsmblks, v[5] = m.smblks, v[6] = m.ordblks;
    put_str(&t, "info");
    for (i = 0; i < 7; i++) {
        put_str(&t, " ");
        put_num(&t, (long long)v[i]);
    }
    put_str(&t, "\n");
    put_out(STDOUT_FILENO, &t);
}

// fragment leaves free chunks of many sizes, some in fastbins, between blocks
// that stay.
static void fragment(uint64_t seed, size_t count)
{
    struct rng r = {seed};
    void *mixed[MIXED];
    size_t i;

    check(count <= MIXED, "count");
    for (i = 0; i < count; i++) {
        size_t size = rng_below(&r, 4) != 0 ? rng_below(&r, 120) : rng_below(&r, 9000);
        check((mixed[i] = malloc(size)) != NULL, "no memory");
    }
    for (i = 0; i < count; i += 2)
        free(mixed[i]);
}

static pthread_barrier_t done;

static void *worker(void *arg)
{
    fragment((uint64_t)(uintptr_t)arg, MIXED - (uintptr_t)arg % 97);
    pthread_barrier_wait(&done);
    pause();
    return NULL;
}

static void threads(unsigned count)
{
    unsigned i;

    pthread_barrier_init(&done, NULL, count + 1);
    for (i = 0; i < count; i++) {
        pthread_t t;
        check(pthread_create(&t, NULL, worker, (void *)(uintptr_t)(i + 1)) == 0, "no thread");
    }
    pthread_barrier_wait(&done);
}

static void *churner(void *arg)
{
    struct rng r = {(uint64_t)(uintptr_t)arg};
    void *block[256] = {NULL};

    for (;;) {
        void **p = &block[rng_below(&r, 256)];
        free(*p);
        *p = malloc(rng_below(&r, 64) != 0 ? rng_below(&r, 3000) : rng_below(&r, 200000));
    }
    return NULL;
}

static void churn(unsigned count)
{
    unsigned i;

    for (i = 0; i < count; i++) {
        pthread_t t;
        check(pthread_create(&t, NULL, churner, (void *)(uintptr_t)(i + 1)) == 0, "no thread");
    }
}

static void alloc(char *args)
{
    char *rest = strchr(args, ' ');
    size_t size, count, i;
    void *p = NULL;

    check(rest != NULL, "alloc");
    *rest = 0;
    size = number(args), count = number(rest + 1);
    for (i = 0; i < count; i++) {
        check(kept_count < KEPT && (p = malloc(size)) != NULL, "no memory");
        kept[kept_count++] = p;
    }
    say("at", (long long)(uintptr_t)p);
}

int main(void)
{
    char line[64];

    say("ready", getpid());
    while (read_line(line, sizeof(line))) {
        char *args = strchr(line, ' ');

        args = args != NULL ? args + 1 : line + strlen(line);
        if (strncmp(line, "alloc ", 6) == 0) {
            alloc(args);
            continue;
        }
        if (strcmp(line, "info") == 0) {
            info();
            continue;
        }
        if (strcmp(line, "free") == 0)
            while (kept_count > 0)
                free(kept[--kept_count]);
        else if (strncmp(line, "fragment ", 9) == 0)
            fragment(7, number(args));
        else if (strncmp(line, "threads ", 8) == 0)
            threads((unsigned)number(args));
        else if (strncmp(line, "churn ", 6) == 0)
            churn((unsigned)number(args));
        else if (strncmp(line, "limit ", 6) == 0)
            check(mallopt(M_MMAP_THRESHOLD, (int)number(args)) == 1, "mallopt");
        else if (strcmp(line, "nobrk") == 0) // brk does not move into a mapping
            check(mmap(sbrk(0), 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED, "mmap");
        else
            wrong(line);
        say("ok", 0);
    }
    _exit(0);
}
