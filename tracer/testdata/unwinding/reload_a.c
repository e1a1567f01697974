// build: gcc -std=gnu11 -O2 -Wall -Wextra -fomit-frame-pointer -shared -fPIC
// SPDX-License-Identifier: Apache-2.0
//
// A library for reload.c. ROOM is what its frames hold.

#include <stdlib.h>

#ifndef ROOM
#define ROOM 40
#endif

#define FRAME __attribute__((noipa))

void enter(unsigned path, int depth);

FRAME static void *take(int n)
{
    char room[ROOM * 3];

    room[n] = 1;
    void *p = malloc(100 + room[n]);
    __asm__ volatile("" ::"r"(room) : "memory");
    return p;
}

FRAME static void inner(unsigned path, int depth)
{
    volatile char room[ROOM];

    room[path % ROOM] = 1;
    if (depth > 0)
        enter(path / 2, depth - 1);
    else
        free(take(path % 8));
    room[0] = 2;
}

FRAME void enter(unsigned path, int depth)
{
    volatile char room[ROOM * 2];

    room[0] = 1;
    if (path % 2)
        inner(path, depth);
    else if (depth > 0)
        enter(path / 2, depth - 1);
    else
        free(take(path % 4));
    room[1] = 2;
}
