// build: gcc -O2 -g -l:libmimalloc.so.2
// Fourteen functions of mimalloc's own names leave ten blocks each.
#include "truth.h"

void *mi_malloc(size_t), *mi_zalloc(size_t), *mi_calloc(size_t, size_t), *mi_malloc_aligned(size_t, size_t);
void *mi_zalloc_aligned(size_t, size_t), *mi_realloc(void *, size_t), *mi_realloc_aligned(void *, size_t, size_t);
void *mi_new(size_t), *mi_malloc_small(size_t), *mi_heap_get_default(void), *mi_heap_malloc(void *, size_t);
void *mi_rezalloc(void *, size_t), *mi_mallocn(size_t, size_t);
char *mi_strdup(const char *);
void mi_free(void *);

#define KEEP(name, call) SITE void keep_##name(void) { for (int i = 0; i < 10; i++) *(char *)(sink = call) = 1; }
KEEP(malloc, mi_malloc(101))
KEEP(zalloc, mi_zalloc(102))
KEEP(calloc, mi_calloc(1, 103))
KEEP(malloc_aligned, mi_malloc_aligned(104, 16))
KEEP(zalloc_aligned, mi_zalloc_aligned(105, 16))
KEEP(realloc, mi_realloc(0, 106))
KEEP(realloc_aligned, mi_realloc_aligned(0, 107, 16))
KEEP(strdup, mi_strdup("0123456789"))
KEEP(new, mi_new(109))
KEEP(malloc_small, mi_malloc_small(110))
KEEP(heap_malloc, mi_heap_malloc(mi_heap_get_default(), 111))
KEEP(rezalloc, mi_rezalloc(0, 112))
KEEP(mallocn, mi_mallocn(1, 113))
KEEP(page_aligned, mi_malloc_aligned(114, 64))

int main(void) {
	truth_write();
	keep_malloc(), keep_zalloc(), keep_calloc(), keep_malloc_aligned(), keep_zalloc_aligned();
	keep_realloc(), keep_realloc_aligned(), keep_strdup(), keep_new(), keep_malloc_small();
	keep_heap_malloc(), keep_rezalloc(), keep_mallocn(), keep_page_aligned();
	for (int i = 0; i < 50; i++)
		mi_free(mi_malloc(64));
	return 0;
}
