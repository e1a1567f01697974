// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-builtin
// SPDX-License-Identifier: Apache-2.0
//
// For each line that it reads, it gets the same few addresses again and again, faster than
// a small ring buffer can take, and then keeps 5 blocks of 4001 bytes.

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *kept[5];

int main(void)
{
    char line[64];
    int i;

    printf("ready %d\n", getpid());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        for (i = 0; i < 300000; i++)
            free(malloc(100));
        usleep(100 * 1000);
        for (i = 0; i < 5; i++)
            kept[i] = malloc(4001);
        puts("done");
        fflush(stdout);
    }
    return 0;
}
