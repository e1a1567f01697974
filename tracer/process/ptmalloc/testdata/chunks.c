// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Puts chunks into every place where malloc keeps them, and tells which of its
// blocks are in use. It says "ready PID" first, and does what each line says:
//
//     stay THREADS      does so in threads that stay
//     places            does so in a thread that ends, and in the first thread
//     inside THREADS    hands out merged blocks again as part of larger ones, in threads
//                       that stay, or in the first thread if THREADS is 0
//     churn THREADS     keeps blocks in threads that go on allocating around them
//     many COUNT        allocates blocks of some sizes; every fourth is freed
//
// It answers with a line "block ADDRESS HEADER FREE PLACE" for each block, with the
// header as it was when malloc returned it, and then with "done 0". Nothing here
// uses stdio, whose buffers would be blocks.

#define SITES(X) X(none)
#include "../../../testdata/ledger.h"

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>

enum { MOST = 200000, CACHED = 16 };

struct record {
    uintptr_t address;
    uint64_t header;
    const char *place;
    int freed;
};

static struct record records[MOST];
static size_t record_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct record *keep(void *p, const char *place)
{
    struct record *r;

    check(p != NULL, "no memory");
    pthread_mutex_lock(&lock);
    check(record_count < MOST, "records");
    r = &records[record_count++];
    pthread_mutex_unlock(&lock);
    *r = (struct record){(uintptr_t)p, ((uint64_t *)p)[-1], place, 0};
    return r;
}

static void drop_block(struct record *r)
{
    r->freed = 1;
    free((void *)r->address);
}

static void report(void)
{
    size_t i;

    for (i = 0; i < record_count; i++) {
        struct text t = {{0}, 0};
        put_str(&t, "block ");
        put_num(&t, (long long)records[i].address);
        put_str(&t, " ");
        put_num(&t, (long long)records[i].header);
        put_str(&t, " ");
        put_num(&t, records[i].freed);
        put_str(&t, " ");
        put_str(&t, records[i].place);
        put_str(&t, "\n");
        put_out(STDOUT_FILENO, &t);
    }
    record_count = 0;
    say("done", 0);
}

// wall is a block that stays, so that neighbours do not merge across it.
static void wall(void) { keep(malloc(56), "wall"); }

// group allocates blocks between walls, or without walls between them.
static void group(struct record **r, size_t count, size_t size, int walled, const char *place)
{
    size_t i;

    wall();
    for (i = 0; i < count; i++) {
        r[i] = keep(malloc(size), place);
        memset((void *)r[i]->address, 0x5a, size);
        if (walled)
            wall();
    }
    wall();
}

static void drop_all(struct record **r, size_t count)
{
    while (count-- > 0)
        drop_block(r[count]);
}

// words fills a block with one word.
static void words(void *p, uint64_t word)
{
    size_t n = malloc_usable_size(p) / 8;

    while (n-- > 0)
        ((uint64_t *)p)[n] = word;
}

// live keeps blocks of all sizes, whose contents look like malloc's own data.
static void live(void)
{
    static const uint64_t forged[] = {0, 0x20, 0x21, 0x31, 0x91, 0x290, 0x291, ~0ULL, 0x10};
    size_t size, i = 0;

    for (size = 0; size < 2100; size += 8)
        words((void *)keep(malloc(size), "live")->address, forged[i++ % 9]);
    for (; size < 120000; size += size / 7)
        words((void *)keep(calloc(1, size), "calloc")->address, forged[i++ % 9]);
    for (size = 32; size <= 8192; size *= 2)
        words((void *)keep(memalign(size, 100 + size / 3), "memalign")->address, forged[i++ % 9]);
}

static uint64_t mangled(void *at, uint64_t word) { return (uintptr_t)at >> 12 ^ word; }

// forge keeps blocks that look as if they were in a thread cache. They have the key
// of a freed block, and links to each other, plain and mangled.
static void forge(void)
{
    static const size_t sizes[] = {24, 40, 72, 136, 1000};
    size_t i, kind;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t *freed = malloc(sizes[i]), key, *block[8];

        free(freed);
        key = ((volatile uint64_t *)freed)[1];
        for (kind = 0; kind < 8; kind++) {
            block[kind] = malloc(sizes[i]);
            words(block[kind], key);
            keep(block[kind], "forged");
        }
        block[0][0] = 0;
        block[1][0] = mangled(block[1], 0);
        block[2][0] = (uintptr_t)block[0];
        block[3][0] = mangled(block[3], (uintptr_t)block[1]);
        block[4][0] = (uintptr_t)block[0] - 16;
        block[5][0] = mangled(block[5], (uintptr_t)block[1] - 16);
        block[6][0] = (uintptr_t)block[6];
    }
}

// resize reallocates blocks that stay where they are.
static void resize(void)
{
    void *p = malloc(5000), *q, *next;
    struct record *r = keep(p, "shrunk");

    wall();
    check((q = realloc(p, 1700)) == p, "realloc moved a smaller block");
    r->freed = 1;
    keep(q, "shrunk");

    do {
        p = malloc(2200), next = malloc(3300);
        r = keep(p, "grown");
        wall();
    } while ((char *)p + (r->header & ~(uint64_t)7) != next);
    free(next);
    check((q = realloc(p, 4000)) == p, "realloc moved a block that had room");
    r->freed = 1;
    keep(q, "grown");

    p = malloc(100);
    keep(p, "realloc");
    check(realloc(p, 104) == p, "realloc moved a block of the same size");
}

// mapped makes mapped blocks that are freed, moved, resized, or in use.
static void mapped(void)
{
    struct record *r[4];
    size_t i;

    for (i = 0; i < 4; i++)
        r[i] = keep(malloc(33000000 + i * 100000), "mapped");
    drop_block(r[1]);
    drop_block(r[3]);
    r[0] = keep(malloc(34000000), "remapped");
    r[0]->freed = 1;
    keep(realloc((void *)r[0]->address, 45000000), "remapped");
    keep(memalign(65536, 34000000), "mapped");
}

// merge frees neighbours in an order that merges some with both sides.
static void merge(struct record **r)
{
    static const int order[] = {0, 4, 2, 1, 3, 8, 6, 7, 5};
    size_t i;

    for (i = 0; i < 9; i++)
        drop_block(r[order[i]]);
}

enum { HIGH = 900 };

// places uses all places of the calling thread's arena. It allocates all blocks
// before it frees any, so that no memory is used again.
static void *places(void *trim)
{
    struct record *cached[4][3], *full[2][CACHED + 9], *binned[9], *large[3], *unsorted[5];
    struct record *merged[9], *aligned[3], *cleared[3], *last[4], *high[HIGH];
    size_t i;

    live();
    for (i = 0; i < 4; i++)
        group(cached[i], 3, (size_t[]){24, 44, 200, 1000}[i], i % 2, "cached");
    group(full[0], CACHED + 9, 72, 0, "full");
    group(full[1], CACHED + 9, 300, 1, "full");
    group(binned, 9, 1100, 1, "binned");
    group(large, 3, 9000, 1, "binned");
    group(unsorted, 5, 1200, 1, "unsorted");
    group(merged, 9, 1300, 0, "merged");
    for (i = 0; i < 3; i++) {
        aligned[i] = keep(memalign(256, 1500), "memalign");
        cleared[i] = keep(calloc(3, 500), "calloc");
        wall();
    }
    resize();
    mapped();
    forge();
    for (i = 0; i < 4; i++)
        last[i] = keep(malloc(3000), "last");
    for (i = 0; i < HIGH; i++)
        high[i] = keep(malloc(100000), "high");

    drop_all(binned, 9);
    drop_all(large, 3);
    keep(malloc(20000), "live"); // sorts the unsorted chunks into bins
    for (i = 0; i < 4; i++)
        drop_all(cached[i], 3);
    drop_all(full[1], CACHED + 9);
    drop_all(aligned, 3);
    drop_all(cleared, 3);
    drop_all(unsorted, 5);
    merge(merged);
    drop_all(high, trim ? HIGH : HIGH / 2);
    for (i = 0; trim && i < 4; i++)
        drop_block(last[(size_t[]){2, 3, 0, 1}[i]]); // two of them join the top
    // These come last: freeing 64 KiB or more empties the fastbins (malloc_consolidate).
    drop_all(full[0], CACHED + 9);
    return NULL;
}

static pthread_barrier_t done;

enum { COVERED = 20 };

// cover frees pairs of neighbours, which merge, and allocates the memory of each pair
// as one block that nobody writes to. The headers of the second block and of the chunk
// behind it stay as they were, or the second's says that the chunk before it is free.
static void cover(size_t size, int second_first)
{
    struct record *r[COVERED];
    size_t i, step;
    void *both;

    do { // until they are neighbours
        group(r, COVERED, size, 0, "inside");
        step = malloc_usable_size((void *)r[0]->address) + 8;
    } while (r[COVERED - 1]->address - r[0]->address != (COVERED - 1) * step);
    for (i = 0; i < COVERED; i += 2) {
        drop_block(r[i + (size_t)second_first]);
        drop_block(r[i + 1 - (size_t)second_first]);
        both = malloc(2 * step - 8);
        keep(both, "covering");
        check((uintptr_t)both == r[i]->address, "the memory went elsewhere");
    }
}

static void *inside(void *arg)
{
    size_t i;

    live();
    for (i = 0; i < 20; i++)
        cover(1500 + 100 * i, i % 2);
    for (i = 0; i < HIGH; i++) // fills more than one heap
        keep(malloc(100000), "live");
    for (i = 0; i < 20; i++)
        cover(1500 + 100 * i, i % 2);
    live();
    if (arg == NULL)
        return NULL;
    pthread_barrier_wait(&done);
    for (;;)
        pause();
}

static void insides(unsigned threads)
{
    pthread_t t;

    if (threads == 0)
        inside(NULL);
    while (threads-- > 0) {
        pthread_barrier_init(&done, NULL, 2);
        check(pthread_create(&t, NULL, inside, &done) == 0, "no thread");
        pthread_barrier_wait(&done);
    }
}

static void *stay(void *arg)
{
    places(arg);
    pthread_barrier_wait(&done);
    for (;;)
        pause();
    return NULL;
}

static void stay_places(unsigned threads)
{
    pthread_t t;
    unsigned i;

    for (i = 0; i < threads; i++) {
        pthread_barrier_init(&done, NULL, 2);
        check(pthread_create(&t, NULL, stay, i % 2 == 0 ? &done : NULL) == 0, "no thread");
        pthread_barrier_wait(&done);
    }
}

static void all_places(void)
{
    pthread_t t;

    check(pthread_create(&t, NULL, places, &done) == 0 && pthread_join(t, NULL) == 0, "no thread");
    places(&done);
}

// churner keeps blocks among others that come and go. Some of the others point to
// the blocks that it keeps.
static void *churner(void *arg)
{
    struct rng r = {(uint64_t)(uintptr_t)arg};
    void *block[256] = {NULL}, *kept[64];
    uint64_t *node = malloc(24), key;
    size_t i;

    free(node);
    key = ((volatile uint64_t *)node)[1];
    for (i = 0; i < 256; i++) {
        block[i] = malloc(rng_below(&r, 3) != 0 ? 24 : rng_below(&r, 3000));
        if (i % 4 == 0) {
            kept[i / 4] = malloc(rng_below(&r, 3) != 0 ? 24 : rng_below(&r, 3000));
            words(kept[i / 4], i % 8 == 0 ? 0 : key);
            keep(kept[i / 4], "kept");
        }
    }
    pthread_barrier_wait(&done);
    for (;;) {
        void **p = &block[rng_below(&r, 256)];
        free(*p);
        *p = malloc(rng_below(&r, 64) != 0 ? rng_below(&r, 3000) : rng_below(&r, 200000));
        for (i = 0; i < 20; i++) {
            node = malloc(24);
            node[0] = (uintptr_t)kept[rng_below(&r, 64)] - (i % 3 == 0 ? 16 : 0);
            if (i % 5 == 0)
                node[0] = mangled(node, node[0]);
            node[1] = i % 7 == 0 ? key : 0;
            __asm__ volatile("" ::: "memory");
            free(node);
        }
    }
    return NULL;
}

static void churn(unsigned threads)
{
    pthread_t t;
    unsigned i;

    pthread_barrier_init(&done, NULL, threads + 1);
    for (i = 0; i < threads; i++)
        check(pthread_create(&t, NULL, churner, (void *)(uintptr_t)(i + 1)) == 0, "no thread");
    pthread_barrier_wait(&done);
}

static void many(size_t count)
{
    struct rng r = {7};
    size_t i, first = record_count;

    for (i = 0; i < count; i++)
        words((void *)keep(malloc(rng_below(&r, 8) != 0 ? rng_below(&r, 300) : rng_below(&r, 20000)), "many")->address, i);
    for (i = first; i < record_count; i += 4)
        drop_block(&records[i]);
}

int main(void)
{
    char line[64];

    say("ready", getpid());
    while (read_line(line, sizeof(line))) {
        if (strncmp(line, "stay ", 5) == 0)
            stay_places((unsigned)number(line + 5));
        else if (strcmp(line, "places") == 0)
            all_places();
        else if (strncmp(line, "inside ", 7) == 0)
            insides((unsigned)number(line + 7));
        else if (strncmp(line, "churn ", 6) == 0)
            churn((unsigned)number(line + 6));
        else if (strncmp(line, "many ", 5) == 0)
            many(number(line + 5));
        else
            wrong(line);
        report();
    }
    _exit(0);
}
