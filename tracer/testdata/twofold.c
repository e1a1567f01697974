// build: gcc -O2 -g -fno-builtin
/* Two allocators at one call: glibc's, and one that is linked in under a prefix. */
#include <stddef.h>
#include <stdlib.h>

#define FN __attribute__((noipa))

static char memory[1 << 20] __attribute__((aligned(16)));
static size_t used;

FN void *je_malloc(size_t n)
{
	void *p = memory + used;

	used += (n + 15) & ~15UL;
	return p;
}

FN void je_free(void *p)
{
	*(char *)p = 0;
}

static void *volatile kept;

FN void site_call(void *(*allocate)(size_t), size_t size)
{
	kept = allocate(size);
}

FN void site_free(void)
{
	for (int i = 0; i < 30; i++) {
		kept = malloc(100);
		free(kept);
		kept = je_malloc(100);
		je_free(kept);
	}
}

int main(void)
{
	static void *(*const allocators[])(size_t) = {malloc, je_malloc};

	for (int i = 0; i < 40; i++)
		site_call(allocators[i % 4 == 0], 1000);
	site_free();
	return 0;
}
