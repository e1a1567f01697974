// SPDX-License-Identifier: Apache-2.0
//
// Checked blocks. Each gets a pattern of its own when it is allocated, which is checked
// before it is freed. If the contents have changed, the program ends with status 3 (see
// wrong). Include after ledger.h.

#ifndef CHECKED_H
#define CHECKED_H

#include <malloc.h>
#include <sys/mman.h>
#include <time.h>

enum { BLOCKS = 512 };

struct block {
    unsigned char *p;
    size_t size;
    uint64_t tag;
    enum site site;
};

static unsigned long long operations;

static inline void operated(unsigned n)
{
    __atomic_fetch_add(&operations, n, __ATOMIC_RELAXED);
}

// Steps through the bytes of a block that hold its pattern: all bytes of a small block;
// both ends and one byte in every page of a larger one.
static inline size_t next_place(size_t at, size_t size)
{
    if (at < 256 || at + 64 >= size)
        return at + 1;
    return at + 4096 < size - 64 ? at + 4096 : size - 64;
}

static inline unsigned char pattern(uint64_t tag, size_t at)
{
    return (unsigned char)(tag >> (at % 8 * 8)) ^ (unsigned char)at;
}

static inline void fill(const struct block *b)
{
    size_t i;

    for (i = 0; i < b->size; i = next_place(i, b->size))
        b->p[i] = pattern(b->tag, i);
}

static inline void look_up_to(const struct block *b, size_t size)
{
    size_t i;

    for (i = 0; i < size; i = next_place(i, b->size))
        check(b->p[i] == pattern(b->tag, i), "block: its contents changed");
}

static inline void look(const struct block *b)
{
    look_up_to(b, b->size);
}

static inline void release(struct block *b)
{
    look(b);
    drop(b->site, b->size);
    free(b->p);
    b->p = NULL;
    operated(1);
}

// take fills an empty block in one of several ways.
static inline void take(struct rng *r, struct block *b, size_t most);

static inline uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

SITE void *site_malloc(size_t n)
{
    return malloc(n);
}

SITE void *site_calloc(size_t n)
{
    return calloc(1, n);
}

SITE void *site_realloc(void *p, size_t n)
{
    return realloc(p, n);
}

SITE void *site_memalign(size_t n)
{
    void *p = NULL;

    return posix_memalign(&p, 256, n) == 0 ? p : NULL;
}

static inline void take(struct rng *r, struct block *b, size_t most)
{
    size_t i;

    b->size = 1 + rng_below(r, most);
    b->tag = rng_next(r);
    switch (rng_below(r, 4)) {
    case 0:
        b->p = site_calloc(b->size);
        b->site = S_calloc;
        check(b->p != NULL, "calloc");
        for (i = 0; i < b->size; i = next_place(i, b->size))
            check(b->p[i] == 0, "calloc: not zero");
        break;
    case 1:
        b->p = site_memalign(b->size);
        b->site = S_memalign;
        check(b->p != NULL && (uintptr_t)b->p % 256 == 0, "posix_memalign");
        break;
    default:
        b->p = site_malloc(b->size);
        b->site = S_malloc;
        check(b->p != NULL, "malloc");
    }
    hold(b->site, b->size);
    fill(b);
    operated(1);
}

static inline void resize(struct rng *r, struct block *b, size_t most)
{
    size_t size = 1 + rng_below(r, most), kept = size < b->size ? size : b->size, i;

    look(b);
    b->p = site_realloc(b->p, size);
    check(b->p != NULL, "realloc");
    for (i = 0; i < kept; i = next_place(i, b->size))
        check(b->p[i] == pattern(b->tag, i), "realloc: its contents changed");
    drop(b->site, b->size);
    b->site = S_realloc;
    b->size = size;
    hold(b->site, size);
    fill(b);
    operated(1);
}

// churn_once does one operation on one of a thread's blocks, chosen at random.
static inline void churn_once(struct rng *r, struct block *blocks)
{
    struct block *b = &blocks[rng_below(r, BLOCKS)];
    size_t most = rng_below(r, 1000) == 0 ? 300000 : 2000;

    if (!b->p)
        take(r, b, most);
    else if (rng_below(r, 4) == 0)
        resize(r, b, most);
    else
        release(b);
}

// map_once maps memory, grows the mapping, which may move it, and unmaps it.
static inline void map_once(struct rng *r)
{
    size_t size = (1 + rng_below(r, 16)) * 4096;
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    check(p != MAP_FAILED, "mmap");
    p[size - 1] = 7;
    p = mremap(p, size, 2 * size, MREMAP_MAYMOVE);
    check(p != MAP_FAILED && p[size - 1] == 7, "mremap");
    check(munmap(p, 2 * size) == 0, "munmap");
    operated(3);
}

#endif
