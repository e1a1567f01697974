// build: gcc -std=gnu11 -O1 -g -Wall -Wextra -fno-builtin -shared -fPIC
// SPDX-License-Identifier: Apache-2.0
//
// A library that allocates and never frees.

#include <stdlib.h>

void *kept_in_plugin;

void allocate_in_plugin(void)
{
    int i;

    for (i = 0; i < 7; i++)
        kept_in_plugin = malloc(1009);
}
