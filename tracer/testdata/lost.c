// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin
// SPDX-License-Identifier: Apache-2.0
//
// Events that come after the ring is full. See ledger.h for the protocol. The tracer
// must have a small ring and leave it unread while this program works. Then it knows
// the first blocks, and of all later calls only those that gave memory back, from
// the spill map.

#define SITES(X) X(first) X(barrier) X(filler) X(lost) X(stays) X(mapped)
#include "ledger.h"

#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static volatile size_t too_big = (size_t)PTRDIFF_MAX + 1;
static size_t page;

#define MALLOC_SITE(name) \
    SITE void *site_##name(size_t n) \
    { \
        void *p = malloc(n); \
        check(p != NULL, "malloc in " #name); \
        hold(S_##name, n); \
        return p; \
    }
MALLOC_SITE(first)
MALLOC_SITE(barrier)
MALLOC_SITE(filler)

SITE void *site_lost(void *old, size_t n)
{
    return realloc(old, n);
}

#define MMAP_SITE(name) \
    SITE void *site_##name(size_t n) \
    { \
        void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); \
        check(p != MAP_FAILED, "mmap in " #name); \
        return p; \
    }
MMAP_SITE(stays)
MMAP_SITE(mapped)

int main(void)
{
    void *p, *q, *stays, *mapped;
    int i;

    page = (size_t)sysconf(_SC_PAGESIZE);
    ledger_ready();
    p = site_first(700);
    site_barrier(700); // so that the first block cannot grow in place
    stays = site_stays(7 * page);
    mapped = site_mapped(5 * page);

    for (i = 0; i < 1009; i++) {
        q = site_filler(64);
        drop(S_filler, 64);
        free(q);
    }

    // The realloc that fails must not undo the one that took the first block.
    q = site_lost(p, 5000);
    check(q != NULL && q != p, "realloc moves");
    check(site_lost(NULL, 700) == p, "the address comes back");
    check(site_lost(p, too_big) == NULL, "realloc of too much");
    drop(S_first, 700);

    // A call that leaves the old range mapped (MREMAP_DONTUNMAP, Linux 5.7) must not
    // replace one that ended it, nor the other way round.
    q = mremap(stays, 7 * page, 7 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    check(q != MAP_FAILED, "mremap that leaves the old range");
    hold(S_stays, 7 * page);
    q = mremap(mapped, 5 * page, 5 * page, MREMAP_MAYMOVE | MREMAP_FIXED, q);
    check(q != MAP_FAILED, "mremap");
    q = mmap(mapped, 5 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    check(q == mapped, "mmap");
    q = mremap(mapped, 5 * page, 5 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    check(q != MAP_FAILED, "mremap that leaves the old range");
    ledger_finish();
}
