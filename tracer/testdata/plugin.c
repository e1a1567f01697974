// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -shared -fPIC -Wl,-soname,plugin.so
// SPDX-License-Identifier: Apache-2.0
//
// A library that allocates for traps.c, and may be gone by the time that anyone
// asks who allocated.

#include <stdlib.h>

void *site_plugin(size_t n);

__attribute__((noinline)) void *site_plugin(size_t n)
{
    return malloc(n);
}
