// SPDX-License-Identifier: Apache-2.0
//
// What the ground-truth programs in this directory share: the protocol, the ledger
// of what each call site still holds, and a random number generator. For C and
// C++.
//
// The protocol has lines from the program (stdout, left) and to it (stdin, right):
//
//     ready PID               the program has allocated nothing so far
//                     go      the tracer is attached, do the work
//     site NAME BYTES BLOCKS  what the function NAME still holds, zeros too
//     calls N                 allocation and free calls that the program made itself
//     done
//                     (any line, or end of file) _exit(0)
//
// A program that finds its own memory or ledger damaged writes "wrong ..." to
// stderr and ends with status 3.
//
// BYTES are requested bytes; for mappings they are rounded up to pages. The block
// that a realloc returns belongs to the caller of that realloc. "calls" counts the
// calls written in the program. libc adds its own (pthread_create, dlopen, asprintf,
// throw), so "calls" is a lower bound of what a tracer counts.
//
// A stack belongs to the site named by its innermost frame whose function starts
// with "site_". Stacks without such a frame (ld.so, thread creation) belong to no
// site and are not in the ledger.
//
// A site that reaches the allocator through a library function is a pair: site_x
// calls call_x, which calls the library. Debian's libraries keep no frame pointers.
// So a frame-pointer walk sees the return address in the library. Then, because rbp
// is still that of call_x, it sees the return address in site_x. It skips call_x.
// That holds only if the library has not used rbp as a general register by the time
// it calls the allocator. This is from the disassembly of Debian 12 (glibc 2.36,
// libstdc++ 12) for x86-64:
//
//     rbp untouched (walk finds site_x)     rbp clobbered (walk is garbage)
//     operator new, new[], nothrow forms    strdup       rbp = length + 1
//     (push rbx; call malloc)               strndup      rbp = the argument
//     __cxa_allocate_exception              vasprintf    rbp = result pointer
//     reallocarray, operator delete (jump)  getdelim     rbp = total length
//     mmap, munmap, mremap                  aligned new  rbp = rounded size
//                                           std::string  (out of line parts)
//
// --no-indirect leaves out the right-hand column, which needs unwinding by
// .eh_frame.
//
// Nothing here uses malloc or stdio: all bookkeeping is static.

#ifndef LEDGER_H
#define LEDGER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
#define LEDGER_C extern "C"
#else
#define LEDGER_C
#endif

// Makes a function keep a frame of its own under its own name: the compiler must not
// inline it or clone it (site_x.constprop.0).
#if defined(__has_attribute)
#if __has_attribute(noipa)
#define LEDGER_FRAME __attribute__((noinline, noipa))
#endif
#endif
#ifndef LEDGER_FRAME
#define LEDGER_FRAME __attribute__((noinline))
#endif
#define SITE LEDGER_C LEDGER_FRAME // not mangled, so that plain symbols are enough
#define FRAME static LEDGER_FRAME

// The program lists its sites as SITES(X) X(name) ... before including this.
enum site {
#define LEDGER_ENUM(name) S_##name,
    SITES(LEDGER_ENUM)
#undef LEDGER_ENUM
    SITE_COUNT
};

static const char *const site_names[] = {
#define LEDGER_NAME(name) "site_" #name,
    SITES(LEDGER_NAME)
#undef LEDGER_NAME
};

static long long held_bytes[SITE_COUNT];
static long long held_blocks[SITE_COUNT];
static unsigned long long calls_made;

static inline void hold(enum site s, size_t bytes)
{
    __atomic_fetch_add(&held_bytes[s], (long long)bytes, __ATOMIC_RELAXED);
    __atomic_fetch_add(&held_blocks[s], 1, __ATOMIC_RELAXED);
}

static inline void drop(enum site s, size_t bytes)
{
    __atomic_fetch_sub(&held_bytes[s], (long long)bytes, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&held_blocks[s], 1, __ATOMIC_RELAXED);
}

static inline void called(unsigned n)
{
    __atomic_fetch_add(&calls_made, n, __ATOMIC_RELAXED);
}

// Output is one write per text, because stdio's buffer would be a heap block.

struct text {
    char buf[512];
    size_t len;
};

static inline void put_str(struct text *t, const char *s)
{
    while (*s && t->len < sizeof(t->buf))
        t->buf[t->len++] = *s++;
}

static inline void put_num(struct text *t, long long v)
{
    char digits[24];
    int n = 0;
    unsigned long long u = v < 0 ? 0ULL - (unsigned long long)v : (unsigned long long)v;

    if (v < 0)
        put_str(t, "-");
    do
        digits[n++] = (char)('0' + u % 10);
    while ((u /= 10) != 0);
    while (n > 0 && t->len < sizeof(t->buf))
        t->buf[t->len++] = digits[--n];
}

static inline void put_out(int fd, const struct text *t)
{
    size_t at = 0;

    while (at < t->len) {
        ssize_t n = write(fd, t->buf + at, t->len - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(2);
        at += (size_t)n;
    }
}

// say writes "WORD N\n".
static inline void say(const char *word, long long n)
{
    struct text t = {{0}, 0};

    put_str(&t, word);
    put_str(&t, " ");
    put_num(&t, n);
    put_str(&t, "\n");
    put_out(STDOUT_FILENO, &t);
}

__attribute__((noreturn)) static inline void wrong(const char *what)
{
    struct text t = {{0}, 0};

    put_str(&t, "wrong ");
    put_str(&t, what);
    put_str(&t, "\n");
    put_out(STDERR_FILENO, &t);
    _exit(3);
}

static inline void check(int ok, const char *what)
{
    if (!ok)
        wrong(what);
}

// read_line takes one line without its newline; 0 at end of file.
static inline int read_line(char *buf, size_t size)
{
    size_t n = 0;
    char c;

    for (;;) {
        ssize_t r = read(STDIN_FILENO, &c, 1);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            buf[n] = 0;
            return n > 0;
        }
        if (c == '\n')
            break;
        if (n + 1 < size)
            buf[n++] = c;
    }
    buf[n] = 0;
    return 1;
}

static inline void ledger_ready(void)
{
    char line[64];

    say("ready", getpid());
    if (!read_line(line, sizeof(line)))
        _exit(2); // the test has gone
}

static inline void ledger_print(void)
{
    int i;

    for (i = 0; i < SITE_COUNT; i++) {
        struct text t = {{0}, 0};

        put_str(&t, "site ");
        put_str(&t, site_names[i]);
        put_str(&t, " ");
        put_num(&t, __atomic_load_n(&held_bytes[i], __ATOMIC_RELAXED));
        put_str(&t, " ");
        put_num(&t, __atomic_load_n(&held_blocks[i], __ATOMIC_RELAXED));
        put_str(&t, "\n");
        put_out(STDOUT_FILENO, &t);
    }
    say("calls", (long long)__atomic_load_n(&calls_made, __ATOMIC_RELAXED));
    {
        struct text t = {{0}, 0};
        put_str(&t, "done\n");
        put_out(STDOUT_FILENO, &t);
    }
}

static inline void ledger_wait(void)
{
    char line[64];

    (void)read_line(line, sizeof(line));
}

// ledger_finish prints the ledger, waits for the last line, and ends without
// running exit handlers, which might still allocate or free.
__attribute__((noreturn)) static inline void ledger_finish(void)
{
    ledger_print();
    ledger_wait();
    _exit(0);
}

// splitmix64, which is good enough and takes any seed.
struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

// rng_below returns 0..n-1; the bias does not matter here.
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_next(r) % n;
}

static inline unsigned long long number(const char *s)
{
    char *end;
    unsigned long long v = strtoull(s, &end, 10);

    check(end != s && *end == 0, "number on the command line");
    return v;
}

#endif
