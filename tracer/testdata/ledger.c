// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread -Wl,--no-as-needed -ldl
// SPDX-License-Identifier: Apache-2.0
//
// Random calls of every C allocation function from several threads, with a
// ledger of what each call site still holds. See ledger.h for the protocol, and
// engine.h for the threads, forks and options.

#define SITES(X) \
    X(malloc) X(calloc) X(realloc_null) X(realloc_grow) X(realloc_shrink) \
    X(reallocarray) X(posix_memalign) X(aligned_alloc) X(memalign) X(valloc) \
    X(pvalloc) X(strdup) X(strndup) X(asprintf) \
    X(realloc_zero) X(failed_malloc) X(failed_calloc) X(failed_realloc) \
    X(failed_reallocarray) X(failed_posix_memalign) X(failed_memalign) X(child)
#include "ledger.h"

#include <malloc.h>
#include <stdio.h>

#include "engine.h"

// More than PTRDIFF_MAX, which glibc refuses before it looks at any arena.
static const size_t too_big = (size_t)PTRDIFF_MAX + 1;

SITE void *site_malloc(size_t n)
{
    return malloc(n);
}

SITE void *site_calloc(size_t n, size_t size)
{
    return calloc(n, size);
}

SITE void *site_realloc_null(size_t n)
{
    return realloc(NULL, n);
}

SITE void *site_realloc_grow(void *p, size_t n)
{
    return realloc(p, n);
}

SITE void *site_realloc_shrink(void *p, size_t n)
{
    return realloc(p, n);
}

SITE void *site_reallocarray(void *p, size_t n, size_t size)
{
    return reallocarray(p, n, size);
}

SITE int site_posix_memalign(void **out, size_t align, size_t n)
{
    return posix_memalign(out, align, n);
}

SITE void *site_aligned_alloc(size_t align, size_t n)
{
    return aligned_alloc(align, n);
}

SITE void *site_memalign(size_t align, size_t n)
{
    return memalign(align, n);
}

SITE void *site_valloc(size_t n)
{
    return valloc(n);
}

SITE void *site_pvalloc(size_t n)
{
    return pvalloc(n);
}

FRAME char *call_strdup(const char *text)
{
    return strdup(text);
}

SITE char *site_strdup(const char *text)
{
    return call_strdup(text);
}

FRAME char *call_strndup(const char *text, size_t n)
{
    return strndup(text, n);
}

SITE char *site_strndup(const char *text, size_t n)
{
    return call_strndup(text, n);
}

FRAME int call_asprintf(char **out, const char *text, int n)
{
    return asprintf(out, "%s %d", text, n);
}

SITE int site_asprintf(char **out, const char *text, int n)
{
    return call_asprintf(out, text, n);
}

// realloc(p, 0) frees and returns NULL.
SITE void *site_realloc_zero(void *p)
{
    return realloc(p, 0);
}

SITE void *site_failed_malloc(size_t n)
{
    return malloc(n);
}

SITE void *site_failed_calloc(size_t n, size_t size)
{
    return calloc(n, size);
}

SITE void *site_failed_realloc(void *p, size_t n)
{
    return realloc(p, n);
}

SITE void *site_failed_reallocarray(void *p, size_t n, size_t size)
{
    return reallocarray(p, n, size);
}

SITE int site_failed_posix_memalign(void **out, size_t align, size_t n)
{
    return posix_memalign(out, align, n);
}

SITE void *site_failed_memalign(size_t align, size_t n)
{
    return memalign(align, n);
}

SITE void *site_child(size_t n)
{
    return malloc(n);
}

// A power of two, 8 to 4096, as posix_memalign requires. Up to 16, malloc gives the
// alignment anyway.
static size_t random_align(struct rng *r)
{
    return (size_t)8 << rng_below(r, 10);
}

// Writes a text of random length to the buffer.
static size_t random_text(struct rng *r, char *buf, size_t size)
{
    size_t n = (size_t)rng_below(r, size);

    memset(buf, 'x', n);
    buf[n] = 0;
    return n;
}

FRAME void release(struct slot *s)
{
    check_stamp(s->ptr, s->ptr, s->size);
    drop(s->site, s->size);
    called(1);
    free(s->ptr);
    s->ptr = NULL;
}

FRAME void child_allocates(struct rng *r)
{
    int i;

    for (i = 0; i < 32; i++)
        check(site_child((size_t)rng_below(r, 4096)) != NULL, "malloc in a child");
}

static void do_malloc(struct rng *r, struct slot *s)
{
    size_t n = random_size(r);

    called(1);
    fill(s, S_malloc, site_malloc(n), n, 0);
}

static void do_calloc(struct rng *r, struct slot *s)
{
    size_t size = 1 + (size_t)rng_below(r, 16), n = random_size(r) / size, i;
    char *p = site_calloc(n, size);

    called(1);
    for (i = 0; i < n * size && i < 64; i++)
        check(p[i] == 0, "calloc");
    fill(s, S_calloc, p, n * size, 0);
}

static void do_realloc_null(struct rng *r, struct slot *s)
{
    size_t n = random_size(r);

    called(1);
    fill(s, S_realloc_null, site_realloc_null(n), n, 0);
}

static void do_posix_memalign(struct rng *r, struct slot *s)
{
    size_t n = random_size(r);
    void *p = NULL;

    called(1);
    check(site_posix_memalign(&p, random_align(r), n) == 0, "posix_memalign");
    fill(s, S_posix_memalign, p, n, 0);
}

static void do_aligned_alloc(struct rng *r, struct slot *s)
{
    size_t n = random_size(r);

    called(1);
    fill(s, S_aligned_alloc, site_aligned_alloc(random_align(r), n), n, 0);
}

static void do_memalign(struct rng *r, struct slot *s)
{
    size_t n = random_size(r);

    called(1);
    fill(s, S_memalign, site_memalign((size_t)1 << rng_below(r, 13), n), n, 0);
}

static void do_valloc(struct rng *r, struct slot *s)
{
    size_t n = random_size(r);

    called(1);
    fill(s, S_valloc, site_valloc(n), n, 0);
}

static void do_pvalloc(struct rng *r, struct slot *s)
{
    size_t n = random_size(r);

    called(1);
    fill(s, S_pvalloc, site_pvalloc(n), n, 0);
}

static void do_strdup(struct rng *r, struct slot *s)
{
    char text[1024];
    size_t n = random_text(r, text, sizeof(text));

    called(1);
    fill(s, S_strdup, site_strdup(text), n + 1, 0);
}

static void do_strndup(struct rng *r, struct slot *s)
{
    char text[1024];
    size_t n = random_text(r, text, sizeof(text)), max = (size_t)rng_below(r, sizeof(text));

    called(1);
    fill(s, S_strndup, site_strndup(text, max), (n < max ? n : max) + 1, 0);
}

// glibc trims the result to its length plus 1, by realloc or by another malloc.
static void do_asprintf(struct rng *r, struct slot *s)
{
    char text[1024], *p = NULL;
    int n;

    random_text(r, text, sizeof(text));
    called(1);
    n = site_asprintf(&p, text, (int)rng_below(r, 100000));
    check(n > 0, "asprintf");
    fill(s, S_asprintf, p, (size_t)n + 1, 0);
}

static void do_free(struct rng *r, struct slot *s)
{
    (void)r;
    release(s);
}

// refill records that a realloc replaced the block of a full slot.
static void refill(struct slot *s, enum site site, void *p, size_t n, const void *old)
{
    check(p != NULL, "realloc failed");
    check_stamp(p, old, n < s->size ? n : s->size);
    drop(s->site, s->size);
    fill(s, site, p, n, 0);
}

static void do_realloc_grow(struct rng *r, struct slot *s)
{
    size_t n = s->size + 1 + random_size(r);
    void *old = s->ptr;

    if (n > 1024 * 1024) {
        release(s);
        return;
    }
    called(1);
    refill(s, S_realloc_grow, site_realloc_grow(old, n), n, old);
}

static void do_realloc_shrink(struct rng *r, struct slot *s)
{
    size_t n;
    void *old = s->ptr;

    if (s->size < 2) { // would be realloc(p, 0)
        release(s);
        return;
    }
    n = 1 + (size_t)rng_below(r, s->size - 1);
    called(1);
    refill(s, S_realloc_shrink, site_realloc_shrink(old, n), n, old);
}

static void do_reallocarray(struct rng *r, struct slot *s)
{
    size_t size = 1 + (size_t)rng_below(r, 16), n = 1 + random_size(r) / size;
    void *old = s->ptr;

    called(1);
    refill(s, S_reallocarray, site_reallocarray(old, n, size), n * size, old);
}

static void do_realloc_zero(struct rng *r, struct slot *s)
{
    (void)r;
    check_stamp(s->ptr, s->ptr, s->size);
    drop(s->site, s->size);
    called(1);
    check(site_realloc_zero(s->ptr) == NULL, "realloc to nothing");
    s->ptr = NULL;
}

// Calls that fail leave everything as it was, above all the slot's block, whose
// pointer is in the out-parameter.

static void do_failed_realloc(struct rng *r, struct slot *s)
{
    called(1);
    check(site_failed_realloc(s->ptr, too_big + (size_t)rng_below(r, 1024)) == NULL, "realloc of too much");
    check_stamp(s->ptr, s->ptr, s->size);
}

static void do_failed_reallocarray(struct rng *r, struct slot *s)
{
    called(1);
    check(site_failed_reallocarray(s->ptr, SIZE_MAX / 8, 16 + (size_t)rng_below(r, 16)) == NULL, "reallocarray overflow");
    check_stamp(s->ptr, s->ptr, s->size);
}

static void do_failed_posix_memalign(struct rng *r, struct slot *s)
{
    static const size_t bad[] = {0, 1, 4, 12, 24, 4095};
    void *p = s->ptr;

    called(2);
    check(site_failed_posix_memalign(&p, bad[rng_below(r, sizeof(bad) / sizeof(bad[0]))], 100) == EINVAL, "posix_memalign EINVAL");
    check(site_failed_posix_memalign(&p, 64, too_big) == ENOMEM, "posix_memalign ENOMEM");
    check(p == s->ptr, "posix_memalign changed its argument");
}

static void do_failed_malloc(struct rng *r, struct slot *s)
{
    (void)s;
    called(1);
    check(site_failed_malloc(too_big + (size_t)rng_below(r, 1024)) == NULL, "malloc of too much");
}

static void do_failed_calloc(struct rng *r, struct slot *s)
{
    (void)s;
    called(1);
    check(site_failed_calloc(SIZE_MAX / 8, 16 + (size_t)rng_below(r, 16)) == NULL, "calloc overflow");
}

static void do_failed_memalign(struct rng *r, struct slot *s)
{
    (void)s;
    called(1);
    check(site_failed_memalign(random_align(r), too_big) == NULL, "memalign of too much");
}

static void do_free_null(struct rng *r, struct slot *s)
{
    (void)r;
    (void)s;
    called(1);
    free(NULL);
}

const struct action actions[] = {
    {do_malloc, ON_EMPTY, 60, 0},
    {do_calloc, ON_EMPTY, 20, 0},
    {do_realloc_null, ON_EMPTY, 8, 0},
    {do_posix_memalign, ON_EMPTY, 8, 0},
    {do_aligned_alloc, ON_EMPTY, 8, 0},
    {do_memalign, ON_EMPTY, 8, 0},
    {do_valloc, ON_EMPTY, 3, 0},
    {do_pvalloc, ON_EMPTY, 3, 0},
    {do_strdup, ON_EMPTY, 10, 1},
    {do_strndup, ON_EMPTY, 8, 1},
    {do_asprintf, ON_EMPTY, 6, 1},
    {do_free, ON_FULL, 60, 0},
    {do_realloc_grow, ON_FULL, 14, 0},
    {do_realloc_shrink, ON_FULL, 14, 0},
    {do_reallocarray, ON_FULL, 8, 0},
    {do_realloc_zero, ON_FULL, 4, 0},
    {do_failed_realloc, ON_FULL, 2, 0},
    {do_failed_reallocarray, ON_FULL, 1, 0},
    {do_failed_posix_memalign, ON_FULL, 1, 0},
    {do_failed_malloc, ON_ANY, 1, 0},
    {do_failed_calloc, ON_ANY, 1, 0},
    {do_failed_memalign, ON_ANY, 1, 0},
    {do_free_null, ON_ANY, 3, 0},
};
const size_t action_count = sizeof(actions) / sizeof(actions[0]);

int main(int argc, char **argv)
{
    return run_engine(argc, argv);
}
