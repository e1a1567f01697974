// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -pthread -ldl
// SPDX-License-Identifier: Apache-2.0
//
// compiler N WHAT has N mappings and makes a page executable every millisecond. It is a
// page of anonymous memory, as a JIT compiler makes them, or with WHAT "file" a page of
// the program's own file. For each line that it reads, the name of a library, it loads
// that library, has it allocate, and unloads it.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int file = -1;

static void *map(int prot)
{
    int flags = MAP_PRIVATE | (file < 0 ? MAP_ANONYMOUS : 0);
    void *p = mmap(NULL, 4096, prot, flags, file, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static void *toggle(void *page)
{
    for (;;) {
        mprotect(page, 4096, PROT_READ | PROT_WRITE);
        mprotect(page, 4096, PROT_READ | PROT_EXEC);
        usleep(1000);
    }
}

int main(int argc, char **argv)
{
    int i, n = argc > 1 ? atoi(argv[1]) : 0;
    pthread_t thread;
    char line[4096];

    if (argc > 2 && strcmp(argv[2], "file") == 0)
        file = open("/proc/self/exe", O_RDONLY);
    // The kernel does not merge mappings with different rights.
    for (i = 0; i < n; i++)
        map(i % 2 ? PROT_READ : PROT_READ | PROT_WRITE);
    if (pthread_create(&thread, NULL, toggle, map(PROT_READ)))
        return 1;
    printf("ready %d\n", getpid());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        void *library = dlopen(line, RTLD_NOW);
        void (*allocate)(void) = library ? (void (*)(void))dlsym(library, "allocate_in_plugin") : NULL;
        if (allocate == NULL)
            return 1;
        allocate();
        sleep(1);
        dlclose(library);
        puts("done");
        fflush(stdout);
    }
    return 0;
}
