// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Threads hand each other blocks of every kind, so each gets memory of its own arena
// and of others', while heaps come and go. Each site keeps blocks of one kind only, as
// the header before the block tells the kind. See ledger.h for the protocol.

#define SITES(X) X(brk) X(arena) X(mmapped) X(heap)
#include "ledger.h"

#include <malloc.h>
#include <pthread.h>

enum { THREADS = 4, ROUNDS = 3, CALLS = 20000, SLOTS = 512, KEEP = 16, LARGE = 100000, LARGES = 1500 };
enum { MAPPED_SIZE = 140001 };

// Bits in a chunk's size.
enum { MMAPPED = 2, ARENA = 4 };

static void *slots[SLOTS];

static int kind(const void *block)
{
    return (int)(((const size_t *)block)[-1] & (MMAPPED | ARENA));
}

// some allocates a block, now and then one with an alignment of 256 bytes, which only its
// address shows.
static void *some(size_t n)
{
    return n % 7 == 0 ? aligned_alloc(256, (n + 255) / 256 * 256) : malloc(n);
}

static size_t given(size_t n)
{
    return n % 7 == 0 ? (n + 255) / 256 * 256 : n;
}

SITE void *site_brk(size_t n)
{
    return some(n);
}

SITE void *site_arena(size_t n)
{
    return some(n);
}

SITE void *site_mmapped(size_t n)
{
    return some(n);
}

SITE void *site_heap(size_t n)
{
    return malloc(n);
}

static const struct {
    void *(*alloc)(size_t);
    enum site site;
    int kind;
} ways[] = {
    {site_brk, S_brk, 0},
    {site_arena, S_arena, ARENA},
    {site_mmapped, S_mmapped, MMAPPED},
};

// trade keeps some of the blocks whose kind is the site's, and puts the others where
// another thread will find and free them.
static void trade(struct rng *r)
{
    int i;

    for (i = 0; i < CALLS; i++) {
        unsigned way = rng_below(r, 3);
        size_t n = way == 2 && rng_below(r, 50) == 0 ? 140000 + rng_below(r, 9999) : 16 + rng_below(r, 1500);
        void *block = ways[way].alloc(n);

        check(block != NULL, "malloc");
        if (kind(block) == ways[way].kind && rng_below(r, KEEP) == 0) {
            hold(ways[way].site, given(n));
            called(1);
            continue;
        }
        free(__atomic_exchange_n(&slots[rng_below(r, SLOTS)], block, __ATOMIC_ACQ_REL));
        called(2);
    }
}

// more_heaps makes the arena ask for a second heap and give it back. Then it has large
// blocks mapped where that heap was.
static void more_heaps(int mapped)
{
    static __thread void *blocks[LARGES];
    void *block;
    int i;

    for (i = 0; i < LARGES; i++)
        check((blocks[i] = site_heap(LARGE)) != NULL, "malloc");
    for (i = 0; i < LARGES; i++)
        free(blocks[i]);
    called(2 * LARGES);
    do { // fills what is left of the first heap
        block = site_heap(MAPPED_SIZE);
        check(block != NULL, "malloc");
        hold(S_heap, MAPPED_SIZE);
        called(1);
    } while (kind(block) != MMAPPED);
    for (i = 0; i < mapped; i++) {
        block = site_mmapped(MAPPED_SIZE);
        if (kind(block) == MMAPPED)
            hold(S_mmapped, MAPPED_SIZE);
        else
            free(block);
        called(1);
    }
}

static void *run(void *seed)
{
    struct rng r = {(uintptr_t)seed};
    int i;

    for (i = 0; i < ROUNDS; i++) {
        trade(&r);
        more_heaps(10);
    }
    trade(&r);
    return NULL;
}

static void *run_alone(void *unused)
{
    (void)unused;
    more_heaps(3000);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    uintptr_t i;

    check(mallopt(M_MMAP_THRESHOLD, 131072) == 1, "mallopt"); // else it would grow
    ledger_ready();
    for (i = 0; i < THREADS; i++)
        check(pthread_create(&threads[i], NULL, run, (void *)(i + 1)) == 0, "pthread_create");
    run((void *)(uintptr_t)99);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (i = 0; i < SLOTS; i++)
        free(slots[i]);
    // Alone, so no other thread's brk(2) or munmap(2) tells memtrace that heaps changed.
    check(pthread_create(&threads[0], NULL, run_alone, NULL) == 0, "pthread_create");
    pthread_join(threads[0], NULL);
    ledger_finish();
}
