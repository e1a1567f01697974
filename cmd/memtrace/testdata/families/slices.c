// GLib's slices, which are freed with their size.
#include <stddef.h>
#define SLICE 48
void *g_slice_alloc(size_t), *g_slice_alloc0(size_t), *g_slice_copy(size_t, const void *);
void g_slice_free1(size_t, void *);
#define ALLOCS(X)                                                                                  \
	X(g_slice_alloc, SLICE + 0 * n, g_slice_alloc(SLICE))                                      \
	X(g_slice_alloc0, SLICE + 0 * n, g_slice_alloc0(SLICE))                                    \
	X(g_slice_copy, SLICE + 0 * n, g_slice_copy(SLICE, letters))
#define RESIZES(X)
#define FREES(X) X(g_slice_free1(SLICE, p))
#define OTHERS_ALLOCS(X) X(malloc, n, malloc(n))
#define OTHERS_RESIZES(X) X(realloc, n, realloc(p, n))
#define OTHERS_FREES(X) X(free(p))
#include "family.h"
