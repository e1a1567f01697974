// build: gcc -std=gnu11 -O2 -Wall -Wextra -fomit-frame-pointer -shared -fPIC
// SPDX-License-Identifier: Apache-2.0
//
// Another library for reload.c, whose frames are larger.

#define ROOM 72

#include "reload_a.c"
