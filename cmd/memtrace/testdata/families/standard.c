// What every libc has.
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
static void *posix(size_t n) {
	void *p;
	return posix_memalign(&p, 64, n) ? 0 : p;
}
#define ALLOCS(X)                                                                                  \
	X(malloc, n, malloc(n))                                                                    \
	X(calloc, 3 * n, calloc(3, n))                                                             \
	X(realloc_null, n, realloc(0, n))                                                          \
	X(memalign, n, memalign(64, n))                                                            \
	X(aligned_alloc, n, aligned_alloc(32, n))                                                  \
	X(posix_memalign, n, posix(n))                                                             \
	X(reallocarray_null, 3 * n, reallocarray(0, 3, n))                                         \
	STRINGS(X)
#ifdef NO_STRINGS // musl's library has no tables for walking stacks through them
#define STRINGS(X)
#else
#define STRINGS(X)                                                                                 \
	X(strdup, strlen(t) + 1, strdup(t))                                                        \
	X(strndup, strnlen(t, n % 100) + 1, strndup(t, n % 100))
#endif
#define RESIZES(X)                                                                                 \
	X(realloc, n, realloc(p, n))                                                               \
	X(reallocarray, 5 * n, reallocarray(p, 5, n))
#define FREES(X) X(free(p))
#include "family.h"
