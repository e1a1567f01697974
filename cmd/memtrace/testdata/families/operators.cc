// C++'s operators, and malloc's functions beside them.
#include <cstdlib>
#include <cstring>
#include <new>
#define SMALL(n) (n > 1 << 20 ? 8 : n) // it would throw
#ifndef ASKED // libstdc++ asks for a multiple of the alignment
#define ASKED(n) ((n + 63) & ~(size_t)63)
#endif
#define WIDE std::align_val_t(64)
#define ALLOCS(X)                                                                                  \
	X(new, SMALL(n), ::operator new(SMALL(n)))                                                 \
	X(new_array, SMALL(n), ::operator new[](SMALL(n)))                                         \
	X(new_nothrow, n, ::operator new(n, std::nothrow))                                         \
	X(new_array_nothrow, n, ::operator new[](n, std::nothrow))                                 \
	X(malloc, n, malloc(n))
#define RESIZES(X) X(realloc, n, realloc(p, n))
#define FREES(X)                                                                                   \
	X(::operator delete(p))                                                                    \
	X(::operator delete[](p))                                                                  \
	X(::operator delete(p, std::nothrow))                                                      \
	X(::operator delete[](p, std::nothrow))                                                    \
	X(free(p))
// What was asked for with an alignment has to be given back with it.
#define OTHERS_ALLOCS(X)                                                                           \
	X(new_aligned, ASKED(SMALL(n)), ::operator new(SMALL(n), WIDE))                                   \
	X(new_array_aligned, ASKED(SMALL(n)), ::operator new[](SMALL(n), WIDE))                           \
	X(new_aligned_nothrow, ASKED(n), ::operator new(n, WIDE, std::nothrow))                           \
	X(new_array_aligned_nothrow, ASKED(n), ::operator new[](n, WIDE, std::nothrow))
#define OTHERS_RESIZES(X)
#define OTHERS_FREES(X)                                                                            \
	X(::operator delete(p, WIDE))                                                              \
	X(::operator delete[](p, WIDE))                                                            \
	X(::operator delete(p, WIDE, std::nothrow))                                                \
	X(::operator delete[](p, WIDE, std::nothrow))
#include "family.h"
