// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Leaks 1,000,003 bytes in each of the ways in which glibc and a program get
// memory, with malloc's defaults. See ledger.h for the protocol. In the ledger
// the mappings are 1,003,520 bytes, rounded up to pages.
//
// Usage: ways [brk|arena|mmapped|realloc|direct|mremap]
//
// With an argument it uses that way only, and takes nine seconds, so that the
// growth shows.

#define SITES(X) X(brk) X(arena) X(mmapped) X(realloc) X(direct) X(mremap)
#include "ledger.h"

#include <pthread.h>
#include <sys/mman.h>

enum { LEAK = 1000003, SMALL = 1009, LARGE = 142857, STEP = 40000, MICROSECONDS = 9000000 };

static int slowly;

static size_t page_size;

static size_t pages(size_t n)
{
    return (n + page_size - 1) / page_size * page_size;
}

// touch makes the memory resident.
static void touch(void *p, size_t n)
{
    size_t i;

    check(p != NULL && p != MAP_FAILED, "no memory");
    for (i = 0; i < n; i += page_size)
        ((volatile char *)p)[i] = 1;
}

// pace waits after a step, one of the given number.
static void pace(size_t steps)
{
    if (slowly)
        usleep(MICROSECONDS / steps);
}

// Small blocks of the main thread come from the brk heap.
SITE void *site_brk(size_t n)
{
    return malloc(n);
}

// Small blocks of a second thread come from an arena of its own.
SITE void *site_arena(size_t n)
{
    return malloc(n);
}

// Each block above the mmap threshold gets a mapping.
SITE void *site_mmapped(size_t n)
{
    return malloc(n);
}

FRAME void *call_mmap(size_t n)
{
    return mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

FRAME void *call_mremap(void *p, size_t from, size_t to)
{
    return mremap(p, from, to, MREMAP_MAYMOVE);
}

SITE void *site_direct(size_t n)
{
    return call_mmap(n);
}

// The first step is like malloc, above the threshold. In the others the chunk grows
// and stays a mapping.
SITE void *site_realloc(void *p, size_t n)
{
    return realloc(p, n);
}

// The first step maps memory, and the others grow that mapping. This function does
// both, so the growth is charged to it whichever of the stacks is charged.
SITE void *site_mremap(void *p, size_t from, size_t n)
{
    return p == NULL ? call_mmap(n) : call_mremap(p, from, n);
}

// leak allocates LEAK bytes in blocks of the given size. The last block takes the
// rest as well, because a smaller block might go another way. left is volatile so
// that the compiler does not copy the call for the last block, which would make
// another stack.
static void leak(enum site s, void *(*alloc)(size_t), size_t size)
{
    volatile size_t left = LEAK;

    while (left > 0) {
        size_t n = left < 2 * size ? left : size;

        called(1);
        touch(alloc(n), n);
        hold(s, s == S_direct ? pages(n) : n);
        left -= n;
        pace(LEAK / size);
    }
}

static void leak_brk(void)
{
    leak(S_brk, site_brk, SMALL);
}

static void *arena_main(void *arg)
{
    (void)arg;
    leak(S_arena, site_arena, SMALL);
    return NULL;
}

static void leak_arena(void)
{
    pthread_t t;

    check(pthread_create(&t, NULL, arena_main, NULL) == 0, "pthread_create");
    check(pthread_join(t, NULL) == 0, "pthread_join");
}

static void leak_mmapped(void)
{
    leak(S_mmapped, site_mmapped, LARGE);
}

// The blocks are whole pages, so that the total is rounded up as for one mapping.
static void leak_direct(void)
{
    leak(S_direct, site_direct, 10 * page_size);
}

static void leak_realloc(void)
{
    void *p = NULL;
    size_t from = 0, n;

    for (n = 4 * STEP; from < LEAK; n += STEP) {
        size_t to = n < LEAK ? n : LEAK;

        called(1);
        p = site_realloc(p, to);
        touch(p, to);
        from = to;
        pace(LEAK / STEP);
    }
    hold(S_realloc, LEAK);
}

static void leak_mremap(void)
{
    void *p = NULL;
    size_t from = 0, n;

    for (n = STEP; from < LEAK; n += STEP) {
        size_t to = n < LEAK ? n : LEAK;

        called(1);
        p = site_mremap(p, from, to);
        touch(p, to);
        from = to;
        pace(LEAK / STEP);
    }
    hold(S_mremap, pages(LEAK));
}

static const struct {
    const char *name;
    void (*leak)(void);
} ways[] = {
    {"brk", leak_brk},
    {"arena", leak_arena},
    {"mmapped", leak_mmapped},
    {"realloc", leak_realloc},
    {"direct", leak_direct},
    {"mremap", leak_mremap},
};

int main(int argc, char **argv)
{
    size_t i;

    page_size = (size_t)sysconf(_SC_PAGESIZE);
    slowly = argc > 1;
    ledger_ready();
    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        if (argc < 2 || strcmp(argv[1], ways[i].name) == 0)
            ways[i].leak();
    ledger_finish();
}
