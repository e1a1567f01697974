// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Mappings taken directly from the kernel, cut, moved, grown, overlaid, and
// calls that fail. See ledger.h for the protocol. Bytes are rounded up to
// pages. Blocks are the pieces that are left: a mapping with a hole in it is two.
// Two calls give two blocks even if the kernel merges them into one line of
// /proc/PID/maps.
//
// What mremap moves or grows was mapped by the same site function, so it does
// not matter which of the two stacks is charged.

#define SITES(X) \
    X(whole) X(freed) X(head) X(middle) X(tail) X(nibbled) \
    X(under_none) X(overlay_none) X(under_file) X(overlay_file) X(replaced) X(replacing) \
    X(grown) X(moved) X(moved_fixed) X(shrunk) X(moved_middle) X(duplicated) X(kept_old) \
    X(first) X(second) X(third) X(hole) X(file) X(failed) X(noreplace) X(odd)
#include "ledger.h"

#include <fcntl.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum { RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

static size_t page;

// A window of address space, reserved before the tracer attaches, in which the
// program chooses the addresses of mappings.
static char *window;
enum { WINDOW_PAGES = 4096 };

FRAME void *call_mmap(void *at, size_t n, int prot, int flags, int fd)
{
    called(1);
    return mmap(at, n, prot, flags, fd, 0);
}

FRAME void *call_mremap(void *p, size_t from, size_t to, int flags, void *at)
{
    called(1);
    return mremap(p, from, to, flags, at);
}

// Unmapping belongs to no site.
FRAME int call_munmap(void *p, size_t n)
{
    called(1);
    return munmap(p, n);
}

// A site that only maps, at the given place or anywhere.
#define MAPPER(name) \
    SITE char *site_##name(void *at, size_t n, int prot, int flags, int fd) \
    { \
        void *p = call_mmap(at, n, prot, flags, fd); \
        check(p != MAP_FAILED, "mmap in " #name); \
        return (char *)p; \
    }
MAPPER(whole)
MAPPER(freed)
MAPPER(head)
MAPPER(middle)
MAPPER(tail)
MAPPER(nibbled)
MAPPER(under_none)
MAPPER(overlay_none)
MAPPER(under_file)
MAPPER(overlay_file)
MAPPER(replaced)
MAPPER(replacing)
MAPPER(first)
MAPPER(second)
MAPPER(third)
MAPPER(hole)
MAPPER(file)
MAPPER(noreplace)
MAPPER(odd)

static void unmap(void *p, size_t n)
{
    check(call_munmap(p, n) == 0, "munmap");
}

static void hold_pieces(enum site s, long long n, size_t bytes)
{
    held_blocks[s] += n;
    held_bytes[s] += (long long)bytes;
}

// Grows in place, which it can because the window follows it: the next page is
// free.
SITE void site_grown(void)
{
    char *at = window + 1000 * page;
    char *p = (char *)call_mmap(at, 3 * page, RW, ANON | MAP_FIXED, -1);

    check(p == at, "mmap in grown");
    unmap(at + 3 * page, 10 * page);
    check(call_mremap(p, 3 * page, 9 * page, 0, NULL) == p, "mremap in grown");
    hold_pieces(S_grown, 1, 9 * page);
}

// Something is in the way, so the mapping moves. What is in the way stays.
SITE void site_moved(void)
{
    char *at = window + 1100 * page;
    char *p = (char *)call_mmap(at, 4 * page, RW, ANON | MAP_FIXED, -1), *q;

    check(p == at, "mmap in moved");
    p[0] = 'm';
    check(call_mmap(at + 4 * page, 2 * page, PROT_READ, ANON | MAP_FIXED, -1) == at + 4 * page, "mmap in moved");
    q = (char *)call_mremap(p, 4 * page, 300 * page, MREMAP_MAYMOVE, NULL);
    check(q != MAP_FAILED && q != p && q[0] == 'm', "mremap in moved");
    hold_pieces(S_moved, 2, 302 * page);
}

// Moves onto another mapping of the same site, whose first pages it replaces.
SITE void site_moved_fixed(void)
{
    char *from = window + 1200 * page, *to = window + 1210 * page;

    check(call_mmap(from, 5 * page, RW, ANON | MAP_FIXED, -1) == from, "mmap in moved_fixed");
    check(call_mmap(to, 7 * page, RW, ANON | MAP_FIXED, -1) == to, "mmap in moved_fixed");
    check(call_mremap(from, 5 * page, 5 * page, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to, "mremap in moved_fixed");
    hold_pieces(S_moved_fixed, 2, 7 * page); // 5 pages moved, 2 left of the other
}

SITE void site_shrunk(void)
{
    char *p = (char *)call_mmap(NULL, 50 * page, RW, ANON, -1);

    check(p != MAP_FAILED, "mmap in shrunk");
    check(call_mremap(p, 50 * page, 13 * page, 0, NULL) == p, "mremap in shrunk");
    hold_pieces(S_shrunk, 1, 13 * page);
}

// The middle of a mapping moves away and grows as it moves.
SITE void site_moved_middle(void)
{
    char *p = (char *)call_mmap(NULL, 30 * page, RW, ANON, -1), *q;

    check(p != MAP_FAILED, "mmap in moved_middle");
    q = (char *)call_mremap(p + 10 * page, 5 * page, 8 * page, MREMAP_MAYMOVE, NULL);
    check(q != MAP_FAILED && q != p + 10 * page, "mremap in moved_middle");
    hold_pieces(S_moved_middle, 3, (10 + 15 + 8) * page);
}

// An old size of 0 maps shared memory a second time and unmaps nothing.
SITE void site_duplicated(void)
{
    char *p = (char *)call_mmap(NULL, 6 * page, RW, MAP_SHARED | MAP_ANONYMOUS, -1), *q;

    check(p != MAP_FAILED, "mmap in duplicated");
    q = (char *)call_mremap(p, 0, 6 * page, MREMAP_MAYMOVE, NULL);
    check(q != MAP_FAILED && q != p, "mremap in duplicated");
    p[1] = 'd';
    check(q[1] == 'd', "shared memory in duplicated");
    hold_pieces(S_duplicated, 2, 12 * page);
}

// The pages move and the old mapping stays behind, empty. Needs Linux 5.7.
SITE void site_kept_old(void)
{
    char *p = (char *)call_mmap(NULL, 11 * page, RW, ANON, -1), *q;

    check(p != MAP_FAILED, "mmap in kept_old");
    q = (char *)call_mremap(p, 11 * page, 11 * page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    if (q == MAP_FAILED)
        hold_pieces(S_kept_old, 1, 11 * page);
    else
        hold_pieces(S_kept_old, 2, 22 * page);
}

// None of these calls succeeds, so nothing may change. The victim is site_whole's.
SITE void site_failed(char *victim)
{
    check(call_munmap(victim + 1, page) == -1 && errno == EINVAL, "munmap of half a page");
    check(call_munmap(victim, 0) == -1 && errno == EINVAL, "munmap of nothing");
    check(call_mmap(NULL, 0, RW, ANON, -1) == MAP_FAILED && errno == EINVAL, "mmap of nothing");
    check(call_mmap(NULL, (size_t)1 << 62, RW, ANON, -1) == MAP_FAILED && errno == ENOMEM, "mmap of too much");
    check(call_mmap(victim, page, RW, MAP_PRIVATE | MAP_FIXED, -1) == MAP_FAILED && errno == EBADF, "mmap without a file");
    check(call_mmap(victim + 1, page, RW, ANON | MAP_FIXED, -1) == MAP_FAILED && errno == EINVAL, "mmap at half a page");
    check(call_mremap(victim + 1, page, 2 * page, MREMAP_MAYMOVE, NULL) == MAP_FAILED && errno == EINVAL, "mremap of half a page");
    check(call_mremap(victim, page, 0, 0, NULL) == MAP_FAILED && errno == EINVAL, "mremap to nothing");
    check(call_mremap(victim, 2 * page, 20 * page, 0, NULL) == MAP_FAILED && errno == ENOMEM, "mremap with no room");
}

static void cut(void)
{
    char *p;

    p = site_whole(NULL, 21 * page, RW, ANON, -1);
    hold_pieces(S_whole, 1, 21 * page);
    site_failed(p);

    p = site_freed(NULL, 22 * page, RW, ANON, -1);
    unmap(p, 22 * page);

    p = site_head(NULL, 23 * page, RW, ANON, -1);
    unmap(p, 3 * page);
    hold_pieces(S_head, 1, 20 * page);

    p = site_middle(NULL, 24 * page, RW, ANON, -1);
    unmap(p + 10 * page, 5 * page);
    hold_pieces(S_middle, 2, 19 * page);

    p = site_tail(NULL, 25 * page, RW, ANON, -1);
    unmap(p + 18 * page, 7 * page);
    hold_pieces(S_tail, 1, 18 * page);

    // Unmaps every other page of 16, then the same pages again: there is nothing
    // left to unmap, which is no error.
    p = site_nibbled(NULL, 16 * page, RW, ANON, -1);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 16; i += 2)
            unmap(p + (size_t)i * page, page);
    hold_pieces(S_nibbled, 8, 8 * page);

    // Sizes that are no multiple of the page size: the kernel rounds both up.
    p = site_odd(NULL, 5 * page + 1, RW, ANON, -1);
    unmap(p, page + 1);
    hold_pieces(S_odd, 1, 4 * page);
}

static void overlay(int fd)
{
    char *p, *at;

    p = site_under_none(NULL, 40 * page, RW, ANON, -1);
    site_overlay_none(p + 8 * page, 16 * page, PROT_NONE, ANON | MAP_FIXED | MAP_NORESERVE, -1);
    hold_pieces(S_under_none, 2, 24 * page);
    hold_pieces(S_overlay_none, 1, 16 * page);

    p = site_under_file(NULL, 20 * page, RW, ANON, -1);
    site_overlay_file(p, 1 * page, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd);
    hold_pieces(S_under_file, 1, 19 * page);
    hold_pieces(S_overlay_file, 1, page);

    // Same place, same size: the old one is gone altogether.
    p = site_replaced(NULL, 9 * page, RW, ANON, -1);
    site_replacing(p, 9 * page, RW, ANON | MAP_FIXED, -1);
    hold_pieces(S_replacing, 1, 9 * page);

    site_file(NULL, 2 * page, PROT_READ, MAP_PRIVATE, fd);
    hold_pieces(S_file, 1, 2 * page);

    // The range is taken, so the call fails, and what is there must stay.
    at = site_noreplace(NULL, 6 * page, RW, ANON, -1);
    hold_pieces(S_noreplace, 1, 6 * page);
#ifdef MAP_FIXED_NOREPLACE
    {
        void *q = call_mmap(at, 6 * page, RW, ANON | MAP_FIXED_NOREPLACE, -1);

        // Before Linux 4.17 the flag is unknown and the address is only a hint.
        if (q != MAP_FAILED)
            unmap(q, 6 * page);
    }
#else
    (void)at;
#endif
}

// One munmap across three mappings and a hole.
static void span(void)
{
    char *at = window + 2000 * page;

    site_first(at, 4 * page, RW, ANON | MAP_FIXED, -1);
    site_second(at + 4 * page, 4 * page, RW, ANON | MAP_FIXED, -1);
    unmap(at + 8 * page, 4 * page);
    site_third(at + 12 * page, 4 * page, RW, ANON | MAP_FIXED, -1);
    unmap(at + 1 * page, 13 * page);
    hold_pieces(S_first, 1, 1 * page);
    hold_pieces(S_third, 1, 2 * page);

    // Another site maps memory into a hole, then all but the last page is unmapped.
    site_hole(at + 100 * page, 8 * page, RW, ANON | MAP_FIXED, -1);
    unmap(at + 102 * page, 2 * page);
    site_second(at + 102 * page, 2 * page, RW, ANON | MAP_FIXED, -1);
    unmap(at + 100 * page, 7 * page);
    hold_pieces(S_hole, 1, 1 * page);
}

int main(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    page = (size_t)sysconf(_SC_PAGESIZE);
    check(fd >= 0, "open");
    window = (char *)mmap(NULL, WINDOW_PAGES * page, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    check((void *)window != MAP_FAILED, "window");
    ledger_ready();
    cut();
    overlay(fd);
    site_grown();
    site_moved();
    site_moved_fixed();
    site_shrunk();
    site_moved_middle();
    site_duplicated();
    site_kept_old();
    span();
    ledger_finish();
}
