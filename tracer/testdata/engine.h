// SPDX-License-Identifier: Apache-2.0
//
// The random part of the ledger programs, the same for C and C++. Threads fill slots
// with blocks and release them, hand blocks to one another, start short-lived
// helpers, fork, and load libraries, until the given number of calls is reached.
// The program supplies the actions and release().
//
// Include after ledger.h.

#ifndef ENGINE_H
#define ENGINE_H

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

enum { MAX_THREADS = 64, SLOTS = 2048, MAILBOX = 256, HELPER_SLOTS = 16 };

// A slot holds one block. If an object owns the block, the object is in the slot
// itself, and that slot must not move.
struct slot {
    void *ptr; // NULL only if the slot is empty: malloc(0) returns a pointer too
    size_t size;
    enum site site;
    int how; // how to release it; the program's own business
    int pinned;
    uint64_t object[4];
};

enum when {
    ON_EMPTY, // fills the slot
    ON_FULL,  // releases or replaces what the slot holds
    ON_ANY,   // leaves the slot as it is
    WHEN_COUNT
};

struct action {
    void (*run)(struct rng *, struct slot *);
    enum when when;
    unsigned weight;
    int clobbers; // the library clobbers rbp; left out with --no-indirect
};

extern const struct action actions[];
extern const size_t action_count;
FRAME void release(struct slot *s);
FRAME void child_allocates(struct rng *r);

static uint64_t opt_seed = 1;
static unsigned long long opt_calls = 2000003;
static unsigned opt_threads = 8;
static int opt_no_indirect;
static int opt_no_throw; // no allocation function throws
static int opt_no_fork;

static struct slot slots[MAX_THREADS][SLOTS];
static pthread_t threads[MAX_THREADS];

static struct mailbox {
    pthread_mutex_t lock;
    unsigned count;
    struct slot box[MAILBOX];
} mail[MAX_THREADS];

// Blocks carry a stamp, to show whether anything has changed the program's memory.
static inline uint64_t stamp_of(const void *p)
{
    return (uint64_t)(uintptr_t)p * 0x9e3779b97f4a7c15ULL;
}

static inline void put_stamp(void *p, size_t size)
{
    uint64_t v = stamp_of(p);

    if (size >= sizeof(v))
        memcpy(p, &v, sizeof(v));
}

static inline void check_stamp(const void *p, const void *stamped_at, size_t size)
{
    uint64_t v = stamp_of(stamped_at);

    if (size >= sizeof(v))
        check(memcmp(p, &v, sizeof(v)) == 0, "block contents");
}

// fill records a new block in an empty slot.
static inline void fill(struct slot *s, enum site site, void *p, size_t size, int how)
{
    check(p != NULL, "allocation failed");
    put_stamp(p, size);
    s->ptr = p;
    s->size = size;
    s->site = site;
    s->how = how;
    s->pinned = 0;
    hold(site, size);
}

// Mostly small, some up to 64 KiB, a few on both sides of the mmap threshold of 128 KiB.
static inline size_t random_size(struct rng *r)
{
    uint64_t kind = rng_below(r, 100);

    if (kind < 1)
        return (size_t)(100 * 1024 + rng_below(r, 200 * 1024));
    if (kind < 6)
        return (size_t)rng_below(r, 64 * 1024 + 1);
    if (kind < 8)
        return 0;
    return (size_t)rng_below(r, 513);
}

static inline void run_action(struct rng *r, struct slot *s, enum when when)
{
    unsigned total = 0;
    uint64_t at;
    size_t i;

    for (i = 0; i < action_count; i++)
        if (actions[i].when == when && !(opt_no_indirect && actions[i].clobbers))
            total += actions[i].weight;
    at = rng_below(r, total);
    for (i = 0; i < action_count; i++) {
        if (actions[i].when != when || (opt_no_indirect && actions[i].clobbers))
            continue;
        if (at < actions[i].weight) {
            actions[i].run(r, s);
            return;
        }
        at -= actions[i].weight;
    }
}

// hand_over moves the block to some thread's mailbox if that has room.
static inline int hand_over(struct rng *r, struct slot *s)
{
    struct mailbox *m = &mail[rng_below(r, opt_threads)];
    int moved = 0;

    if (s->pinned)
        return 0;
    pthread_mutex_lock(&m->lock);
    if (m->count < MAILBOX) {
        m->box[m->count++] = *s;
        s->ptr = NULL;
        moved = 1;
    }
    pthread_mutex_unlock(&m->lock);
    return moved;
}

static inline void take_over(unsigned self, struct slot *s)
{
    struct mailbox *m = &mail[self];

    pthread_mutex_lock(&m->lock);
    if (m->count > 0)
        *s = m->box[--m->count];
    pthread_mutex_unlock(&m->lock);
}

static inline void work(struct rng *r, struct slot *s)
{
    if (rng_below(r, 100) < 4)
        run_action(r, s, ON_ANY);
    else
        run_action(r, s, s->ptr ? ON_FULL : ON_EMPTY);
}

// A helper's frees fill its thread cache. glibc flushes that through free when the
// thread exits, so those chunks are freed a second time, which is right.
static void *helper_main(void *arg)
{
    struct rng r = {*(uint64_t *)arg};
    struct slot own[HELPER_SLOTS];
    int i;

    memset(own, 0, sizeof(own));
    for (i = 0; i < HELPER_SLOTS; i++)
        run_action(&r, &own[i], ON_EMPTY);
    for (i = 0; i < HELPER_SLOTS; i++)
        if (i % 3 == 0 || !hand_over(&r, &own[i]))
            release(&own[i]);
    return NULL;
}

static void run_helper(struct rng *r)
{
    uint64_t seed = rng_next(r);
    pthread_t t;

    check(pthread_create(&t, NULL, helper_main, &seed) == 0, "pthread_create");
    check(pthread_join(t, NULL) == 0, "pthread_join");
}

// What the child does to its copy of the heap must not count. It allocates at addresses
// that the parent may use as well, and frees blocks that the parent still holds.
static void run_child(struct rng *r, struct slot *own)
{
    pid_t pid;
    int status, i;

    if (opt_no_fork)
        return;
    pid = fork();
    check(pid >= 0, "fork");
    if (pid == 0) {
        child_allocates(r);
        for (i = 0; i < 300; i++)
            work(r, &own[rng_below(r, SLOTS)]);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0)
        check(errno == EINTR, "waitpid");
    check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status of a child");
}

// dlopen allocates and frees inside ld.so, and adds mappings for a while.
static void load_library(void)
{
    static const char *const names[] = {"libresolv.so.2", "libutil.so.1", "libm.so.6"};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        void *lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (lib != NULL)
            dlclose(lib);
    }
}

static void *worker_main(void *arg)
{
    unsigned self = (unsigned)(uintptr_t)arg;
    struct rng r = {opt_seed * 1000003 + self};
    uint64_t chance;

    while (__atomic_load_n(&calls_made, __ATOMIC_RELAXED) < opt_calls) {
        struct slot *s = &slots[self][rng_below(&r, SLOTS)];

        work(&r, s);
        if (rng_below(&r, 16) == 0 && s->ptr != NULL)
            hand_over(&r, s);
        if (rng_below(&r, 8) == 0 && s->ptr == NULL)
            take_over(self, s);

        // A run has about 20, 20 and 100 of these, whatever its length.
        chance = rng_below(&r, opt_calls);
        if (chance < 20)
            run_child(&r, slots[self]);
        else if (chance < 40)
            load_library();
        else if (chance < 140)
            run_helper(&r);
    }
    return NULL;
}

static struct slot *full[MAX_THREADS * (SLOTS + MAILBOX)];

static size_t collect(void)
{
    size_t n = 0, i, j;

    for (i = 0; i < opt_threads; i++) {
        for (j = 0; j < SLOTS; j++)
            if (slots[i][j].ptr != NULL)
                full[n++] = &slots[i][j];
        for (j = 0; j < mail[i].count; j++)
            full[n++] = &mail[i].box[j];
    }
    return n;
}

// thin_out leaves 2 to 10 % of the blocks of each site. No two sites keep the same
// number of blocks, if there are enough. This thread frees all others, in random
// order.
static void thin_out(struct rng *r)
{
    long long target[SITE_COUNT];
    size_t n = collect(), i;
    int s, t, again;

    for (s = 0; s < SITE_COUNT; s++) {
        long long have = held_blocks[s];

        target[s] = have * (2 + s * 9 / SITE_COUNT) / 100;
        if (target[s] == 0 && have > 0)
            target[s] = 1;
        do {
            again = 0;
            for (t = 0; t < s; t++)
                if (target[t] == target[s] && target[s] != 0 && target[s] < have) {
                    target[s]++;
                    again = 1;
                }
        } while (again);
    }
    for (i = n; i > 1; i--) {
        size_t j = rng_below(r, i);
        struct slot *tmp = full[j];

        full[j] = full[i - 1];
        full[i - 1] = tmp;
    }
    for (i = 0; i < n; i++)
        if (held_blocks[full[i]->site] > target[full[i]->site])
            release(full[i]);
}

// audit counts the slots anew. The ledger must say what is really held.
static void audit(void)
{
    static long long bytes[SITE_COUNT], blocks[SITE_COUNT];
    size_t n, i;
    int s;

    for (i = 0; i < opt_threads; i++) {
        struct slot *box = mail[i].box;
        size_t j, left = 0;

        for (j = 0; j < mail[i].count; j++)
            if (box[j].ptr != NULL)
                box[left++] = box[j];
        mail[i].count = (unsigned)left;
    }
    n = collect();
    for (i = 0; i < n; i++) {
        bytes[full[i]->site] += (long long)full[i]->size;
        blocks[full[i]->site]++;
    }
    for (s = 0; s < SITE_COUNT; s++)
        check(bytes[s] == held_bytes[s] && blocks[s] == held_blocks[s], "ledger");
}

// Usage: [SEED [CALLS]] [--seed N] [--calls N] [--threads N] [--no-indirect] [--no-throw]
// [--no-fork]
static void parse_options(int argc, char **argv)
{
    int i, bare = 0;

    for (i = 1; i < argc; i++) {
        const char *a = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(a, "--no-indirect") == 0) {
            opt_no_indirect = 1;
        } else if (strcmp(a, "--no-throw") == 0) {
            opt_no_throw = 1;
        } else if (strcmp(a, "--no-fork") == 0) {
            opt_no_fork = 1;
        } else if (strcmp(a, "--seed") == 0) {
            opt_seed = number(value);
            i++;
        } else if (strcmp(a, "--calls") == 0) {
            opt_calls = number(value);
            i++;
        } else if (strcmp(a, "--threads") == 0) {
            opt_threads = (unsigned)number(value);
            i++;
        } else if (bare == 0) {
            opt_seed = number(a);
            bare++;
        } else {
            opt_calls = number(a);
            bare++;
        }
    }
    check(opt_threads >= 1 && opt_threads <= MAX_THREADS, "number of threads");
    check(opt_calls >= 1, "number of calls");
}

static int run_engine(int argc, char **argv)
{
    struct rng r;
    unsigned i;

    parse_options(argc, argv);
    for (i = 0; i < opt_threads; i++)
        pthread_mutex_init(&mail[i].lock, NULL);
    ledger_ready();
    for (i = 0; i < opt_threads; i++)
        check(pthread_create(&threads[i], NULL, worker_main, (void *)(uintptr_t)i) == 0, "pthread_create");
    for (i = 0; i < opt_threads; i++)
        check(pthread_join(threads[i], NULL) == 0, "pthread_join");
    r.state = ~opt_seed;
    thin_out(&r);
    audit();
    ledger_finish();
}

#endif
