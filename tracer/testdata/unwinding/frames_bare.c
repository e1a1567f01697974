// build: gcc -std=gnu11 -O2 -Wall -Wextra -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables -s -pthread
// SPDX-License-Identifier: Apache-2.0
//
// frames.c without call frame information and without symbols.

#include "frames.c"
