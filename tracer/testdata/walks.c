// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread
// SPDX-License-Identifier: Apache-2.0
//
// Stacks with frames that are easily taken for frames of the neighbouring function.
// See ledger.h for the protocol.
//
// Usage: walks noreturn | fault | alike
//
//     noreturn  calls at the very end of a function: the return address is the
//               start of another function
//     fault     a signal at the very start of a function: one byte before it is
//               another function. The function keeps no frame pointer.
//     alike     the same call with the same stack pointer, from different callers:
//               only a frame pointer differs, or a return address further up

#define SITES(X) X(last) X(outer) X(fault) X(around) X(one) X(two) X(three) X(four) X(five) X(six)
#include "ledger.h"

#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

enum { TIMES = 17 };

static jmp_buf back;

__attribute__((noreturn)) FRAME void take(size_t n)
{
    check(malloc(n) != NULL, "malloc");
    longjmp(back, 1);
}

// Nothing follows the call, so its return address is in the next function.
SITE __attribute__((noreturn)) void site_last(size_t n)
{
    take(n);
}

SITE int after_last(void)
{
    return 0;
}

SITE __attribute__((noreturn)) void call_last(size_t n)
{
    take(n);
}

SITE int after_call_last(void)
{
    return 0;
}

SITE void site_outer(size_t n)
{
    call_last(n);
}

static void noreturn(void)
{
    volatile int i;

    for (i = 0; i < TIMES; i++) {
        if (setjmp(back) == 0)
            site_last(401);
        hold(S_last, 401);
        if (setjmp(back) == 0)
            site_outer(403);
        hold(S_outer, 403);
        check(after_last() == 0 && after_call_last() == 0, "functions");
    }
    called(2 * TIMES);
}

#if defined(__x86_64__)
// Makes a function that faults at its first instruction. The function before it has a
// larger frame.
#define FAULTING(name) \
    __asm__(".text\n" \
            ".type before_" #name ", @function\n" \
            "before_" #name ":\n" \
            ".cfi_startproc\n" \
            "sub $40, %rsp\n" \
            ".cfi_def_cfa_offset 48\n" \
            "nop\n" \
            ".cfi_endproc\n" \
            ".size before_" #name ", . - before_" #name "\n" \
            ".globl " #name "\n" \
            ".type " #name ", @function\n" \
            #name ":\n" \
            ".cfi_startproc\n" \
            "ud2\n" \
            "ret\n" \
            ".cfi_endproc\n" \
            ".size " #name ", . - " #name "\n"); \
    void name(void);
FAULTING(site_fault)
FAULTING(call_fault)

SITE void site_around(void)
{
    call_fault();
    __asm__ volatile(""); // keeps the frame until here
}

static volatile size_t wanted;

static void on_ill(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    check(malloc(wanted) != NULL, "malloc");
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void fault(void)
{
    struct sigaction action;
    int i;

    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_ill;
    action.sa_flags = SA_SIGINFO;
    check(sigaction(SIGILL, &action, NULL) == 0, "sigaction");
    for (i = 0; i < TIMES; i++) {
        wanted = 407;
        site_fault();
        hold(S_fault, 407);
        wanted = 409;
        site_around();
        hold(S_around, 409);
    }
    called(2 * TIMES);
}
#else
static void fault(void)
{
    wrong("architecture");
}
#endif

// ROOM makes the frame this many bytes larger.
#define ROOM(bytes) __asm__ volatile("" : : "r"(alloca(bytes)) : "memory")

static uintptr_t stack_pointer;

FRAME void leaf(size_t n)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    check(stack_pointer == 0 || stack_pointer == here, "stacks are not alike");
    stack_pointer = here;
    check(malloc(n) != NULL, "malloc");
}

// When it calls malloc, its frame pointer is in the register.
FRAME void roomy(size_t room, size_t n)
{
    ROOM(room);
    check(malloc(n) != NULL, "malloc");
    __asm__ volatile("");
}

// When malloc is called, leaf has saved this function's frame pointer.
FRAME void roomy_inside(size_t room, size_t n)
{
    ROOM(room);
    leaf(n);
    __asm__ volatile("");
}

// Each site takes a different part of 128 bytes, and what it calls takes the rest.
SITE void site_one(size_t n)
{
    ROOM(32);
    roomy(96, n);
    __asm__ volatile("");
}

SITE void site_two(size_t n)
{
    ROOM(96);
    roomy(32, n);
    __asm__ volatile("");
}

SITE void site_three(size_t n)
{
    ROOM(64);
    roomy(64, n);
    __asm__ volatile("");
}

SITE void site_four(size_t n)
{
    ROOM(64);
    roomy(64, n);
    __asm__ volatile("");
}

SITE void site_five(size_t n)
{
    ROOM(32);
    roomy_inside(96, n);
    __asm__ volatile("");
}

SITE void site_six(size_t n)
{
    ROOM(96);
    roomy_inside(32, n);
    __asm__ volatile("");
}

static const struct {
    void (*call)(size_t);
    enum site site;
    size_t size;
} ways[] = {
    {site_one, S_one, 411}, {site_two, S_two, 413}, {site_three, S_three, 417},
    {site_four, S_four, 419}, {site_five, S_five, 421}, {site_six, S_six, 431},
};

static void alike(void)
{
    struct rng r = {7};
    int i;

    for (i = 0; i < 1000; i++) {
        size_t way = rng_below(&r, sizeof(ways) / sizeof(ways[0]));

        ways[way].call(ways[way].size);
        hold(ways[way].site, ways[way].size);
    }
    called(1000);
}

int main(int argc, char **argv)
{
    ledger_ready();
    if (argc > 1 && strcmp(argv[1], "noreturn") == 0)
        noreturn();
    else if (argc > 1 && strcmp(argv[1], "fault") == 0)
        fault();
    else if (argc > 1 && strcmp(argv[1], "alike") == 0)
        alike();
    else
        wrong("scenario");
    ledger_finish();
}
