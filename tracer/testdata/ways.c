// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Leaks 1,000,003 bytes in each of the ways in which glibc and a program get
// memory, with malloc's defaults. See ledger.h for the protocol. The mappings
// are 1,003,520 bytes in the ledger, rounded up to pages.

#define SITES(X) X(brk) X(arena) X(mmapped) X(direct) X(mremap)
#include "ledger.h"

#include <pthread.h>
#include <sys/mman.h>

enum { LEAK = 1000003, SMALL = 1009, LARGE = 200000 };

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

// Small blocks in the main thread: the brk heap.
SITE void *site_brk(size_t n)
{
    return malloc(n);
}

// The same in a second thread: an arena of its own.
SITE void *site_arena(size_t n)
{
    return malloc(n);
}

// Above the mmap threshold: a mapping for each.
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

// One page at first, the rest by mremap, both from this function, so that it
// is to blame whoever is charged for the growth.
SITE void *site_mremap(size_t n)
{
    void *p = call_mmap(page_size);

    called(2);
    return p == MAP_FAILED ? p : call_mremap(p, page_size, n);
}

// leak allocates LEAK bytes in blocks of the given size. The last block takes
// the rest as well, for none may be smaller: that would change its way.
static void leak(enum site s, void *(*alloc)(size_t), size_t size)
{
    size_t left = LEAK;

    while (left > 0) {
        size_t n = left < 2 * size ? left : size;

        called(1);
        touch(alloc(n), n);
        hold(s, n);
        left -= n;
    }
}

static void *arena_main(void *arg)
{
    (void)arg;
    leak(S_arena, site_arena, SMALL);
    return NULL;
}

int main(void)
{
    pthread_t t;

    page_size = (size_t)sysconf(_SC_PAGESIZE);
    ledger_ready();
    leak(S_brk, site_brk, SMALL);
    check(pthread_create(&t, NULL, arena_main, NULL) == 0, "pthread_create");
    check(pthread_join(t, NULL) == 0, "pthread_join");
    leak(S_mmapped, site_mmapped, LARGE);

    called(1);
    touch(site_direct(LEAK), LEAK);
    hold(S_direct, pages(LEAK));
    touch(site_mremap(LEAK), LEAK);
    hold(S_mremap, pages(LEAK));
    ledger_finish();
}
