// SPDX-License-Identifier: Apache-2.0
//
// Replaces blocks at random in a table of so many, in two threads. Prints "ready store". Each line that it
// is sent is answered with "done N", the blocks that were replaced.
//
// Usage: store BLOCKS

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct part {
    char **table;
    size_t blocks;
    _Atomic long long replaced;
    char apart[64]; // counters of two threads share no cache line
} parts[2];

static char *filled(uint64_t random)
{
    size_t n = 16 + random % 200;
    return memset(malloc(n), 1, n);
}

static void *work(void *arg)
{
    struct part *p = arg;
    for (uint64_t random = 88172645463325252u + (p - parts);; p->replaced++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        char **slot = &p->table[(random >> 20) % p->blocks];
        free(*slot);
        *slot = filled(random);
    }
    return arg;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    size_t blocks = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    for (struct part *p = parts; p < parts + 2; p++) {
        p->blocks = blocks / 2;
        p->table = malloc(p->blocks * sizeof *p->table);
        for (size_t i = 0; i < p->blocks; i++)
            p->table[i] = filled(i * 37);
        pthread_create(&(pthread_t){0}, NULL, work, p);
    }
    puts("ready store");
    char line[80];
    while (fgets(line, sizeof line, stdin))
        printf("done %lld\n", parts[0].replaced + parts[1].replaced);
    return 0;
}
