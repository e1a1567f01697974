package target

import "strings"

// mimallocs are mimalloc's own functions (mimalloc.h), which programs call that link it in, as
// Rust's do. The first argument of those of a heap is the heap. mi_heap_destroy, which ends all
// blocks of a heap, is none of these, nor is mi_wcsdup, which calls mi_malloc.
var mimallocs = []known{
	{"mi_malloc", "size"},
	{"mi_malloc_small", "size"},
	{"mi_zalloc", "size"},
	{"mi_zalloc_small", "size"},
	{"mi_malloc_aligned", "size"},
	{"mi_malloc_aligned_at", "size"},
	{"mi_zalloc_aligned", "size"},
	{"mi_zalloc_aligned_at", "size"},
	{"mi_valloc", "size"},
	{"mi_pvalloc", "size"},
	{"mi_memalign", "_ size"},
	{"mi_aligned_alloc", "_ size"},
	{"mi_posix_memalign", "out _ size"},
	{"mi_calloc", "count size"},
	{"mi_mallocn", "count size"},
	{"mi_calloc_aligned", "count size"},
	{"mi_calloc_aligned_at", "count size"},
	{"mi_realloc", "old size"},
	{"mi_reallocf", "old size frees"},
	{"mi_rezalloc", "old size"},
	{"mi_expand", "old size keeps"},
	{"mi__expand", "old size keeps"},
	{"mi_realloc_aligned", "old size"},
	{"mi_realloc_aligned_at", "old size"},
	{"mi_rezalloc_aligned", "old size"},
	{"mi_rezalloc_aligned_at", "old size"},
	{"mi_reallocn", "old count size"},
	{"mi_reallocarray", "old count size"},
	{"mi_reallocarr", "*old count size"},
	{"mi_recalloc", "old count size"},
	{"mi_recalloc_aligned", "old count size"},
	{"mi_recalloc_aligned_at", "old count size"},
	{"mi_aligned_recalloc", "old count size"},
	{"mi_aligned_offset_recalloc", "old count size"},
	{"mi_strdup", "_ string"},
	{"mi_strndup", "_ _ string"},
	{"mi_mbsdup", "_ string"},
	{"mi_realpath", "_ buffer string"},
	{"mi_dupenv_s", "out _ _ string"},
	{"mi_free", "block"},
	{"mi_cfree", "block wraps"},
	{"mi_free_size", "block"},
	{"mi_free_aligned", "block"},
	{"mi_free_size_aligned", "block"},

	// These throw, or call C++'s handler of new.
	{"mi_new", "size throws"},
	{"mi_new_aligned", "size throws"},
	{"mi_new_nothrow", "size"},
	{"mi_new_aligned_nothrow", "size"},
	{"mi_new_n", "count size throws"},
	{"mi_new_realloc", "old size throws"},
	{"mi_new_reallocn", "old count size throws"},
	{"mi_heap_alloc_new", "_ size throws"},
	{"mi_heap_alloc_new_n", "_ count size throws"},

	{"mi_heap_malloc", "_ size"},
	{"mi_heap_malloc_small", "_ size"},
	{"mi_heap_zalloc", "_ size"},
	{"mi_heap_zalloc_small", "_ size"},
	{"mi_heap_malloc_aligned", "_ size"},
	{"mi_heap_malloc_aligned_at", "_ size"},
	{"mi_heap_zalloc_aligned", "_ size"},
	{"mi_heap_zalloc_aligned_at", "_ size"},
	{"mi_heap_calloc", "_ count size"},
	{"mi_heap_mallocn", "_ count size"},
	{"mi_heap_calloc_aligned", "_ count size"},
	{"mi_heap_calloc_aligned_at", "_ count size"},
	{"mi_heap_realloc", "_ old size"},
	{"mi_heap_reallocf", "_ old size frees"},
	{"mi_heap_rezalloc", "_ old size"},
	{"mi_heap_realloc_aligned", "_ old size"},
	{"mi_heap_realloc_aligned_at", "_ old size"},
	{"mi_heap_rezalloc_aligned", "_ old size"},
	{"mi_heap_rezalloc_aligned_at", "_ old size"},
	{"mi_heap_reallocn", "_ old count size"},
	{"mi_heap_recalloc", "_ old count size"},
	{"mi_heap_recalloc_aligned", "_ old count size"},
	{"mi_heap_recalloc_aligned_at", "_ old count size"},
	{"mi_heap_strdup", "_ _ string"},
	{"mi_heap_strndup", "_ _ _ string"},
	{"mi_heap_realpath", "_ _ buffer string"},

	// These came with mimalloc 3, and tell the size of blocks as well.
	{"mi_umalloc", "size"},
	{"mi_umalloc_small", "size"},
	{"mi_umalloc_aligned", "size"},
	{"mi_uzalloc", "size"},
	{"mi_uzalloc_small", "size"},
	{"mi_uzalloc_aligned", "size"},
	{"mi_ucalloc", "count size"},
	{"mi_urealloc", "old size"},
	{"mi_ufree", "block"},
	{"mi_free_small", "block"},
}

// threadHeaps returns the functions that mimalloc 3 has beside those of a heap, for one thread's
// part of it.
func threadHeaps(functions []Function) (more []Function) {
	for _, fn := range functions {
		if name, ok := strings.CutPrefix(fn.Name, "mi_heap_"); ok {
			fn.Name = "mi_theap_" + name
			more = append(more, fn)
		}
	}
	return more
}
