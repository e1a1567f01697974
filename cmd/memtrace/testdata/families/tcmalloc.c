// tcmalloc's own names, some of which are others of malloc and free.
#include <stddef.h>
void *tc_malloc(size_t), *tc_calloc(size_t, size_t), *tc_realloc(void *, size_t), *tc_memalign(size_t, size_t);
void *tc_new_nothrow(size_t, void *), *tc_newarray_nothrow(size_t, void *), *tc_new(size_t), *tc_newarray(size_t);
void *tc_malloc_skip_new_handler(size_t), *tc_valloc(size_t);
int tc_posix_memalign(void **, size_t, size_t);
void tc_free(void *), tc_cfree(void *), tc_delete(void *), tc_deletearray(void *), tc_delete_nothrow(void *, void *);
void tc_free_sized(void *, size_t), tc_delete_sized(void *, size_t);
size_t tc_malloc_size(void *);

static void *posix(size_t n) {
	void *p;
	return tc_posix_memalign(&p, 64, n) ? 0 : p;
}
#define SMALL(n) (n > 1 << 20 ? 8 : n) // it would throw
#define ALLOCS(X)                                                                                  \
	X(malloc, n, malloc(n))                                                                    \
	X(tc_malloc, n, tc_malloc(n))                                                              \
	X(tc_malloc_skip_new_handler, n, tc_malloc_skip_new_handler(n))                            \
	X(tc_calloc, 3 * n, tc_calloc(3, n))                                                       \
	X(tc_memalign, n, tc_memalign(64, n))                                                      \
	X(tc_posix_memalign, n, posix(n))                                                          \
	X(tc_valloc, n, tc_valloc(n))                                                              \
	X(tc_new_nothrow, n, tc_new_nothrow(n, 0))                                                 \
	X(tc_newarray_nothrow, n, tc_newarray_nothrow(n, 0))                                       \
	X(tc_new, SMALL(n), tc_new(SMALL(n)))                                                      \
	X(tc_newarray, SMALL(n), tc_newarray(SMALL(n)))                                            \
	X(strdup, strlen(t) + 1, strdup(t))
#define RESIZES(X) X(tc_realloc, n, tc_realloc(p, n)) X(realloc, n, realloc(p, n))
#define FREES(X)                                                                                   \
	X(free(p))                                                                                 \
	X(tc_free(p))                                                                              \
	X(tc_cfree(p))                                                                             \
	X(tc_delete(p))                                                                            \
	X(tc_deletearray(p))                                                                       \
	X(tc_delete_nothrow(p, 0))                                                                 \
	X(tc_free_sized(p, tc_malloc_size(p)))                                                     \
	X(tc_delete_sized(p, tc_malloc_size(p)))
#include "family.h"
