// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-builtin -fno-optimize-sibling-calls
// SPDX-License-Identifier: Apache-2.0
//
// Allocates from ever new call stacks, 20 calls deep. Each way through left and right is a
// stack of its own. It takes commands, one per line, and answers each with a line
// "held BYTES BLOCKS", which says what the program holds in all:
//
//     keep N      N new stacks keep a block of 16 bytes each
//     map N       N new stacks map a page each and keep it
//     free N      N new stacks allocate a block each and free it
//     again 0     site_again, beside the stacks above, allocates a block and frees it
//     again 1     site_again keeps a block, of 240 bytes
//
// With every thousand stacks that keep something, site_leak keeps 1,000 bytes more.

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum what { KEEP, MAP, FREE };

static unsigned long way; // each bit says left or right, from the outermost call on
static unsigned long bytes, blocks;
static enum what what;
static volatile int depth_reached;

static void hold(unsigned long n)
{
    bytes += n;
    blocks++;
}

static void leaf(void)
{
    void *p;

    if (what == MAP) {
        p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            _exit(3);
        hold(4096);
        return;
    }
    p = malloc(16);
    if (what == FREE)
        free(p);
    else
        hold(16);
}

static void left(int depth);

static __attribute__((noinline)) void right(int depth)
{
    if (depth == 0)
        leaf();
    else if (way >> (depth - 1) & 1)
        right(depth - 1);
    else
        left(depth - 1);
    depth_reached = depth;
}

static __attribute__((noinline)) void left(int depth)
{
    if (depth == 0)
        leaf();
    else if (way >> (depth - 1) & 1)
        right(depth - 1);
    else
        left(depth - 1);
    depth_reached = -depth;
}

static __attribute__((noinline)) void site_leak(void)
{
    if (what == FREE)
        return;
    if (!malloc(1000))
        _exit(3);
    hold(1000);
}

static __attribute__((noinline)) void call_again(int keep)
{
    void *p = malloc(240);

    if (keep)
        hold(240);
    else
        free(p);
}

static __attribute__((noinline)) void site_again(int keep)
{
    call_again(keep);
    depth_reached = 0;
}

static void say(const char *format, unsigned long a, unsigned long b)
{
    char line[100];
    int n = snprintf(line, sizeof(line), format, a, b);

    if (write(1, line, n) != n)
        _exit(4);
}

static int read_line(char *line, int size)
{
    int n = 0;

    while (n < size - 1 && read(0, line + n, 1) == 1 && line[n] != '\n')
        n++;
    line[n] = 0;
    return n;
}

int main(void)
{
    char line[100], command[100];
    unsigned long n, next = 0;

    say("ready %lu\n", getpid(), 0);
    while (read_line(line, sizeof(line)) > 0) {
        if (sscanf(line, "%99s %lu", command, &n) != 2)
            return 2;
        if (!strcmp(command, "again")) {
            site_again(n);
        } else {
            what = command[0] == 'k' ? KEEP : command[0] == 'm' ? MAP : FREE;
            for (unsigned long i = 0; i < n; i++) {
                if (i % 1000 == 0)
                    site_leak();
                way = next++;
                left(19);
            }
        }
        say("held %lu %lu\n", bytes, blocks);
    }
    return 0;
}
