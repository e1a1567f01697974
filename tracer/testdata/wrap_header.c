// build: gcc -O2 -g -fno-builtin -shared -fPIC
/* A wrapper that keeps the size of each block before it. */
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

struct header {
	size_t size, mark;
};

static void *marked(struct header *h, size_t n)
{
	if (!h)
		return NULL;
	h->size = n;
	h->mark = 0xfeedfacecafebeef;
	return h + 1;
}

void *malloc(size_t n)
{
	return marked(__libc_malloc(n + sizeof(struct header)), n);
}

void *calloc(size_t n, size_t size)
{
	void *p = malloc(n * size);

	return p ? memset(p, 0, n * size) : NULL;
}

void *realloc(void *p, size_t n)
{
	return marked(__libc_realloc(p ? (struct header *)p - 1 : NULL, n + sizeof(struct header)), n);
}

void free(void *p)
{
	if (p)
		__libc_free((struct header *)p - 1);
}
