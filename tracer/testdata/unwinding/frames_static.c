// build: musl-gcc -std=gnu11 -O2 -Wall -Wextra -fomit-frame-pointer -static -fno-asynchronous-unwind-tables -fno-unwind-tables
// SPDX-License-Identifier: Apache-2.0
//
// frames.c with musl's libc, linked statically.

#include "frames.c"
