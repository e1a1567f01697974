// build: gcc -std=gnu11 -O0 -Wall -Wextra -fno-omit-frame-pointer -shared -fPIC
// SPDX-License-Identifier: Apache-2.0
//
// A library for loads.c. A test makes copies of it in which site_000 has another name.
#include <stdlib.h>

static __attribute__((noinline)) void *site_000(size_t n)
{
    void *block = malloc(n);

    return block;
}

void *leak(size_t n)
{
    void *block = site_000(n);

    return block;
}
