// A program's own pool, whose blocks never meet malloc one by one, and wrappers of malloc.
#include <stdlib.h>
#include <string.h>
#define FN __attribute__((noipa))
struct free_block { struct free_block *next; };
struct pool { long id; struct free_block *lists[40]; };
static struct pool pool;
static char *arena, *arena_end;

// The second argument is the size, in units of 16 bytes, and the third how many of these.
FN void *pool_get(struct pool *from, size_t units, size_t times) {
	size_t n = units * times, list = (n + 1) / 2;
	if (n == 0 || list >= 40)
		return 0;
	if (from->lists[list]) {
		struct free_block *b = from->lists[list];
		from->lists[list] = b->next;
		return b;
	}
	if (arena_end - arena < 2000) {
		arena = (char *)malloc(100000) + 32; // the pool's own, within a call
		arena_end = arena + 100000 - 32;
	}
	char *p = arena + 16;
	arena += 16 + list * 32;
	*(size_t *)(p - 16) = list;
	return p;
}
FN void pool_put(struct pool *to, void *p) {
	size_t list = *(size_t *)((char *)p - 16);
	((struct free_block *)p)->next = to->lists[list];
	to->lists[list] = p;
}
FN void *pool_resize(struct pool *in, void *p, size_t units) {
	void *q = pool_get(in, units, 1);
	if (q)
		pool_put(in, p);
	return q;
}

// Wrappers: what they return goes to free as it is, or to a free of their own.
FN void *own_malloc(size_t n) { return malloc(n); } // a jump
FN void *own_calloc(size_t n) { void *p = calloc(1, n + 1); return p; }
FN void *own_realloc(void *p, size_t n) { return realloc(p, n); }
FN void own_free(void *p) { free(p); } // a jump
FN void own_free_checked(void *p) { if (p) memset(p, 0, 1); free(p); __asm__(""); }

// A pool may take a call for nothing for a free, as realloc does, or refuse it, and memtrace takes it
// for a free.
#define UNITS (1 + n % 63)
#define ALLOCS(X) X(pool, 3 * UNITS, pool_get(&pool, UNITS, 3))
#define RESIZES(X) X(pool_resize, UNITS, pool_resize(&pool, p, UNITS))
#define FREES(X) X(pool_put(&pool, p))
#define OTHERS_ALLOCS(X)                                                                           \
	X(own_malloc, n, own_malloc(n))                                                            \
	X(own_calloc, n, own_calloc(n))                                                            \
	X(malloc, n, malloc(n))
#define OTHERS_RESIZES(X) X(own_realloc, n, own_realloc(p, n)) X(realloc, n, realloc(p, n))
#define OTHERS_FREES(X) X(free(p)) X(own_free(p)) X(own_free_checked(p))
#include "family.h"
