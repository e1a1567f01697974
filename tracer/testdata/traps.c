// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread -Wl,--no-as-needed -ldl
// SPDX-License-Identifier: Apache-2.0
//
// Small scenarios, each for one thing that is easy to get wrong. See ledger.h for the
// protocol. The ledger lists the sites of all scenarios.
//
// Usage: traps SCENARIO [ARGUMENT], where SCENARIO is one of
//
//     nesting              calls that reach other allocation calls inside glibc
//     failed-realloc       realloc that fails leaves the old block
//     posix-memalign-einval  failing calls whose out-parameter shows a live block
//     calloc-overflow      products that do not fit
//     thread-dies          threads that end by exit(2) and by pthread_cancel
//     thread-killed        threads that end inside malloc, which never returns
//     thread-jumps         threads that jump out of malloc, which never returns
//     thread-exit-tcache   thread exit frees chunks that were freed before
//     address-reuse        one thread gets the address that another is freeing
//     fork-child           a child allocates, and frees what it inherited
//     free-null            free(NULL) and friends
//     zero-size            blocks of 0 bytes are blocks
//     aliases              other names of the same functions
//     evicted              a vfork child frees a block, whose address comes again
//     vfork-exec           children that share the address space until exec
//     dlopen [LIBRARY]     a library that comes late and allocates
//     dlclose [LIBRARY]    the same, gone again while its blocks are held
//     signal [CALLS]       a signal handler interrupts again and again
//     deep                 a stack of 60 frames
//     usr1                 a block for each SIGUSR1, allocated in the handler
//
// LIBRARY is plugin.c built as a shared object, by default plugin.so beside
// this program.

#define SITES(X) \
    X(realloc_null) X(memalign_small) X(reallocarray) X(wrapped) X(mremapped) X(realloc_memalign) \
    X(kept) X(failed) X(calloc) X(exiting) X(cancelled) X(victim) X(survivor) X(reborn) X(tcache) \
    X(heap_a) X(heap_b) X(mmap_a) X(mmap_b) X(child) X(null) X(zero_malloc) X(zero_calloc) X(zero_realloc) \
    X(zero_memalign) X(libc_malloc) X(libc_calloc) X(libc_realloc) X(libc_memalign) X(aligned_alloc) \
    X(memalign) X(vfork) X(plugin) X(signal) X(deep) X(handler)
#include "ledger.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

// These are volatile so that the compiler does not know their values.
static volatile size_t too_big = (size_t)PTRDIFF_MAX + 1;
static void *volatile null;

static const char *argument;

// A site that mallocs.
#define MALLOC_SITE(name) \
    SITE void *site_##name(size_t n) \
    { \
        void *p = malloc(n); \
        check(p != NULL, "malloc in " #name); \
        called(1); \
        hold(S_##name, n); \
        return p; \
    }
MALLOC_SITE(kept)
MALLOC_SITE(exiting)
MALLOC_SITE(cancelled)
MALLOC_SITE(survivor)
MALLOC_SITE(reborn)
MALLOC_SITE(tcache)
MALLOC_SITE(heap_a)
MALLOC_SITE(heap_b)
MALLOC_SITE(mmap_a)
MALLOC_SITE(mmap_b)
MALLOC_SITE(child)
MALLOC_SITE(zero_malloc)
MALLOC_SITE(vfork)
MALLOC_SITE(signal)

static void give_back(enum site s, void *p, size_t n)
{
    drop(s, n);
    called(1);
    free(p);
}

static pthread_t start(void *(*f)(void *), void *arg)
{
    pthread_t t;

    check(pthread_create(&t, NULL, f, arg) == 0, "pthread_create");
    return t;
}

static void join(pthread_t t)
{
    check(pthread_join(t, NULL) == 0, "pthread_join");
}

static void wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        check(errno == EINTR, "waitpid");
    check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status of a child");
}

// ---- nesting

SITE void *site_realloc_null(size_t n)
{
    void *p = realloc(null, n);

    check(p != NULL, "realloc");
    called(1);
    hold(S_realloc_null, n);
    return p;
}

// For alignments that malloc gives anyway, memalign calls malloc.
SITE void *site_memalign_small(size_t align, size_t n)
{
    void *p = NULL;

    check(posix_memalign(&p, align, n) == 0, "posix_memalign");
    called(1);
    hold(S_memalign_small, n);
    return p;
}

SITE void *site_reallocarray(void *p, size_t n, size_t size)
{
    p = reallocarray(p, n, size);
    check(p != NULL, "reallocarray");
    called(1);
    hold(S_reallocarray, n * size);
    return p;
}

// As in operator new, the allocation function is one frame further in.
FRAME void *call_wrapped(size_t n)
{
    return malloc(n ? n : 1);
}

SITE void *site_wrapped(size_t n)
{
    void *p = call_wrapped(n);

    check(p != NULL, "malloc");
    called(1);
    hold(S_wrapped, n);
    return p;
}

// An mmapped chunk that grows and shrinks stays mmapped: realloc calls mremap.
SITE void *site_mremapped(size_t n)
{
    void *p = malloc(400000);

    p = realloc(p, 4000000);
    p = realloc(p, n);
    check(p != NULL, "realloc");
    called(3);
    hold(S_mremapped, n);
    return p;
}

// realloc of an aligned block calls malloc, copies and calls free.
SITE void *site_realloc_memalign(size_t n)
{
    void *p = memalign(4096, 3000);

    check(p != NULL, "memalign");
    p = realloc(p, n);
    check(p != NULL, "realloc");
    called(2);
    hold(S_realloc_memalign, n);
    return p;
}

static void nesting(void)
{
    void *p;
    int i;

    for (i = 0; i < 11; i++) {
        site_realloc_null(101);
        site_memalign_small(8, 103);
        site_memalign_small(16, 105);
        site_reallocarray(NULL, 7, 13);
        site_wrapped(107);
        site_realloc_memalign(70000);
    }
    for (i = 0; i < 3; i++)
        site_mremapped(500003);

    p = site_kept(1001);
    drop(S_kept, 1001);
    site_reallocarray(p, 100, 100);

    p = site_kept(1003); // realloc(p, 0) reaches free
    drop(S_kept, 1003);
    called(1);
    check(realloc(p, too_big - too_big) == NULL, "realloc to nothing");
    site_kept(1005);
}

// ---- failing calls

SITE void site_failed(void *victim)
{
    static const size_t bad[] = {0, 1, 2, 4, 12, 24, 4095};
    void *p = victim;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        check(posix_memalign(&p, bad[i], 100) == EINVAL, "posix_memalign EINVAL");
    check(posix_memalign(&p, 64, too_big) == ENOMEM, "posix_memalign ENOMEM");
    check(p == victim, "posix_memalign changed its argument");
    check(realloc(victim, too_big) == NULL && errno == ENOMEM, "realloc of too much");
    check(reallocarray(victim, too_big, 4) == NULL && errno == ENOMEM, "reallocarray overflow");
    check(malloc(too_big) == NULL, "malloc of too much");
    check(memalign(64, too_big) == NULL, "memalign of too much");
    check(aligned_alloc(64, too_big) == NULL, "aligned_alloc of too much");
    check(valloc(too_big) == NULL, "valloc of too much");
    check(pvalloc(too_big) == NULL, "pvalloc of too much");
    called((unsigned)i + 8);
}

static void failed_realloc(void)
{
    char *p;
    int i;

    for (i = 0; i < 23; i++) {
        p = site_kept(500 + (size_t)i);
        memset(p, i, 500);
        called(1);
        check(realloc(p, too_big) == NULL, "realloc of too much");
        check(p[0] == i && p[499] == i, "block after a failed realloc");
        if (i % 4 == 0) // the block is still there and can be freed
            give_back(S_kept, p, 500 + (size_t)i);
    }
    p = site_kept(300000); // an mmapped block
    called(1);
    check(realloc(p, too_big) == NULL, "realloc of too much");
}

static void posix_memalign_einval(void)
{
    int i;

    for (i = 0; i < 5; i++)
        site_failed(site_kept(777));
}

SITE void *site_calloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    called(1);
    if (p != NULL)
        hold(S_calloc, n * size);
    return p;
}

static void calloc_overflow(void)
{
    // The products are 0 and 16 when cut to 64 bits.
    check(site_calloc((size_t)1 << 32, (size_t)1 << 32) == NULL, "calloc overflow");
    check(site_calloc(((size_t)1 << 60) + 1, 16) == NULL, "calloc overflow");
    check(site_calloc(SIZE_MAX, SIZE_MAX) == NULL, "calloc overflow");
    check(site_calloc(7, 11) != NULL, "calloc");
    check(site_calloc(1, 300000) != NULL, "calloc");
    check(site_calloc(300000, 1) != NULL, "calloc");
}

// ---- threads that die

// Ends without any cleanup by the library.
static void *exiting_main(void *arg)
{
    void *p;

    (void)arg;
    site_exiting(1009);
    p = site_exiting(2003);
    give_back(S_exiting, p, 2003);
    syscall(SYS_exit, 0);
    return NULL;
}

static void *cancelled_main(void *arg)
{
    void *p;

    (void)arg;
    site_cancelled(1013);
    p = site_cancelled(64);
    give_back(S_cancelled, p, 64);
    for (;;)
        pause();
    return NULL;
}

static void thread_dies(void)
{
    int i;

    for (i = 0; i < 12; i++) {
        pthread_t t = start(exiting_main, NULL);
        pthread_t u = start(cancelled_main, NULL);

        join(t);
        check(pthread_cancel(u) == 0, "pthread_cancel");
        join(u);
        site_survivor(501);
    }
}

// A victim allocates and frees one small block of its thread cache, which takes no
// lock, until the handler finds it inside malloc and ends it there.
static uintptr_t malloc_from, malloc_to;
static volatile int killed;

SITE void *site_victim(size_t n)
{
    return malloc(n);
}

static void *victim_main(void *arg)
{
    (void)arg;
    while (!killed)
        free(site_victim(96));
    return NULL;
}

static uintptr_t interrupted_at(void *context)
{
#if defined(__x86_64__)
    return (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)((ucontext_t *)context)->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

static void on_usr2(int sig, siginfo_t *info, void *context)
{
    uintptr_t pc = interrupted_at(context);

    (void)sig;
    (void)info;
    // Not at malloc's first instructions: the call must have been seen to begin.
    if (pc >= malloc_from && pc < malloc_to) {
        killed = 1;
        syscall(SYS_exit, 0);
    }
}

// The address behind malloc's probed instruction, its first push. Where the trap takes
// longest, a signal comes right behind it. Without a push, an address some way in.
static uintptr_t behind_probe(const unsigned char *code)
{
#if defined(__x86_64__)
    static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    enum { BREAKPOINT = 0xcc, PREFIX = 0x41, PUSH = 0x50 };
    const unsigned char *at = code;

    // The probe's breakpoint has replaced the first byte of an instruction.
    if (memcmp(at + 1, endbr64 + 1, 3) == 0)
        at += sizeof(endbr64);
    if (*at == PREFIX || *at == BREAKPOINT)
        at++;
    if ((*at & 0xf8) == PUSH)
        return (uintptr_t)(at + 1);
#endif
    return (uintptr_t)code + 16;
}

// Finds where malloc ends, from its symbol, and where it has passed the probe.
static void find_malloc(void)
{
    Dl_info info;
    void *extra = NULL;

    check(dladdr1((void *)malloc, &info, &extra, RTLD_DL_SYMENT) != 0 && extra != NULL, "dladdr");
    malloc_from = behind_probe(info.dli_saddr);
    malloc_to = (uintptr_t)info.dli_saddr + ((const ElfW(Sym) *)extra)->st_size;
}

static void interrupt_malloc(void (*handler)(int, siginfo_t *, void *), void *(*victim)(void *))
{
    struct sigaction action;
    int i, tries;

    find_malloc();
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO;
    check(sigaction(SIGUSR2, &action, NULL) == 0, "sigaction");
    for (i = 0; i < 12; i++) {
        pthread_t t;

        killed = 0;
        t = start(victim, NULL);
        for (tries = 0; !killed && tries < 100000; tries++) {
            pthread_kill(t, SIGUSR2);
            usleep(50);
        }
        check(killed, "no thread was inside malloc");
        join(t);
        site_survivor(503);
    }
}

static void thread_killed(void)
{
    interrupt_malloc(on_usr2, victim_main);
}

// This victim jumps out of malloc and goes on from a frame further out.
static sigjmp_buf landing;

static void on_usr2_jump(int sig, siginfo_t *info, void *context)
{
    uintptr_t pc = interrupted_at(context);

    (void)sig;
    (void)info;
    if (!killed && pc >= malloc_from && pc < malloc_to) {
        killed = 1;
        siglongjmp(landing, 1);
    }
}

FRAME void churn(void)
{
    char room[512]; // puts malloc's frame below those of later calls

    __asm__ volatile("" : : "r"(room) : "memory");
    for (;;)
        free(site_victim(96));
}

static void *jumper_main(void *arg)
{
    (void)arg;
    if (sigsetjmp(landing, 1) == 0)
        churn();
    site_reborn(507);
    return NULL;
}

static void thread_jumps(void)
{
    interrupt_malloc(on_usr2_jump, jumper_main);
}

// The thread cache takes seven chunks of a size. Thread exit frees them again.
static void *tcache_main(void *arg)
{
    void *p[8];
    size_t size;
    int i;

    (void)arg;
    for (size = 24; size <= 1032; size += 48) {
        for (i = 0; i < 8; i++)
            p[i] = site_tcache(size);
        for (i = 0; i < 7; i++)
            give_back(S_tcache, p[i], size);
    }
    return NULL;
}

static void thread_exit_tcache(void)
{
    int i;

    for (i = 0; i < 10; i++) {
        pthread_t t = start(tcache_main, NULL);

        site_survivor(505);
        join(t);
        site_survivor(507);
    }
}

// ---- address reuse

// One thread frees what it finds here, while the other allocates the same size. The
// chunks are too large for the thread cache. So the address comes back before the
// call that freed it has returned.
static struct {
    void *volatile ptr;
    volatile enum site site;
    volatile size_t size;
    volatile int end;
} table;

static void *freer_main(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&table.end, __ATOMIC_ACQUIRE)) {
        void *p = __atomic_load_n(&table.ptr, __ATOMIC_ACQUIRE);

        if (p == NULL) {
            sched_yield();
            continue;
        }
        give_back(table.site, p, table.size);
        __atomic_store_n(&table.ptr, NULL, __ATOMIC_RELEASE);
    }
    return NULL;
}

// The two sites take turns, so a block charged to the wrong site shows.
static void ping_pong(enum site a, void *(*alloc_a)(size_t), enum site b, void *(*alloc_b)(size_t), size_t size, int rounds)
{
    void *held = alloc_a(size);
    int i;

    for (i = 0; i < rounds; i++) {
        int odd = i % 2;

        table.site = odd ? b : a;
        table.size = size;
        __atomic_store_n(&table.ptr, held, __ATOMIC_RELEASE);
        held = odd ? alloc_a(size) : alloc_b(size);
        while (__atomic_load_n(&table.ptr, __ATOMIC_ACQUIRE) != NULL)
            sched_yield();
    }
}

static void address_reuse(void)
{
    pthread_t t;

    // Fixes the threshold, which freed mappings would raise.
    check(mallopt(M_MMAP_THRESHOLD, 128 * 1024) == 1, "mallopt");
    t = start(freer_main, NULL);
    ping_pong(S_heap_a, site_heap_a, S_heap_b, site_heap_b, 5003, 20001);
    ping_pong(S_mmap_a, site_mmap_a, S_mmap_b, site_mmap_b, 200003, 20002);
    __atomic_store_n(&table.end, 1, __ATOMIC_RELEASE);
    join(t);
}

// ---- children

static void fork_child(void)
{
    void *p[40];
    int i, round;

    for (i = 0; i < 40; i++)
        p[i] = site_kept(1000 + (size_t)i);
    for (round = 0; round < 5; round++) {
        pid_t pid = fork();

        check(pid >= 0, "fork");
        if (pid == 0) {
            for (i = 0; i < 40; i++)
                give_back(S_kept, p[i], 1000 + (size_t)i);
            for (i = 0; i < 100; i++)
                site_child(1000 + (size_t)i); // at addresses the parent holds
            _exit(0);
        }
        wait_for(pid);
        site_survivor(509);
    }
    for (i = 0; i < 40; i += 5)
        give_back(S_kept, p[i], 1000 + (size_t)i);
}

// Has a frame of its own, because the child shares it.
FRAME pid_t vfork_free(void *p)
{
    pid_t pid = vfork();

    if (pid == 0) {
        free(p);
        _exit(0);
    }
    return pid;
}

// The child shares the memory but is not traced, so its free is not seen.
static void evicted(void)
{
    int i;

    for (i = 0; i < 7; i++) {
        void *p = site_kept(1013);
        pid_t pid = vfork_free(p);

        check(pid > 0, "vfork");
        wait_for(pid);
        drop(S_kept, 1013);
        check(site_reborn(1013) == p, "the block comes again");
    }
}

static char *const true_argv[] = {(char *)"true", NULL};
static char *const true_env[] = {NULL};

// Has a frame of its own, because the child shares it until it executes.
FRAME pid_t vfork_true(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        execve("/bin/true", true_argv, true_env);
        _exit(127);
    }
    return pid;
}

static void vfork_exec(void)
{
    int i;

    for (i = 0; i < 7; i++) {
        void *p = site_vfork(3001);
        pid_t pid = vfork_true();

        check(pid > 0, "vfork");
        wait_for(pid);
        if (i % 2)
            give_back(S_vfork, p, 3001);
        check(posix_spawn(&pid, "/bin/true", NULL, NULL, true_argv, true_env) == 0, "posix_spawn");
        wait_for(pid);
        site_vfork(3003);
    }
}

// ---- small things

SITE void site_null(void)
{
    void *p;
    int i;

    for (i = 0; i < 1000; i++)
        free(null);
    p = realloc(null, 10);
    check(p != NULL, "realloc");
    free(p);
    called(1002);
}

static void free_null(void)
{
    site_kept(33);
    site_null();
}

SITE void *site_zero_calloc(size_t n, size_t size)
{
    void *p = calloc(n, size);

    check(p != NULL, "calloc");
    called(1);
    hold(S_zero_calloc, 0);
    return p;
}

SITE void *site_zero_realloc(void)
{
    void *p = realloc(null, too_big - too_big);

    check(p != NULL, "realloc");
    called(1);
    hold(S_zero_realloc, 0);
    return p;
}

SITE void *site_zero_memalign(size_t align)
{
    void *p = NULL;

    check(posix_memalign(&p, align, 0) == 0 && p != NULL, "posix_memalign");
    called(1);
    hold(S_zero_memalign, 0);
    return p;
}

static void zero_size(void)
{
    int i;

    for (i = 0; i < 9; i++) {
        give_back(S_zero_malloc, site_zero_malloc(0), 0);
        site_zero_malloc(0);
        site_zero_calloc(0, 8);
        site_zero_calloc(8, 0);
        site_zero_realloc();
        site_zero_memalign(8);
        site_zero_memalign(256);
    }
}

// ---- aliases

static void *symbol(const char *name)
{
    void *p = dlsym(RTLD_DEFAULT, name);

#ifdef __x86_64__
    if (p == NULL) // kept for old programs only
        p = dlvsym(RTLD_DEFAULT, name, "GLIBC_2.2.5");
#endif
    return p;
}

typedef void *malloc_fn(size_t);
typedef void *calloc_fn(size_t, size_t);
typedef void *realloc_fn(void *, size_t);
typedef void *memalign_fn(size_t, size_t);
typedef void free_fn(void *);

SITE void *site_libc_malloc(malloc_fn *f, size_t n)
{
    return f(n);
}

SITE void *site_libc_calloc(calloc_fn *f, size_t n)
{
    return f(n, 1);
}

SITE void *site_libc_realloc(realloc_fn *f, size_t n)
{
    return f(NULL, n);
}

SITE void *site_libc_memalign(memalign_fn *f, size_t n)
{
    return f(64, n);
}

SITE void *site_aligned_alloc(size_t align, size_t n)
{
    return aligned_alloc(align, n);
}

SITE void *site_memalign(size_t align, size_t n)
{
    return memalign(align, n);
}

static void *got(enum site s, void *p, size_t n)
{
    check(p != NULL, "allocation by another name");
    called(1);
    hold(s, n);
    return p;
}

static void release_by(free_fn *f, enum site s, void *p, size_t n)
{
    drop(s, n);
    called(1);
    f(p);
}

static void aliases(void)
{
    malloc_fn *libc_malloc = (malloc_fn *)symbol("__libc_malloc");
    calloc_fn *libc_calloc = (calloc_fn *)symbol("__libc_calloc");
    realloc_fn *libc_realloc = (realloc_fn *)symbol("__libc_realloc");
    memalign_fn *libc_memalign = (memalign_fn *)symbol("__libc_memalign");
    free_fn *frees[3] = {free, (free_fn *)symbol("__libc_free"), (free_fn *)symbol("cfree")};
    int i;

    for (i = 0; i < 12; i++) {
        free_fn *f = frees[i % 3] != NULL ? frees[i % 3] : free;
        void *p = got(S_aligned_alloc, site_aligned_alloc(64, 640), 640);

        release_by(f, S_aligned_alloc, p, 640);
        got(S_aligned_alloc, site_aligned_alloc(4096, 4096), 4096);
        p = got(S_memalign, site_memalign(32, 321), 321);
        release_by(f, S_memalign, p, 321);
        got(S_memalign, site_memalign(8, 323), 323);
        if (libc_malloc != NULL) {
            p = got(S_libc_malloc, site_libc_malloc(libc_malloc, 111), 111);
            release_by(f, S_libc_malloc, p, 111);
            got(S_libc_malloc, site_libc_malloc(libc_malloc, 113), 113);
        }
        if (libc_calloc != NULL)
            got(S_libc_calloc, site_libc_calloc(libc_calloc, 117), 117);
        if (libc_realloc != NULL)
            got(S_libc_realloc, site_libc_realloc(libc_realloc, 119), 119);
        if (libc_memalign != NULL)
            got(S_libc_memalign, site_libc_memalign(libc_memalign, 121), 121);
    }
}

// ---- libraries

static void *open_plugin(malloc_fn **f)
{
    static char path[4096];
    void *lib;

    if (argument != NULL) {
        check(strlen(argument) < sizeof(path), "path");
        strcpy(path, argument);
    } else {
        ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
        char *slash;

        check(n > 0, "readlink");
        path[n] = 0;
        slash = strrchr(path, '/');
        check(slash != NULL, "path");
        strcpy(slash + 1, "plugin.so");
    }
    lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    check(lib != NULL, "dlopen of plugin.so");
    *f = (malloc_fn *)dlsym(lib, "site_plugin");
    check(*f != NULL, "dlsym");
    return lib;
}

static void *use_plugin(int blocks)
{
    malloc_fn *site_plugin;
    void *lib = open_plugin(&site_plugin);
    int i;

    for (i = 0; i < blocks; i++) {
        void *p = got(S_plugin, site_plugin(707), 707);

        if (i % 3 == 0)
            give_back(S_plugin, p, 707);
    }
    return lib;
}

static void do_dlopen(void)
{
    void *other = dlopen("libresolv.so.2", RTLD_NOW | RTLD_LOCAL);

    use_plugin(20);
    if (other != NULL)
        dlclose(other);
    site_kept(709);
}

static void do_dlclose(void)
{
    void *lib = use_plugin(20);

    // The tracer reads a module from outside, a moment after it is mapped.
    usleep(200 * 1000);
    check(dlclose(lib) == 0, "dlclose");
    site_kept(709);
}

// ---- signals

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
    (void)sig;
    alarms++;
}

// There is one alarm at a time, set only after a round has ended. If a machine takes
// longer to handle an alarm than the alarms are apart, the loop would stand still.
static void do_signal(void)
{
    struct sigaction action;
    struct itimerval once = {{0, 0}, {0, 200}};
    int i, rung = 0, calls = argument == NULL ? 200000 : atoi(argument);

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_alarm;
    action.sa_flags = SA_RESTART;
    check(sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
    check(setitimer(ITIMER_REAL, &once, NULL) == 0, "setitimer");
    for (i = 0; i < calls || alarms < 100; i++) {
        void *p = site_signal(128 + (size_t)i % 64);

        if (i % 1000 != 999)
            give_back(S_signal, p, 128 + (size_t)i % 64);
        if (alarms != rung) {
            rung = alarms;
            check(setitimer(ITIMER_REAL, &once, NULL) == 0, "setitimer");
        }
    }
    memset(&once, 0, sizeof(once));
    check(setitimer(ITIMER_REAL, &once, NULL) == 0, "setitimer");
}

// POSIX forbids malloc here, but programs do it. It is harmless while main is not in
// malloc. The stack passes through the signal frame.
SITE void *site_handler(size_t n)
{
    return malloc(n);
}

static volatile sig_atomic_t handled;

static void on_usr1(int sig)
{
    (void)sig;
    got(S_handler, site_handler(211), 211);
    handled++;
}

static void usr1(void)
{
    struct sigaction action;
    int i;

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_usr1;
    check(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
    for (i = 0; i < 14; i++)
        check(kill(getpid(), SIGUSR1) == 0, "kill"); // delivered before it returns
    check(handled == 14, "signals");
}

// ---- depth

SITE void *site_deep(size_t n)
{
    return malloc(n);
}

FRAME void descend(int depth)
{
    if (depth > 1)
        descend(depth - 1);
    else
        got(S_deep, site_deep(601), 601);
    __asm__ volatile(""); // keeps the frame until here
}

static void deep(void)
{
    int i;

    for (i = 0; i < 8; i++)
        descend(60);
}

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"nesting", nesting},
    {"failed-realloc", failed_realloc},
    {"posix-memalign-einval", posix_memalign_einval},
    {"calloc-overflow", calloc_overflow},
    {"thread-dies", thread_dies},
    {"thread-killed", thread_killed},
    {"thread-jumps", thread_jumps},
    {"thread-exit-tcache", thread_exit_tcache},
    {"address-reuse", address_reuse},
    {"fork-child", fork_child},
    {"free-null", free_null},
    {"zero-size", zero_size},
    {"aliases", aliases},
    {"evicted", evicted},
    {"vfork-exec", vfork_exec},
    {"dlopen", do_dlopen},
    {"dlclose", do_dlclose},
    {"signal", do_signal},
    {"deep", deep},
    {"usr1", usr1},
};

int main(int argc, char **argv)
{
    size_t i;

    if (argc > 2)
        argument = argv[2];
    for (i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
        if (argc > 1 && strcmp(argv[1], scenarios[i].name) == 0) {
            ledger_ready();
            scenarios[i].run();
            ledger_finish();
        }
    wrong("scenario");
}
