// mimalloc's own names, and those that it replaces.
#include <stdlib.h>
#include <string.h>
#define HEAP mi_heap_get_default()
#define SMALL(n) (n > 1 << 20 ? 8 : n) // it would throw
void *mi_aligned_alloc(size_t, size_t), *mi_aligned_recalloc(void *, size_t, size_t, size_t);
void *mi_calloc(size_t, size_t), *mi_calloc_aligned(size_t, size_t, size_t);
void *mi_calloc_aligned_at(size_t, size_t, size_t, size_t), *mi_expand(void *, size_t);
void *mi_heap_alloc_new(void *, size_t), *mi_heap_alloc_new_n(void *, size_t, size_t);
void *mi_heap_calloc(void *, size_t, size_t), *mi_heap_calloc_aligned(void *, size_t, size_t, size_t);
void *mi_heap_get_default(void), *mi_heap_malloc(void *, size_t);
void *mi_heap_malloc_aligned(void *, size_t, size_t), *mi_heap_malloc_small(void *, size_t);
void *mi_heap_mallocn(void *, size_t, size_t), *mi_heap_realloc(void *, void *, size_t);
void *mi_heap_realloc_aligned(void *, void *, size_t, size_t), *mi_heap_reallocf(void *, void *, size_t);
void *mi_heap_reallocn(void *, void *, size_t, size_t), *mi_heap_realpath(void *, const void *, void *);
void *mi_heap_recalloc(void *, void *, size_t, size_t);
void *mi_heap_recalloc_aligned(void *, void *, size_t, size_t, size_t);
void *mi_heap_rezalloc(void *, void *, size_t), *mi_heap_strdup(void *, const void *);
void *mi_heap_strndup(void *, const void *, size_t), *mi_heap_zalloc(void *, size_t), *mi_malloc(size_t);
void *mi_malloc_aligned(size_t, size_t), *mi_malloc_aligned_at(size_t, size_t, size_t);
void *mi_malloc_small(size_t), *mi_mallocn(size_t, size_t), *mi_mbsdup(const void *);
void *mi_memalign(size_t, size_t), *mi_new(size_t), *mi_new_aligned(size_t, size_t);
void *mi_new_aligned_nothrow(size_t, size_t), *mi_new_n(size_t, size_t), *mi_new_nothrow(size_t);
void *mi_new_realloc(void *, size_t), *mi_new_reallocn(void *, size_t, size_t), *mi_realloc(void *, size_t);
void *mi_realloc_aligned(void *, size_t, size_t), *mi_reallocarray(void *, size_t, size_t);
void *mi_reallocf(void *, size_t), *mi_reallocn(void *, size_t, size_t), *mi_realpath(const void *, void *);
void *mi_recalloc(void *, size_t, size_t), *mi_recalloc_aligned(void *, size_t, size_t, size_t);
void *mi_rezalloc(void *, size_t), *mi_rezalloc_aligned(void *, size_t, size_t), *mi_strdup(const void *);
void *mi_strndup(const void *, size_t), *mi_valloc(size_t), *mi_wcsdup(const unsigned short *);
void *mi_zalloc(size_t), *mi_zalloc_aligned(size_t, size_t), *mi_zalloc_aligned_at(size_t, size_t, size_t);
void *mi_zalloc_small(size_t);
void mi_cfree(void *), mi_free(void *), mi_free_aligned(void *, size_t), mi_free_size(void *, size_t);
void mi_free_size_aligned(void *, size_t, size_t);
int mi_reallocarr(void *, size_t, size_t), mi_dupenv_s(void *, void *, const void *), mi_posix_memalign(void *, size_t, size_t);
size_t mi_usable_size(const void *);
void *reallocf(void *, size_t);
int reallocarr(void *, size_t, size_t);

static void *posix(size_t n) {
	void *p;
	return mi_posix_memalign(&p, 64, n) ? 0 : p;
}
static void *arr(void *p, size_t n, int own) {
	return (own ? mi_reallocarr : reallocarr)(&p, 3, n) ? 0 : p;
}
static void *wide(size_t n) {
	unsigned short text[70] = {0};
	for (size_t i = 0; i < n % 64; i++)
		text[i] = 1000;
	return mi_wcsdup(text);
}
static void *environment(void) {
	char *value = 0;
	return mi_dupenv_s(&value, 0, "FAMILY") ? 0 : value;
}
#define ALLOCS(X)                                                                                  \
	X(malloc, n, malloc(n))                                                                    \
	X(strdup, strlen(t) + 1, strdup(t))                                                        \
	X(strndup, strnlen(t, n % 100) + 1, strndup(t, n % 100))                                   \
	X(reallocarray_null, 3 * n, reallocarray(0, 3, n))                                         \
	X(reallocarr_null, 3 * n, arr(0, n, 0))                                                    \
	X(mi_malloc, n, mi_malloc(n))                                                              \
	X(mi_malloc_small, n % 1000 + 1, mi_malloc_small(n % 1000 + 1))                            \
	X(mi_zalloc_small, n % 1000 + 1, mi_zalloc_small(n % 1000 + 1))                            \
	X(mi_zalloc, n, mi_zalloc(n))                                                              \
	X(mi_calloc, 3 * n, mi_calloc(3, n))                                                       \
	X(mi_mallocn, 3 * n, mi_mallocn(3, n))                                                     \
	X(mi_malloc_aligned, n, mi_malloc_aligned(n, 64))                                          \
	X(mi_malloc_aligned_at, n, mi_malloc_aligned_at(n, 64, 8))                                 \
	X(mi_zalloc_aligned, n, mi_zalloc_aligned(n, 64))                                          \
	X(mi_zalloc_aligned_at, n, mi_zalloc_aligned_at(n, 64, 8))                                 \
	X(mi_calloc_aligned, 3 * n, mi_calloc_aligned(3, n, 64))                                   \
	X(mi_calloc_aligned_at, 3 * n, mi_calloc_aligned_at(3, n, 64, 8))                          \
	X(mi_memalign, n, mi_memalign(64, n))                                                      \
	X(mi_aligned_alloc, n / 64 * 64 + 64, mi_aligned_alloc(64, n / 64 * 64 + 64))              \
	X(mi_posix_memalign, n, posix(n))                                                          \
	X(mi_valloc, n, mi_valloc(n))                                                              \
	X(mi_new, SMALL(n), mi_new(SMALL(n)))                                                      \
	X(mi_new_n, 3 * SMALL(n), mi_new_n(3, SMALL(n)))                                           \
	X(mi_new_aligned, SMALL(n), mi_new_aligned(SMALL(n), 64))                                  \
	X(mi_new_nothrow, n, mi_new_nothrow(n))                                                    \
	X(mi_new_aligned_nothrow, n, mi_new_aligned_nothrow(n, 64))                                \
	X(mi_heap_alloc_new, SMALL(n), mi_heap_alloc_new(HEAP, SMALL(n)))                          \
	X(mi_heap_alloc_new_n, 3 * SMALL(n), mi_heap_alloc_new_n(HEAP, 3, SMALL(n)))               \
	X(mi_strdup, strlen(t) + 1, mi_strdup(t))                                                  \
	X(mi_mbsdup, strlen(t) + 1, mi_mbsdup((const unsigned char *)t))                           \
	X(mi_strndup, strnlen(t, n % 100) + 1, mi_strndup(t, n % 100))                             \
	X(mi_wcsdup, 2 * (n % 64) + 2, wide(n))                                                    \
	X(mi_realpath, sizeof "/proc", mi_realpath("/proc/../proc", 0) + 0 * n)                                 \
	X(mi_dupenv_s, sizeof "valuable", environment())                                           \
	X(mi_heap_malloc, n, mi_heap_malloc(HEAP, n))                                              \
	X(mi_heap_zalloc, n, mi_heap_zalloc(HEAP, n))                                              \
	X(mi_heap_calloc, 3 * n, mi_heap_calloc(HEAP, 3, n))                                       \
	X(mi_heap_mallocn, 3 * n, mi_heap_mallocn(HEAP, 3, n))                                     \
	X(mi_heap_malloc_small, n % 1000 + 1, mi_heap_malloc_small(HEAP, n % 1000 + 1))            \
	X(mi_heap_malloc_aligned, n, mi_heap_malloc_aligned(HEAP, n, 64))                          \
	X(mi_heap_calloc_aligned, 3 * n, mi_heap_calloc_aligned(HEAP, 3, n, 64))                   \
	X(mi_heap_strdup, strlen(t) + 1, mi_heap_strdup(HEAP, t))                                  \
	X(mi_heap_strndup, strnlen(t, n % 100) + 1, mi_heap_strndup(HEAP, t, n % 100))             \
	X(mi_heap_realpath, sizeof "/proc", mi_heap_realpath(HEAP, "/proc/../proc", 0) + 0 * n)
#define RESIZES(X)                                                                                 \
	X(realloc, n, realloc(p, n))                                                               \
	X(reallocarray, 3 * n, reallocarray(p, 3, n))                                              \
	X(reallocarr, 3 * n, arr(p, n, 0))                                                         \
	X(reallocf, n, reallocf(p, n))                                                             \
	X(mi_realloc, n, mi_realloc(p, n))                                                         \
	X(mi_reallocn, 3 * n, mi_reallocn(p, 3, n))                                                \
	X(mi_reallocf, n, mi_reallocf(p, n))                                                       \
	X(mi_reallocarray, 3 * n, mi_reallocarray(p, 3, n))                                        \
	X(mi_reallocarr, 3 * n, arr(p, n, 1))                                                      \
	X(mi_rezalloc, n, mi_rezalloc(p, n))                                                       \
	X(mi_recalloc, 3 * n, mi_recalloc(p, 3, n))                                                \
	X(mi_realloc_aligned, n, mi_realloc_aligned(p, n, 64))                                     \
	X(mi_rezalloc_aligned, n, mi_rezalloc_aligned(p, n, 64))                                   \
	X(mi_recalloc_aligned, 3 * n, mi_recalloc_aligned(p, 3, n, 64))                            \
	X(mi_aligned_recalloc, 3 * n, mi_aligned_recalloc(p, 3, n, 64))                            \
	X(mi_expand, n, mi_expand(p, n))                                                           \
	X(mi_expand_zero, (size_t)0 * n, mi_expand(p, 0 * n))                                      \
	X(mi_new_realloc, SMALL(n), mi_new_realloc(p, SMALL(n)))                                   \
	X(mi_new_reallocn, 3 * SMALL(n), mi_new_reallocn(p, 3, SMALL(n)))                          \
	X(mi_heap_realloc, n, mi_heap_realloc(HEAP, p, n))                                         \
	X(mi_heap_reallocn, 3 * n, mi_heap_reallocn(HEAP, p, 3, n))                                \
	X(mi_heap_reallocf, n, mi_heap_reallocf(HEAP, p, n))                                       \
	X(mi_heap_rezalloc, n, mi_heap_rezalloc(HEAP, p, n))                                       \
	X(mi_heap_recalloc, 3 * n, mi_heap_recalloc(HEAP, p, 3, n))                                \
	X(mi_heap_realloc_aligned, n, mi_heap_realloc_aligned(HEAP, p, n, 64))                     \
	X(mi_heap_recalloc_aligned, 3 * n, mi_heap_recalloc_aligned(HEAP, p, 3, n, 64))
#define GONE_ON_FAILURE(site) (site == S_reallocf || site == S_mi_reallocf || site == S_mi_heap_reallocf)
#define FREES(X)                                                                                   \
	X(free(p))                                                                                 \
	X(mi_free(p))                                                                              \
	X(mi_cfree(p))                                                                             \
	X(mi_free_size(p, mi_usable_size(p)))                                                      \
	X(mi_free_aligned(p, 8))                                                                   \
	X(mi_free_size_aligned(p, mi_usable_size(p), 8))
#include "family.h"
