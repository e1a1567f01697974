// build: gcc -O2 -g -fno-builtin -shared -fPIC
/* A wrapper that frees each block a few calls later, and keeps a record of each, too. */
#include <pthread.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *waiting[16], *records[16];
static unsigned n;

void *malloc(size_t size)
{
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
	return __libc_realloc(p, size);
}

void free(void *p)
{
	void *old, *record;

	if (!p)
		return;
	pthread_mutex_lock(&lock);
	old = waiting[n % 16];
	record = records[n % 16];
	waiting[n % 16] = p;
	records[n++ % 16] = __libc_malloc(48);
	pthread_mutex_unlock(&lock);
	__libc_free(old);
	__libc_free(record);
}
