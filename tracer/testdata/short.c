// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin
// SPDX-License-Identifier: Apache-2.0
//
// Ends before a tracer could attach: it is for the mode that starts its target. It
// has no protocol and no output. When it ends, with status 7, it always holds
//
//     site_constructor  2515 bytes in  5 blocks, from before main
//     site_short       13117 bytes in 13 blocks
//     site_destructor    211 bytes in  1 block, from after main

#define SITES(X) X(constructor) X(short) X(destructor)
#include "ledger.h"

enum { EARLY = 5, EARLY_SIZE = 503, BLOCKS = 17, FREED = 4, SIZE = 1009, LATE_SIZE = 211 };

static void *blocks[BLOCKS];

SITE void *site_constructor(size_t n)
{
    return malloc(n);
}

SITE void *site_short(size_t n)
{
    return malloc(n);
}

SITE void *site_destructor(size_t n)
{
    return malloc(n);
}

__attribute__((constructor)) static void before_main(void)
{
    int i;

    for (i = 0; i < EARLY; i++)
        check(site_constructor(EARLY_SIZE) != NULL, "malloc");
}

__attribute__((destructor)) static void after_main(void)
{
    check(site_destructor(LATE_SIZE) != NULL, "malloc");
}

int main(void)
{
    int i;

    for (i = 0; i < BLOCKS; i++) {
        blocks[i] = site_short(SIZE);
        check(blocks[i] != NULL, "malloc");
    }
    for (i = 0; i < FREED; i++)
        free(blocks[i * 3]);
    return 7;
}
