// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin
// SPDX-License-Identifier: Apache-2.0
//
// Allocates on both sides of malloc's mmap threshold. See ledger.h for the
// protocol.
//
// Usage: threshold [raise] [mallopt]
//
//     raise    first frees a mapped block of 1 MiB, which raises the threshold
//     mallopt  first sets the threshold to 131,072, which freezes it there

#define SITES(X) X(below) X(above) X(raising) X(filler)
#include "ledger.h"

#include <malloc.h>

enum { BELOW = 131048, ABOVE = 131049, RAISING = 1 << 20 };

SITE void *site_below(size_t n)
{
    return malloc(n);
}

SITE void *site_above(size_t n)
{
    return malloc(n);
}

SITE void *site_filler(size_t n)
{
    return malloc(n);
}

SITE void *site_raising(size_t n)
{
    return malloc(n);
}

static void keep(enum site s, void *(*alloc)(size_t), size_t n)
{
    called(1);
    check(alloc(n) != NULL, "malloc");
    hold(s, n);
}

// drain takes the free memory at the heap's top, which malloc would use before it
// makes a mapping.
static void drain(void)
{
    size_t top;

// The oldest C library in the tests has no mallinfo2.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    while ((top = (size_t)mallinfo().keepcost) > 60000)
        keep(S_filler, site_filler, top - 20000 < 100000 ? top - 20000 : 100000);
}

int main(int argc, char **argv)
{
    int i, frees = 0;
    void *p;

    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "mallopt") == 0)
            check(mallopt(M_MMAP_THRESHOLD, 131072) == 1, "mallopt");
        if (strcmp(argv[i], "raise") == 0)
            frees = 1;
    }
    ledger_ready();
    keep(S_filler, site_filler, 1); // the first call makes the heap
    drain();
    keep(S_above, site_above, ABOVE);
    if (frees) {
        p = site_raising(RAISING);
        called(2);
        check(p != NULL, "malloc");
        free(p);
    }
    for (i = 0; i < 3; i++) {
        keep(S_below, site_below, BELOW);
        drain();
        keep(S_above, site_above, ABOVE);
    }
    ledger_finish();
}
