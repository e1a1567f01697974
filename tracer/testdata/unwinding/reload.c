// build: gcc -std=gnu11 -O2 -Wall -Wextra -fomit-frame-pointer -ldl
// SPDX-License-Identifier: Apache-2.0
//
// Loads one library after the other, calls each on many paths from the first moment on, and
// unloads it. They are often mapped at the same addresses. Each step waits for a line on stdin.
// Arguments: the libraries.

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FRAME __attribute__((noipa))

enum { PATHS = 200 };

static volatile long sink;
static void (*enter)(unsigned, int);

FRAME static void descend(unsigned path, int depth);

FRAME static void small(unsigned path, int depth)
{
    descend(path, depth);
    sink++;
}

FRAME static void large(unsigned path, int depth)
{
    volatile char room[500];

    room[0] = 1;
    descend(path, depth);
    sink += room[0];
}

FRAME static void variable(unsigned path, int depth)
{
    volatile char room[16 + path % 97];

    room[0] = 1;
    descend(path, depth);
    sink += room[0];
}

FRAME static void descend(unsigned path, int depth)
{
    static void (*const shapes[])(unsigned, int) = {small, large, variable};

    if (depth > 0)
        shapes[path % 3](path / 3, depth - 1);
    else
        enter(path, 3);
    sink++;
}

int main(int argc, char **argv)
{
    char line[16];

    printf("ready %d\n", getpid());
    fflush(stdout);
    for (unsigned i = 0; fgets(line, sizeof(line), stdin); i++) {
        void *library = dlopen(argv[1 + i % (argc - 1)], RTLD_NOW);

        if (!library)
            return 2;
        enter = (void (*)(unsigned, int))dlsym(library, "enter");
        for (unsigned n = 0; n < PATHS; n++)
            descend((i * PATHS + n) * 2654435761u, 12);
        puts("called");
        fflush(stdout);
        if (!fgets(line, sizeof(line), stdin))
            return 0;
        dlclose(library);
    }
    return 0;
}
