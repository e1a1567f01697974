// A program that makes random calls of all functions of an allocator, and keeps a ledger of what
// it holds. Before it includes this, a program lists
//
//	ALLOCS(X)   X(name, bytes, call): how to allocate; n is a size, t a text of some length
//	RESIZES(X)  X(name, bytes, call): how to resize p; NULL if it stays as it is
//	FREES(X)    X(call): how to free p
//
// Rows of OTHERS_ALLOCS, OTHERS_RESIZES and OTHERS_FREES are those of a second allocator.
#pragma once
#define _GNU_SOURCE
#include <stdlib.h>
#ifndef OTHERS_ALLOCS
#define OTHERS_ALLOCS(X)
#define OTHERS_RESIZES(X)
#define OTHERS_FREES(X)
#endif
#define ENUM_ROW(name, ...) S_##name,
#define TEXT_ROW(name, ...) "site_" #name,
#define EACH(X) ALLOCS(X) RESIZES(X) OTHERS_ALLOCS(X) OTHERS_RESIZES(X)
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
#define SITE extern "C" __attribute__((noipa))
#else
#define SITE __attribute__((noipa))
#endif

enum site { EACH(ENUM_ROW) SITE_COUNT };
static const char *const site_names[] = {EACH(TEXT_ROW) ""};

typedef void *allocate(size_t n, const char *t);
typedef void *resize(void *p, size_t n);
typedef void release(void *p);
static char letters[400];

// What a row asks for, and a function for each: one that is seen in stacks.
#define ALLOC_ROW(name, bytes, call)                                                               \
	static size_t asked_##name(size_t n, const char *t) { return (void)n, (void)t, bytes; }     \
	SITE void *site_##name(size_t n, const char *t) { (void)n, (void)t; void *volatile r = call; return r; }
#define RESIZE_ROW(name, bytes, call)                                                              \
	static size_t asked_##name(size_t n, const char *t) { return (void)t, bytes; }              \
	SITE void *site_##name(void *p, size_t n) { void *volatile r = call; return r; }
ALLOCS(ALLOC_ROW) RESIZES(RESIZE_ROW) OTHERS_ALLOCS(ALLOC_ROW) OTHERS_RESIZES(RESIZE_ROW)

struct row { enum site site; allocate *make; resize *change; size_t (*asked)(size_t, const char *); };
#define MAKE(name, ...) {S_##name, site_##name, 0, asked_##name},
#define CHANGE(name, ...) {S_##name, 0, site_##name, asked_##name},
static const struct row makers[] = {ALLOCS(MAKE)}, changers[] = {RESIZES(CHANGE)};
static const struct row other_makers[] = {OTHERS_ALLOCS(MAKE) {SITE_COUNT, 0, 0, 0}};
static const struct row other_changers[] = {OTHERS_RESIZES(CHANGE) {SITE_COUNT, 0, 0, 0}};
#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static uint64_t state;
static unsigned below(unsigned n) {
	uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (z ^ (z >> 31)) % n;
}

#define COUNT_ROW(call) + 1
#define CASE(call) if (which-- == 0) { call; return; }
static void let_go(void *p, int other) {
	unsigned which;
	if (other) {
		which = below(OTHERS_FREES(COUNT_ROW) + 0 ?: 1);
		OTHERS_FREES(CASE)
	} else {
		which = below(FREES(COUNT_ROW));
		FREES(CASE)
	}
}

static struct { void *p; size_t bytes; enum site site; int other; } slots[300];

int main(int argc, char **argv) {
	unsigned others = COUNT_OF(other_makers) - 1, other_changes = COUNT_OF(other_changers) - 1;
	char line[64];
	if (argc < 3)
		return 2;
	state = atoi(argv[1]);
	memset(letters, 'x', sizeof letters - 1);
	dprintf(1, "ready %d\n", getpid());
	if (read(0, line, sizeof line) <= 0)
		return 2;
	long calls = atol(argv[2]);
	for (long i = 0; i < calls; i++) {
		unsigned at = below(COUNT_OF(slots));
		// Mostly small sizes, and some that cannot be served.
		size_t n = 1 + below(64) * (below(16) ? 8 : 1000);
		const char *t = letters + below(sizeof letters);
		if (!below(100))
			n = (SIZE_MAX >> 2) - below(99);
		if (!slots[at].p) {
			slots[at].other = others && below(2);
			const struct row *r = slots[at].other ? &other_makers[below(others)] : &makers[below(COUNT_OF(makers))];
			if (!(slots[at].p = r->make(n, t)))
				continue;
			slots[at].bytes = r->asked(n, t);
			slots[at].site = r->site;
		} else if (COUNT_OF(changers) && below(2) && (!slots[at].other || other_changes)) {
			const struct row *r = slots[at].other ? &other_changers[below(other_changes)] : &changers[below(COUNT_OF(changers))];
			void *p = r->change(slots[at].p, n);
#ifdef GONE_ON_FAILURE
			if (!p && GONE_ON_FAILURE(r->site))
				slots[at].p = 0;
#endif
			if (!p)
				continue;
			slots[at].p = p;
			slots[at].bytes = r->asked(n, t);
			slots[at].site = r->site;
		} else {
			let_go(slots[at].p, slots[at].other);
			slots[at].p = 0;
		}
	}
	for (int s = 0; s < SITE_COUNT; s++) {
		size_t bytes = 0, blocks = 0;
		for (unsigned i = 0; i < COUNT_OF(slots); i++)
			if (slots[i].p && slots[i].site == (enum site)s)
				bytes += slots[i].bytes, blocks++;
		dprintf(1, "site %s %zu %zu\n", site_names[s], bytes, blocks);
	}
	dprintf(1, "calls %ld\ndone\n", calls);
	if (read(0, line, sizeof line) < 0)
		return 2;
	_exit(0);
}
