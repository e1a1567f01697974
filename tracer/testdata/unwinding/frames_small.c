// build: gcc -std=gnu11 -Os -Wall -Wextra -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables -no-pie -s -pthread
// SPDX-License-Identifier: Apache-2.0
//
// frames.c without call frame information and without symbols, for one address, with functions
// that are not aligned.

#include "frames.c"
