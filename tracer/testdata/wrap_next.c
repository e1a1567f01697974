// build: gcc -O2 -g -fno-builtin -shared -fPIC
/* A wrapper that asks the next object for everything. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

static char boot[65536];
static size_t used;

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

void *malloc(size_t n)
{
	static void *(*f)(size_t);

	if (!f)
		f = next("malloc");
	return f(n);
}

void *calloc(size_t n, size_t size)
{
	static void *(*f)(size_t, size_t);
	static int busy;

	if (!f && busy) { /* dlsym asks */
		void *p = boot + used;

		used += (n * size + 15) & ~15UL;
		return p;
	}
	busy = 1;
	if (!f)
		f = next("calloc");
	return f(n, size);
}

void *realloc(void *p, size_t n)
{
	static void *(*f)(void *, size_t);

	if (!f)
		f = next("realloc");
	return f(p, n);
}

void free(void *p)
{
	static void (*f)(void *);

	if ((char *)p >= boot && (char *)p < boot + sizeof(boot))
		return;
	if (!f)
		f = next("free");
	f(p);
}
