// build: g++ -std=gnu++17 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin
// SPDX-License-Identifier: Apache-2.0
//
// Throws exceptions past allocations, and out of operator new itself:
//
//     throws MILLISECONDS

#define SITES(X) X(new)
#include "../../../testdata/ledger.h"

#include <new>
#include <stdexcept>
#include <string>
#include <time.h>

static uint64_t now_ms()
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

SITE char *site_new(size_t n)
{
    return new char[n];
}

__attribute__((noinline)) static void recurse(int depth)
{
    std::string held(60 + depth % 10, 'x');

    if (depth == 0)
        throw std::runtime_error(std::string(100, 'e'));
    recurse(depth - 1);
    check(held[7] == 'x', "string");
}

int main(int argc, char **argv)
{
    check(argc == 2, "usage: throws MILLISECONDS");
    ledger_ready();
    uint64_t deadline = now_ms() + number(argv[1]);
    long long rounds = 0, caught = 0;
    while (now_ms() < deadline) {
        try {
            recurse((int)(rounds % 30));
        } catch (const std::runtime_error &e) {
            check(e.what()[99] == 'e', "exception");
            caught++;
        }
        char *p = site_new(77);
        if (rounds++ % 3 != 0)
            delete[] p;
        else
            hold(S_new, 77);
        try {
            volatile size_t much = (size_t)1 << 60;
            char *none = site_new(much);
            none[0] = 1;
        } catch (const std::bad_alloc &) {
            caught++;
        }
    }
    check(caught == 2 * rounds, "exceptions");
    say("operations", 4 * rounds);
    ledger_finish();
}
