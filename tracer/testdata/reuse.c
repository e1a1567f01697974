// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// A call gives memory back, and another thread gets the same addresses before that
// call has returned. userfaultfd makes this happen each time: the kernel lets munmap
// and mremap return only when their userfaultfd event has been read. See ledger.h
// for the protocol.
//
// Usage: reuse munmap | mremap | free | realloc

#define SITES(X) X(before) X(moved) X(grown) X(after)
#include "ledger.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { ROUNDS = 13, RW = PROT_READ | PROT_WRITE, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

// A block of this many bytes gets a mapping of its own, of size bytes.
static const size_t block = 200003;
static size_t page, size;
static int events;

static int returned; // the call has returned
static char *given; // what the other thread gives back
static char *window; // where mremap moves it

SITE void *site_before(void *(*take)(void *))
{
    return take(NULL);
}

SITE void *site_after(void *(*take)(void *))
{
    return take(given);
}

// A walk by frame pointers skips the caller of mremap.
FRAME void *call_mremap(void *p)
{
    void *to = window;

    window += size;
    return mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
}

SITE void *site_moved(void *p)
{
    return call_mremap(p);
}

FRAME void *take_mapping(void *at)
{
    return mmap(at, size, RW, ANON, -1, 0);
}

FRAME void *take_block(void *at)
{
    (void)at; // malloc takes the highest free addresses, which are the same
    return malloc(block);
}

static void by_munmap(void *p)
{
    check(munmap(p, size) == 0, "munmap");
}

static void by_mremap(void *p)
{
    check(site_moved(p) != MAP_FAILED, "mremap");
}

static void by_free(void *p)
{
    free(p);
}

SITE void *site_grown(void *p)
{
    return realloc(p, 3 * block);
}

static void by_realloc(void *p)
{
    void *q = site_grown(p);

    check(q != NULL && q != p, "realloc moves");
}

// From now on a munmap or mremap of the mapping at p waits.
static void watch(char *p)
{
    struct uffdio_register r = {.mode = UFFDIO_REGISTER_MODE_MISSING};

    r.range.start = (uintptr_t)p & ~(page - 1);
    r.range.len = size;
    check(ioctl(events, UFFDIO_REGISTER, &r) == 0, "UFFDIO_REGISTER");
}

static void *giver_main(void *give)
{
    ((void (*)(void *))give)(given);
    __atomic_store_n(&returned, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void round_trip(void *(*take)(void *), void (*give)(void *), size_t n)
{
    struct pollfd ready = {.events = POLLIN};
    struct uffd_msg event;
    pthread_t t;

    returned = 0;
    given = site_before(take);
    check(given != NULL && given != MAP_FAILED, "memory");
    given[0] = given[size - page - 1] = 1;
    watch(given);
    check(pthread_create(&t, NULL, giver_main, (void *)give) == 0, "pthread_create");
    ready.fd = events;
    check(poll(&ready, 1, 10000) == 1 && ready.revents == POLLIN, "the call gets nowhere");
    check(site_after(take) == given, "the addresses are handed out again");
    hold(S_after, n);
    // An mremap has an event for the new range and one for the old.
    while (!__atomic_load_n(&returned, __ATOMIC_ACQUIRE))
        if (poll(&ready, 1, 1) == 1)
            check(read(events, &event, sizeof(event)) == sizeof(event), "read of an event");
    check(pthread_join(t, NULL) == 0, "pthread_join");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void *(*take)(void *);
        void (*give)(void *);
    } ways[] = {
        {"munmap", take_mapping, by_munmap},
        {"mremap", take_mapping, by_mremap},
        {"free", take_block, by_free},
        {"realloc", take_block, by_realloc},
    };
    struct uffdio_api api = {
        .api = UFFD_API, .features = UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMAP,
    };
    size_t i, n;

    page = (size_t)sysconf(_SC_PAGESIZE);
    size = (block + 16 + page - 1) & ~(page - 1);
    events = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    check(events >= 0 && ioctl(events, UFFDIO_API, &api) == 0, "userfaultfd");
    window = (char *)mmap(NULL, ROUNDS * size, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
    check((void *)window != MAP_FAILED, "window");
    check(mallopt(M_MMAP_THRESHOLD, 128 * 1024) == 1, "mallopt");
    ledger_ready();
    for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
        if (argc > 1 && strcmp(argv[1], ways[i].name) == 0)
            for (n = 0; n < ROUNDS; n++) {
                round_trip(ways[i].take, ways[i].give, i < 2 ? size : block);
                if (ways[i].give == by_mremap)
                    hold(S_moved, size);
                if (ways[i].give == by_realloc)
                    hold(S_grown, 3 * block);
            }
    ledger_finish();
}
