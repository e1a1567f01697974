// build: gcc -std=gnu11 -D_GNU_SOURCE -O1 -g -Wall -Wextra -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Grows in one way, by one step for each line that it reads:
//
//     grow brk|mmap|mremap|malloc|arena|stacks|none|churn|fragment|holes|cache
//     grow regions N
//
// It says "ready PID", and then "ok" after each step. With "regions" it has N
// mappings from the start.

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { BLOCKS = 4001, BLOCK = 1009, SMALL = 100003, SEGMENT = 2 << 20, STACK = 1 << 20, CACHE_STEPS = 13 };

static char *blocks[BLOCKS];
static unsigned steps;

static void *need(void *p)
{
    if (p == NULL || p == MAP_FAILED) {
        perror("grow");
        exit(1);
    }
    return p;
}

// Below the mmap threshold, so the heap of the thread's arena grows.
static void grow_heap(void)
{
    int i;

    for (i = 0; i < 3; i++)
        memset(need(malloc(SMALL)), 1, SMALL);
}

static void grow_malloc(void)
{
    memset(need(malloc(SEGMENT)), 1, SEGMENT);
}

static void grow_mmap(void)
{
    memset(need(mmap(NULL, SEGMENT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), 1, SEGMENT);
}

// One mapping that grows.
static void grow_mremap(void)
{
    static char *all;
    static size_t size;

    if (all == NULL)
        all = need(mmap(NULL, size = SEGMENT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    all = need(mremap(all, size, size + SEGMENT, MREMAP_MAYMOVE));
    memset(all + size, 1, SEGMENT);
    size += SEGMENT;
}

// Takes memory in every way, and gives all of it back.
static void grow_churn(void)
{
    char *p = need(mmap(NULL, SEGMENT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

    memset(p, 1, SEGMENT);
    p = need(mremap(p, SEGMENT, 2 * SEGMENT, MREMAP_MAYMOVE));
    memset(p + SEGMENT, 1, SEGMENT);
    need(mremap(p, 2 * SEGMENT, SEGMENT / 2, 0));
    if (munmap(p, SEGMENT / 2) != 0 || sbrk(SEGMENT) == (void *)-1)
        exit(1);
    memset((char *)sbrk(0) - SEGMENT, 1, SEGMENT);
    if (sbrk(-SEGMENT) == (void *)-1)
        exit(1);
    free(need(malloc(SEGMENT)));
}

static void *wait_forever(void *arg)
{
    pause();
    return arg;
}

static void grow_stacks(void)
{
    pthread_attr_t attr;
    pthread_t thread;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    if (pthread_create(&thread, &attr, wait_forever, NULL) != 0)
        exit(1);
}

static void grow_none(void)
{
    free(need(malloc(SMALL)));
}

// Leaves holes that the next block does not fit, but never more memory in all.
static void fragment(void)
{
    unsigned i;

    for (i = steps % 2; i < BLOCKS; i += 2) {
        free(blocks[i]);
        blocks[i] = need(malloc(BLOCK / 2 + (i * 7 + steps) % (BLOCK / 2)));
    }
}

// Leaves holes that no later block fits. The small rest of a block behind each
// hole keeps it open. So the heap grows by memory that nobody holds.
static void grow_holes(void)
{
    int i;

    for (i = 0; i < 3; i++) {
        size_t n = SMALL + 96 * steps + 32 * i;
        char *p = need(malloc(n));
        char *q = need(malloc(n));

        memset(p, 1, n);
        need(realloc(q, 24));
        free(p);
    }
}

// Fills a cache for a third of the tests' steps, and makes holes from then on. So
// what is held is large and stays as it is, while the heap grows.
static void grow_cache(void)
{
    int i;

    if (steps > CACHE_STEPS) {
        grow_holes();
        return;
    }
    for (i = 0; i < 9; i++)
        memset(need(malloc(SMALL)), 1, SMALL);
}

static void map_regions(int n)
{
    int i;

    // The kernel does not merge neighbours with different rights.
    for (i = 0; i < n; i++) {
        char *p = need(mmap(NULL, 8192, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (i % 2 == 0)
            *p = 1;
    }
}

static const struct mode {
    const char *name;
    void (*step)(void);
} modes[] = {
    { "brk", grow_heap }, { "mmap", grow_mmap }, { "malloc", grow_malloc }, { "arena", grow_heap },
    { "mremap", grow_mremap }, { "stacks", grow_stacks }, { "none", grow_none }, { "churn", grow_churn },
    { "fragment", fragment }, { "holes", grow_holes }, { "cache", grow_cache }, { "regions", grow_none },
};

static void *serve(void *arg)
{
    const struct mode *m = arg;
    static char in[64];
    unsigned i;

    if (m->step == fragment)
        for (i = 0; i < BLOCKS; i++)
            blocks[i] = need(malloc(BLOCK));
    m->step(); // allocates what the first step needs for itself
    printf("ready %d\n", getpid());
    fflush(stdout);
    while (fgets(in, sizeof in, stdin) != NULL) {
        steps++;
        m->step();
        printf("ok\n");
        fflush(stdout);
    }
    exit(0);
}

int main(int argc, char **argv)
{
    unsigned i;

    static char out[4096];
    setvbuf(stdout, out, _IOLBF, sizeof out);
    // By chance a mapping of 2 MiB may be a huge page. Its one fault, if it is among the few
    // that are sampled, would stand for more memory than all others.
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    for (i = 0; argc > 1 && i < sizeof modes / sizeof *modes; i++) {
        pthread_t thread;

        if (strcmp(argv[1], modes[i].name) != 0)
            continue;
        // Free memory in the heap is not given back, so the blocks are mapped.
        if (modes[i].step == grow_churn)
            mallopt(M_MMAP_THRESHOLD, SMALL);
        if (argc > 2)
            map_regions(atoi(argv[2]));
        if (strcmp(argv[1], "arena") != 0)
            serve((void *)&modes[i]);
        // A second thread has an arena of its own.
        if (pthread_create(&thread, NULL, serve, (void *)&modes[i]) == 0)
            pthread_join(thread, NULL);
    }
    return 2;
}
