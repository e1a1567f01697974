// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Allocates and frees at 50 sites, many million times a second, and leaks a little
// at five more. It is the ground truth for what is found in windows of time. See
// ledger.h for the protocol. Between "go" and the next line it works. Then come
// "pairs N", "milliseconds N" and the ledger.
//
// Blocks of the churn_ sites have 16 bytes to 64 KiB. They live for microseconds, or
// for one round of a ring, or until a bounded cache replaces them at random, or up to
// 10 seconds. The threads that churn also leak, at random intervals. In blocks a
// minute:
//
//     leak_rare 200, leak_some 2,000, leak_many 20,000
//     leak_list 1,000, in a list that grows at its head and is still written to
//     leak_large 3, of 1 MiB
//
// Usage: churn [--threads N] [--pairs-per-second N]
//
//     --pairs-per-second N  pairs of all threads together; by default as many as they can

#define SITES(X) \
    X(churn_00) X(churn_01) X(churn_02) X(churn_03) X(churn_04) X(churn_05) X(churn_06) X(churn_07) X(churn_08) X(churn_09) \
    X(churn_10) X(churn_11) X(churn_12) X(churn_13) X(churn_14) X(churn_15) X(churn_16) X(churn_17) X(churn_18) X(churn_19) \
    X(churn_20) X(churn_21) X(churn_22) X(churn_23) X(churn_24) X(churn_25) X(churn_26) X(churn_27) X(churn_28) X(churn_29) \
    X(churn_30) X(churn_31) X(churn_32) X(churn_33) X(churn_34) X(churn_35) X(churn_36) X(churn_37) X(churn_38) X(churn_39) \
    X(churn_40) X(churn_41) X(churn_42) X(churn_43) X(churn_44) X(churn_45) X(churn_46) X(churn_47) X(churn_48) X(churn_49) \
    X(leak_rare) X(leak_some) X(leak_many) X(leak_list) X(leak_large)
#include "ledger.h"

#include <pthread.h>
#include <time.h>

enum {
    CHURN_SITES = 50,
    MAX_THREADS = 16,
    RING = 64,     // blocks in a ring
    CACHE = 4096,  // blocks in a cache
    TICKS = 1024,  // ticks of TICK_NS (10 ms) for blocks that live long
    TICK_NS = 10000000,
    LOOK = 64,     // rounds between looks at the clock
};

#define CHURN(n) \
    SITE void *site_churn_##n(size_t size) \
    { \
        return malloc(size); \
    }
CHURN(00)
CHURN(01)
CHURN(02)
CHURN(03)
CHURN(04)
CHURN(05)
CHURN(06)
CHURN(07)
CHURN(08)
CHURN(09)
CHURN(10)
CHURN(11)
CHURN(12)
CHURN(13)
CHURN(14)
CHURN(15)
CHURN(16)
CHURN(17)
CHURN(18)
CHURN(19)
CHURN(20)
CHURN(21)
CHURN(22)
CHURN(23)
CHURN(24)
CHURN(25)
CHURN(26)
CHURN(27)
CHURN(28)
CHURN(29)
CHURN(30)
CHURN(31)
CHURN(32)
CHURN(33)
CHURN(34)
CHURN(35)
CHURN(36)
CHURN(37)
CHURN(38)
CHURN(39)
CHURN(40)
CHURN(41)
CHURN(42)
CHURN(43)
CHURN(44)
CHURN(45)
CHURN(46)
CHURN(47)
CHURN(48)
CHURN(49)

#define LEAK(name) \
    SITE void *site_leak_##name(size_t size) \
    { \
        return malloc(size); \
    }
LEAK(rare)
LEAK(some)
LEAK(many)
LEAK(list)
LEAK(large)

static void *(*const churn_sites[CHURN_SITES])(size_t) = {
    site_churn_00, site_churn_01, site_churn_02, site_churn_03, site_churn_04,
    site_churn_05, site_churn_06, site_churn_07, site_churn_08, site_churn_09,
    site_churn_10, site_churn_11, site_churn_12, site_churn_13, site_churn_14,
    site_churn_15, site_churn_16, site_churn_17, site_churn_18, site_churn_19,
    site_churn_20, site_churn_21, site_churn_22, site_churn_23, site_churn_24,
    site_churn_25, site_churn_26, site_churn_27, site_churn_28, site_churn_29,
    site_churn_30, site_churn_31, site_churn_32, site_churn_33, site_churn_34,
    site_churn_35, site_churn_36, site_churn_37, site_churn_38, site_churn_39,
    site_churn_40, site_churn_41, site_churn_42, site_churn_43, site_churn_44,
    site_churn_45, site_churn_46, site_churn_47, site_churn_48, site_churn_49,
};

static unsigned opt_threads = 2;
static unsigned long long opt_pace;
static int stop;

struct held {
    void *p;
    enum site site;
    size_t size;
};

// Blocks that live long are chained through their first words.
struct waiting {
    struct waiting *next;
    uint32_t site, size;
};

struct node {
    struct node *next, *before;
    unsigned long long touched;
    char payload[40];
};

struct leak {
    enum site site;
    void *(*allocate)(size_t);
    size_t size;
    double per_minute;
    unsigned worker;
    uint64_t due;
};

static struct leak leaks[] = {
    {S_leak_rare, site_leak_rare, 120, 200, 0, 0},
    {S_leak_some, site_leak_some, 72, 2000, 1, 0},
    {S_leak_many, site_leak_many, 200, 20000, 0, 0},
    {S_leak_list, site_leak_list, sizeof(struct node), 1000, 1, 0},
    {S_leak_large, site_leak_large, 1 << 20, 3, 0, 0},
};

enum { LEAKS = sizeof(leaks) / sizeof(leaks[0]) };

static struct worker {
    _Alignas(64) unsigned number;
    pthread_t thread;
    struct rng rng;
    unsigned long long pairs;
    long long bytes[SITE_COUNT], blocks[SITE_COUNT];
    struct held ring[RING], cache[CACHE];
    unsigned at;
    struct waiting *ticks[TICKS];
    uint64_t tick;
    struct node *list;
    uint64_t touch;
} workers[MAX_THREADS];

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *get(struct worker *w, enum site s, size_t size)
{
    uint64_t *p = churn_sites[s](size);

    check(p != NULL, "malloc");
    p[0] = w->pairs;
    p[1] = size;
    w->bytes[s] += (long long)size;
    w->blocks[s]++;
    return p;
}

static void put(struct worker *w, void *p, enum site s, size_t size)
{
    free(p);
    w->bytes[s] -= (long long)size;
    w->blocks[s]--;
    w->pairs++;
}

// replace frees the block there, if any, and puts a new one in its place.
static void replace(struct worker *w, struct held *h, enum site s, size_t size)
{
    if (h->p)
        put(w, h->p, h->site, h->size);
    h->p = get(w, s, size);
    h->site = s;
    h->size = size;
}

static void wait_long(struct worker *w, enum site s, size_t size, uint64_t r)
{
    struct waiting *b = get(w, s, size);
    // From 10 ms to 10 s, all octaves are equally likely.
    uint64_t ticks = (1ULL << r % 10) + (r >> 8) % (1ULL << r % 10);
    struct waiting **slot = &w->ticks[(w->tick + (ticks < TICKS ? ticks : TICKS - 1)) % TICKS];

    b->next = *slot;
    b->site = s;
    b->size = (uint32_t)size;
    *slot = b;
}

static void churn(struct worker *w)
{
    uint64_t r = rng_next(&w->rng);
    enum site s = (enum site)(r % CHURN_SITES);
    // Most blocks are small, but there are some in each octave up to 64 KiB.
    unsigned octave = s % 13 < (r >> 32) % 16 ? s % 5 : s % 13;
    size_t size = (16ULL << octave) - (r >> 40) % 8;

    r >>= 8;
    if (size < 16)
        size = 16;
    switch (s % 10) {
    case 7:
        replace(w, &w->ring[w->at++ % RING], s, size);
        break;
    case 8:
        if (size <= 512) {
            replace(w, &w->cache[r % CACHE], s, size);
            break;
        }
        put(w, get(w, s, size), s, size);
        break;
    case 9:
        if (r % 1024 == 0 && size <= 4096) {
            wait_long(w, s, size, r >> 10);
            break;
        }
        put(w, get(w, s, size), s, size);
        break;
    default:
        put(w, get(w, s, size), s, size);
    }
}

static void expire(struct worker *w, uint64_t time)
{
    for (; w->tick < time / TICK_NS; w->tick++) {
        struct waiting *b = w->ticks[w->tick % TICKS], *next;

        w->ticks[w->tick % TICKS] = NULL;
        for (; b; b = next) {
            next = b->next;
            put(w, b, (enum site)b->site, b->size);
        }
    }
}

static void leak(struct worker *w, uint64_t time)
{
    int i;

    for (i = 0; i < LEAKS; i++) {
        struct leak *l = &leaks[i];
        uint64_t mean = (uint64_t)(60e9 / l->per_minute);

        if (l->worker % opt_threads != w->number || time < l->due)
            continue;
        if (l->due) {
            unsigned char *p = l->allocate(l->size);

            check(p != NULL, "malloc");
            memset(p, 0x5a, l->size);
            w->bytes[l->site] += (long long)l->size;
            w->blocks[l->site]++;
            if (l->site == S_leak_list) {
                struct node *n = (struct node *)p;

                n->next = w->list;
                n->before = NULL;
                n->touched = 0;
                if (w->list)
                    w->list->before = n;
                w->list = n;
            }
        } else {
            l->due = time;
        }
        l->due += mean / 2 + rng_next(&w->rng) % mean;
    }
    if (time >= w->touch) {
        struct node *n;

        for (n = w->list; n; n = n->next)
            n->touched++;
        w->touch = time + 200000000;
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    uint64_t start = now(), time;
    unsigned i;

    w->tick = start / TICK_NS;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        for (i = 0; i < LOOK; i++)
            churn(w);
        time = now();
        expire(w, time);
        leak(w, time);
        if (opt_pace) {
            uint64_t due = start + (uint64_t)((double)w->pairs * 1e9 * opt_threads / (double)opt_pace);

            if (due > time) {
                struct timespec t = {0, due - time < 100000000 ? (long)(due - time) : 100000000};

                nanosleep(&t, NULL);
            }
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned long long pairs = 0;
    uint64_t start;
    unsigned i;
    int s;

    for (s = 1; s + 1 < argc; s += 2) {
        if (strcmp(argv[s], "--threads") == 0)
            opt_threads = (unsigned)number(argv[s + 1]);
        else if (strcmp(argv[s], "--pairs-per-second") == 0)
            opt_pace = number(argv[s + 1]);
        else
            wrong("option");
    }
    check(s == argc && opt_threads >= 1 && opt_threads <= MAX_THREADS, "options");
    ledger_ready();
    start = now();
    for (i = 0; i < opt_threads; i++) {
        workers[i].number = i;
        workers[i].rng.state = i + 1;
        check(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0, "pthread_create");
    }
    ledger_wait();
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (i = 0; i < opt_threads; i++) {
        check(pthread_join(workers[i].thread, NULL) == 0, "pthread_join");
        pairs += workers[i].pairs;
        for (s = 0; s < SITE_COUNT; s++) {
            held_bytes[s] += workers[i].bytes[s];
            held_blocks[s] += workers[i].blocks[s];
        }
    }
    say("pairs", (long long)pairs);
    say("milliseconds", (long long)((now() - start) / 1000000));
    calls_made = 2 * pairs;
    ledger_finish();
}
