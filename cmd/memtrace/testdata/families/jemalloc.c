// jemalloc under the prefix P, beside libc's functions if TWO is defined.
#include <stddef.h>
#define GLUE2(a, b) a##b
#define GLUE(a, b) GLUE2(a, b)
#define J(name) GLUE(P, name)
void *J(malloc)(size_t), *J(calloc)(size_t, size_t), *J(realloc)(void *, size_t), *J(mallocx)(size_t, int);
void *J(rallocx)(void *, size_t, int), *J(memalign)(size_t, size_t), *J(aligned_alloc)(size_t, size_t);
int J(posix_memalign)(void **, size_t, size_t);
size_t J(xallocx)(void *, size_t, size_t, int), J(sallocx)(const void *, int);
void J(free)(void *), J(dallocx)(void *, int), J(sdallocx)(void *, size_t, int);

static void *posix(size_t n) {
	void *p;
	return J(posix_memalign)(&p, 64, n) ? 0 : p;
}
#define ALIGNED_16 4
#define ALLOCS(X)                                                                                  \
	X(je_malloc, n, J(malloc)(n))                                                              \
	X(je_calloc, 3 * n, J(calloc)(3, n))                                                       \
	X(je_realloc_null, n, J(realloc)(0, n))                                                    \
	X(je_memalign, n, J(memalign)(64, n))                                                      \
	X(je_aligned_alloc, n, J(aligned_alloc)(32, n))                                            \
	X(je_posix_memalign, n, posix(n))                                                          \
	X(je_mallocx, n, J(mallocx)(n, ALIGNED_16))
#define RESIZES(X)                                                                                 \
	X(je_realloc, n, J(realloc)(p, n))                                                         \
	X(je_rallocx, n, J(rallocx)(p, n, ALIGNED_16))                                             \
	X(je_xallocx, n, n < 1 << 20 && J(xallocx)(p, n, 0, 0) >= n ? p : 0)
#define FREES(X)                                                                                   \
	X(J(free)(p))                                                                              \
	X(J(dallocx)(p, 0))                                                                        \
	X(J(sdallocx)(p, J(sallocx)(p, 0), 0))
#ifdef TWO
#define OTHERS_ALLOCS(X) X(malloc, n, malloc(n)) X(calloc, 3 * n, calloc(3, n)) X(strdup, strlen(t) + 1, strdup(t))
#define OTHERS_RESIZES(X) X(realloc, n, realloc(p, n))
#define OTHERS_FREES(X) X(free(p))
#endif
#include "family.h"
