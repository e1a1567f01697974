// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread -rdynamic -ldl
// SPDX-License-Identifier: Apache-2.0
//
// Does things that are hard to trace for a while, with checked blocks and a ledger:
//
//     storm MODE MILLISECONDS [LIBRARY]
//
// In mode "busy" it works until it is told to end, and answers each line "operations"
// with "operations N".

#define SITES(X) X(malloc) X(calloc) X(realloc) X(memalign) X(plugin) X(after)
#include "../../../testdata/ledger.h"
#include "checked.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>

static volatile int ended;
static uint64_t deadline;
static const char *library;
static struct block blocks[16][BLOCKS];

static int more(void)
{
    return !ended && now_ms() < deadline;
}

// ---- threads that do nothing else

static void *churn_main(void *number_)
{
    long n = (long)number_;
    struct rng r = {(uint64_t)n * 977 + 1};

    while (!ended) {
        int i;

        for (i = 0; i < 100; i++)
            churn_once(&r, blocks[n]);
        map_once(&r);
    }
    return NULL;
}

static void busy(void)
{
    enum { THREADS = 6 };
    pthread_t t[THREADS];
    char line[64];
    long i;

    for (i = 0; i < THREADS; i++)
        check(pthread_create(&t[i], NULL, churn_main, (void *)i) == 0, "pthread_create");
    say("busy", THREADS);
    while (read_line(line, sizeof(line)) && strcmp(line, "operations") == 0)
        say("operations", (long long)__atomic_load_n(&operations, __ATOMIC_RELAXED));
    ended = 1;
    for (i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
}

// ---- processes

extern char **environ;

static void child(struct block *b)
{
    struct rng r = {(uint64_t)getpid()};
    int i;

    for (i = 0; i < BLOCKS / 4; i++)
        if (b[i].p)
            release(&b[i]);
    for (i = 0; i < 50; i++)
        churn_once(&r, b);
    _exit(0);
}

static void fork_storm(void)
{
    struct rng r = {5};

    while (more()) {
        char *argv[] = {"true", NULL};
        pid_t pid;
        int status = 0, i;

        for (i = 0; i < 20; i++)
            churn_once(&r, blocks[0]);
        switch (rng_below(&r, 8)) {
        case 0:
            check(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0, "posix_spawn");
            break;
        case 1:
            pid = vfork();
            if (pid == 0)
                _exit(0);
            break;
        default:
            pid = fork();
            if (pid == 0)
                child(blocks[0]);
        }
        check(pid > 0, "fork");
        check(waitpid(pid, &status, 0) == pid && status == 0, "child");
        operated(1);
    }
}

// exec_storm executes itself again and again, and passes on deadline and operations.
static void exec_storm(int argc, char **argv)
{
    struct rng r = {(uint64_t)now_ms()};
    char until[32], done[32];
    char *next[] = {argv[0], argv[1], until, "-", done, NULL};
    int i;

    if (argc > 4) {
        deadline = number(argv[2]);
        operations = number(argv[4]);
    }
    for (i = 0; i < 200; i++)
        churn_once(&r, blocks[0]);
    usleep((useconds_t)rng_below(&r, 8000));
    if (more()) {
        snprintf(until, sizeof(until), "%llu", (unsigned long long)deadline);
        snprintf(done, sizeof(done), "%llu", operations);
        execv("/proc/self/exe", next);
        wrong("execv");
    }
}

// ---- threads that come and go

static void *short_main(void *number_)
{
    long n = (long)number_;
    struct rng r = {(uint64_t)n};
    struct block b = {0};
    int i;

    for (i = 0; i < 9; i++) {
        take(&r, &b, 500);
        if (i > 0) // the first block stays
            release(&b);
        b.p = NULL;
    }
    return NULL;
}

static void thread_storm(void)
{
    long n = 0;

    while (more()) {
        pthread_t t[8];
        int i;

        for (i = 0; i < 8; i++)
            check(pthread_create(&t[i], NULL, short_main, (void *)++n) == 0, "pthread_create");
        for (i = 0; i < 8; i++)
            pthread_join(t[i], NULL);
    }
}

// ---- libraries

static void dl_storm(void)
{
    long n = 0;

    while (more()) {
        void *handle = dlopen(library, RTLD_NOW);
        void *(*get)(size_t);
        struct block b = {NULL, 77, (uint64_t)n, S_plugin};

        check(handle != NULL, "dlopen");
        get = (void *(*)(size_t))dlsym(handle, "site_plugin");
        check(get != NULL, "dlsym");
        b.p = get(b.size);
        check(b.p != NULL, "malloc");
        hold(b.site, b.size);
        fill(&b);
        operated(1);
        if (++n % 3 != 0)
            release(&b);
        check(dlclose(handle) == 0, "dlclose");
    }
}

// ---- signals

static void tick(int us)
{
    struct itimerval it = {{0, us}, {0, us}};

    setitimer(ITIMER_REAL, &it, NULL);
}

// These small blocks come from the thread's cache, which large blocks do not use.
static void allocate_in_handler(int number_)
{
    void *p;

    (void)number_;
    p = malloc(24);
    check(p != NULL, "malloc");
    memset(p, 1, 24);
    free(p);
    operated(2);
}

static void on_signals(void *alternate)
{
    stack_t ss = {.ss_sp = alternate, .ss_size = 65536};
    void *warm[6];
    sigset_t set;
    struct block b = {NULL, 1 << 20, 11, S_malloc};
    long n = 0;
    int i;

    sigaltstack(&ss, NULL);
    for (i = 0; i < 6; i++)
        warm[i] = malloc(24);
    for (i = 0; i < 6; i++)
        free(warm[i]);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    while (more()) {
        b.p = site_malloc(b.size);
        check(b.p != NULL, "malloc");
        hold(b.site, b.size);
        fill(&b);
        if (++n % 1000 != 0)
            release(&b);
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *on_signals_main(void *alternate)
{
    on_signals(alternate);
    return NULL;
}

// signal_storm has a handler interrupt a thread inside malloc. The handler has a stack of
// its own, above or below the thread's.
static void signal_storm(int above)
{
    struct sigaction sa = {.sa_handler = allocate_in_handler, .sa_flags = SA_ONSTACK | SA_RESTART};
    char *room = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attr;
    pthread_t t;
    sigset_t set;

    check(room != MAP_FAILED, "mmap");
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    sigaction(SIGALRM, &sa, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_attr_init(&attr);
    pthread_attr_setstack(&attr, above ? room : room + (2 << 20), 1 << 20);
    check(pthread_create(&t, &attr, on_signals_main, above ? room + (2 << 20) : room) == 0, "pthread_create");
    tick(150);
    pthread_join(t, NULL);
    tick(0);
}

static sigjmp_buf out_of_malloc;
static volatile int jumps_allowed;

static void jump(int number_)
{
    (void)number_;
    if (jumps_allowed)
        siglongjmp(out_of_malloc, 1);
}

SITE void *site_after(size_t n)
{
    return malloc(n);
}

FRAME void deeper(int n)
{
    volatile char room[256];

    room[0] = (char)n;
    if (n > 0) {
        deeper(n - 1);
    } else {
        check(site_after(48) != NULL, "malloc");
        hold(S_after, 48);
        operated(1);
    }
    check(room[0] == (char)n, "stack");
}

// jump_storm leaves malloc by siglongjmp, and then leaks where the stack is deeper. It has
// one thread and must not jump while malloc holds a lock, which would stay held. The first
// call of a thread takes one, and so does a call that can map nothing more. A jump can leave
// a mapping behind, so there are fewer jumps than a process may have mappings.
static void jump_storm(void)
{
    struct sigaction sa = {.sa_handler = jump, .sa_flags = SA_NODEFER};
    volatile int jumps = 0;

    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    free(malloc(48));
    sigaction(SIGALRM, &sa, NULL);
    while (more() && jumps++ < 30000) {
        volatile int i;

        tick(300);
        if (sigsetjmp(out_of_malloc, 1) == 0) {
            for (;;) {
                jumps_allowed = 1;
                void *p = malloc(64 << 20);
                jumps_allowed = 0;
                free(p);
            }
        }
        jumps_allowed = 0;
        tick(0);
        for (i = 0; i < 100; i++)
            deeper(1 + i % 7);
    }
}

// ---- coroutines

enum { COROUTINES = 64 };
static ucontext_t scheduler, routine[COROUTINES];
static int running;

static void routine_main(void)
{
    struct rng r = {(uint64_t)running + 3};

    for (;;) {
        int me = running;

        churn_once(&r, blocks[me % 16]);
        swapcontext(&routine[me], &scheduler);
    }
}

static void coroutine_storm(void)
{
    struct rng r = {8};
    int i;

    for (i = 0; i < COROUTINES; i++) {
        getcontext(&routine[i]);
        routine[i].uc_stack.ss_size = 65536;
        routine[i].uc_stack.ss_sp = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        makecontext(&routine[i], routine_main, 0);
    }
    while (more()) {
        running = (int)rng_below(&r, COROUTINES);
        swapcontext(&scheduler, &routine[running]);
    }
}

// ---- deep stacks

FRAME void recurse(int n)
{
    volatile int held = n;

    if (n > 0) {
        recurse(n - 1);
    } else {
        check(site_after(33) != NULL, "malloc");
        hold(S_after, 33);
        operated(1);
    }
    held = 0;
    (void)held;
}

static void deep_storm(void)
{
    while (more())
        recurse(50000);
}

// ---- an address space that changes all the time

static void map_storm(void)
{
    struct rng r = {13};
    int fd = open("/proc/self/exe", O_RDONLY), i;
    char *code = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    check(fd >= 0 && code != MAP_FAILED, "mmap");
    for (i = 0; i < 3000; i++)
        check(mmap(NULL, 4096, i & 1 ? PROT_READ | PROT_EXEC : PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED, "mmap");
    while (more()) {
        check(mprotect(code, 4096, PROT_READ | PROT_WRITE) == 0, "mprotect");
        code[0] = (char)0xc3;
        check(mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0, "mprotect");
        for (i = 0; i < 10; i++)
            churn_once(&r, blocks[0]);
        map_once(&r);
        usleep(1000);
    }
}

int main(int argc, char **argv)
{
    const char *mode = argv[1];

    check(argc >= 3, "usage: storm MODE MILLISECONDS [LIBRARY]");
    library = argc > 3 ? argv[3] : NULL;
    if (argc <= 4) { // the first run, before any exec
        ledger_ready();
        deadline = now_ms() + number(argv[2]);
    }
    if (strcmp(mode, "busy") == 0)
        busy();
    else if (strcmp(mode, "fork") == 0)
        fork_storm();
    else if (strcmp(mode, "exec") == 0)
        exec_storm(argc, argv);
    else if (strcmp(mode, "threads") == 0)
        thread_storm();
    else if (strcmp(mode, "dlopen") == 0)
        dl_storm();
    else if (strcmp(mode, "signals-below") == 0)
        signal_storm(0);
    else if (strcmp(mode, "signals-above") == 0)
        signal_storm(1);
    else if (strcmp(mode, "jumps") == 0)
        jump_storm();
    else if (strcmp(mode, "coroutines") == 0)
        coroutine_storm();
    else if (strcmp(mode, "deep") == 0)
        deep_storm();
    else if (strcmp(mode, "maps") == 0)
        map_storm();
    else
        wrong("mode");
    say("operations", (long long)operations);
    ledger_finish();
}
